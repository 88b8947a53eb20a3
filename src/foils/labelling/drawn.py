"""The design of a result's labels: drawn once, then kept, so that labels given today count tomorrow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from typing import NoReturn

import msgspec
import numpy as np
import numpy.typing as npt

from foils._array import Key
from foils.errors import FolderError, InputError
from foils.estimating import Design, Label, draw_design
from foils.labelling.events import State
from foils.labelling.population import Negatives, digest_of, negatives_of
from foils.labelling.store import FILE, LabelStore, clear_design, restored, untouched
from foils.mining.stored import Result

STAGE = "labels"
DEFAULT_LABELS = 200
"""How many labels a design asks for by default."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a design follows from."""

    n: int
    seed: int
    scorer: str | None
    """The column that guided the draw."""
    size: int
    """Negatives of the result."""
    looks: tuple[int, ...]
    start: float = 0.0
    """Where score groups were cut."""
    digest: str
    """SHA-256 of the negatives that it was drawn from."""
    drawn_at: str
    foils: str


@dataclass(frozen=True, eq=False)
class StoredDesign:
    """A design and its pairs by id.

    Attributes:
        facts: what it follows from.
        design: places in the population, and their probabilities.
        pairs: (anchor id, item id), in the order of labelling.
    """

    facts: Facts
    design: Design
    pairs: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.pairs)

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """Position of each pair; of one that stands in it twice, the first."""
        return {pair: position for position, pair in reversed(list(enumerate(self.pairs)))}


def draw(negatives: Negatives, n: int, seed: int) -> StoredDesign:
    """Draw a design of ``n`` labels; where there are fewer negatives, of all of them."""
    n = min(n, len(negatives))
    # Results with other negatives get other noise, so that their designs are independent and can be pooled.
    design = draw_design(negatives.population, n, Key(seed, f"{STAGE} {negatives.digest}", 0))
    anchors, items = (ids.take(design.order).to_pylist() for ids in (negatives.anchor_ids, negatives.item_ids))
    facts = Facts(
        n=n,
        seed=seed,
        scorer=negatives.scorer,
        size=len(negatives),
        looks=tuple(design.looks),
        start=design.start,
        digest=negatives.digest,
        drawn_at=datetime.now(UTC).isoformat(timespec="seconds"),
        foils=version("foils"),
    )
    return StoredDesign(facts, design, list(zip(anchors, items, strict=True)))


def keep(store: LabelStore, drawn: StoredDesign, replacing: StoredDesign | None) -> None:
    """Store a design, where there is none yet, or only this one, of which no label is stored."""
    order, pi = drawn.design.order.tolist(), drawn.design.pi.tolist()
    rows = [
        (position, place, *pair, share)
        for position, (place, pair, share) in enumerate(zip(order, drawn.pairs, pi, strict=True))
    ]
    with store.writing() as connection:
        there = connection.execute("SELECT facts FROM design").fetchone()
        if there is not None:
            known = replacing is not None and msgspec.json.decode(there[0], type=Facts) == replacing.facts
            if not known or not untouched(connection):
                raise FolderError(f"{store.path}: another process has just drawn a design; run the command again")
            clear_design(connection)
        connection.execute("INSERT INTO design VALUES (1, ?)", (msgspec.json.encode(drawn.facts).decode(),))
        connection.executemany("INSERT INTO pairs VALUES (?, ?, ?, ?, ?)", rows)


def stored(store: LabelStore) -> StoredDesign | None:
    """Read the design; None where none was drawn.

    Raises:
        FolderError: it cannot be read.
    """
    if not store.exists:
        return None
    with store.reading() as connection:
        row = connection.execute("SELECT facts FROM design").fetchone()
        rows = connection.execute("SELECT place, anchor_id, item_id, pi FROM pairs ORDER BY position").fetchall()
    if row is None:
        return None
    try:
        facts = msgspec.json.decode(row[0], type=Facts)
    except msgspec.DecodeError as error:
        raise FolderError(f"{store.path}: its design cannot be read ({error}); {restored(store.path)}") from error
    places, pi = np.array([row[0] for row in rows], np.int64), np.array([row[3] for row in rows], np.float64)
    return StoredDesign(
        facts,
        Design(order=places, pi=pi, size=facts.size, looks=facts.looks, start=facts.start),
        [row[1:3] for row in rows],
    )


def stored_or_drawn(
    result: Result,
    *,
    n: int | None = None,
    seed: int | None = None,
    scorer: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[StoredDesign, Negatives]:
    """Take up the design of a result, or draw one and keep it; one without any label gives way to what is asked for.

    Args:
        result: a finished folder.
        n: labels; None = as stored, or ``DEFAULT_LABELS``.
        seed: of the draw; None = as stored, or 0.
        scorer: column that guides the draw; None = as stored, or the best there is.
        say: told what was drawn.

    Raises:
        InputError: something else was asked for than what is stored, or there is no such column.
        FolderError: the negatives are others than those the design was drawn from.
    """
    store = LabelStore.of(result.path)
    before = stored(store)
    there = _as_asked(result, before, n, seed, scorer)
    if there is not None:
        return there, negatives_of(result, there.facts.scorer)
    negatives = negatives_of(result, scorer)
    drawn = draw(negatives, DEFAULT_LABELS if n is None else n, seed or 0)
    store.create()
    keep(store, drawn, before)
    if before is not None:
        say(f"no label is stored yet: the design of {before.facts.n:,} pairs of before gives way to a new one")
    guide = f"guided by {drawn.facts.scorer}" if drawn.facts.scorer else "without scores"
    say(f"{len(drawn):,} of {drawn.facts.size:,} negatives drawn to be labelled, {guide}; labels: {store.path}")
    return drawn, negatives


def check_design(result: Result, *, n: int | None = None, seed: int | None = None, scorer: str | None = None) -> None:
    """Check that what is asked for is what is stored, or may be drawn in its place; see ``stored_or_drawn``."""
    _as_asked(result, stored(LabelStore.of(result.path)), n, seed, scorer)


def _as_asked(
    result: Result, there: StoredDesign | None, n: int | None, seed: int | None, scorer: str | None
) -> StoredDesign | None:
    """Give the stored design where it is what is asked for; None where one is to be drawn.

    A design of which no label is stored binds nobody: where it is not what is asked for, another one is drawn.
    """
    if there is None:
        return None
    store = LabelStore.of(result.path)
    try:
        check_same(result, there)
        _refuse_other(store, there, n, seed, scorer)
    except InputError:
        if store.untouched:
            return None
        raise
    return there


def check_same(result: Result, drawn: StoredDesign) -> None:
    """Check that the negatives are those the design was drawn from.

    Raises:
        FolderError: they are others.
    """
    now = digest_of(result)
    if now != drawn.facts.digest:
        raise FolderError(
            f"{result.path}: the negatives have changed since the labels' design was drawn on "
            f"{drawn.facts.drawn_at[:10]} (negatives.parquet was {drawn.facts.digest[:12]}… then, is {now[:12]}… now), "
            f"so they say nothing about these. Export the labels (foils review {result.path} --export labels.csv), "
            f"move {FILE} away, and import them into the new design (--import labels.csv): each pair that is drawn "
            "again is labelled already"
        )


def prefix_labels(states: list[State]) -> npt.NDArray[np.int8]:
    """Give the labels of the design up to the first pair without one: int8[m]."""
    labels = [state.label for state in states]
    return np.array(labels[: labels.index(None)] if None in labels else labels, np.int8)


def words(labels: npt.NDArray[np.int8]) -> dict[Label, int]:
    """Count labels."""
    return {label: int((labels == label).sum()) for label in Label}


def _refuse_other(store: LabelStore, there: StoredDesign, n: int | None, seed: int | None, scorer: str | None) -> None:
    facts = there.facts
    if n is not None and (n := min(n, facts.size)) != facts.n:
        _refuse_other_number(store, facts, n)
    for option, (now, then) in {"--seed": (seed, facts.seed), "--scorer": (scorer, facts.scorer)}.items():
        if now is not None and now != then:
            raise InputError(
                f"{option} {now}: the design of {store.path} was drawn with {then}, and labels belong to it; leave "
                f"{option} out to go on. For another design export the labels (--export labels.csv), move the file "
                "away, begin anew and import them: each pair that is drawn again is labelled already"
            )


def _refuse_other_number(store: LabelStore, facts: Facts, n: int) -> NoReturn:
    """Refuse to shrink a design, or to let it grow.

    The looks share the whole chance of a miss. A design that grows because they did not please would have further looks
    with nothing left for them; a new draw that does not depend on the first has a chance of its own.
    """
    what = f"--labels {n}: the design of {store.path} was drawn with {facts.n}"
    if n < facts.n:
        looks = ", ".join(f"{look:,}" for look in facts.looks)
        raise InputError(f"{what}; leave --labels out, and stop at whichever of its looks you like: {looks}")
    folder = store.path.parent
    raise InputError(
        f"{what} and cannot grow: its looks have used up the chance of a miss, so an interval from labels added after "
        f"them would promise too much. Draw anew and keep the labels: foils review {folder} --export labels.csv; move "
        f"{FILE} away; foils review {folder} --import labels.csv; foils review {folder} --data DATA --labels {n} "
        f"--seed {facts.seed + 1}. With another seed the draw does not depend on what you saw; pairs that are drawn "
        "again are not asked again"
    )
