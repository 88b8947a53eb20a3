"""From labels to rates: how many of a result's negatives are really positives, all together and by parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from foils.estimating import Population, Rate, at_look, estimate_rate, labels_to_halve
from foils.labelling.drawn import StoredDesign, check_same, prefix_labels, stored, words
from foils.labelling.events import WORDS
from foils.labelling.population import Negatives, negatives_of, result_of
from foils.labelling.store import LabelStore
from foils.mining import Mined
from foils.mining.stored import Result

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Counted:
    """The labels of a result that count, and what they are of.

    Attributes:
        drawn: the design.
        negatives: what it was drawn from.
        labels: int8[m], in the order of the design, up to the first pair without one.
    """

    drawn: StoredDesign
    negatives: Negatives
    labels: Int8


class Look(msgspec.Struct, frozen=True):
    """What the labels say at a look."""

    labels: int
    rate: Rate
    """Its interval stays honest when labelling stops because of what it says."""
    to_halve: int | None
    """About how many more labels would halve the interval; None where labelling all does not. Those beyond the design's
    are of a new, larger one."""


class Part(msgspec.Struct, frozen=True):
    """The rate of some of the negatives."""

    label: str
    negatives: int
    labels: int
    """Labels of the design that fall into it."""
    rate: Rate | None
    """None where none does."""


class Fixed(msgspec.Struct, frozen=True):
    """What all labels say. Intervals hold only for a number of labels that was fixed beforehand, not at will."""

    rate: Rate
    bands: list[Part]
    """By rank in the source."""
    sources: list[Part]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the labels of a result say: its ``mined_false_negative_rate``."""

    negatives: int
    """Of the result: what the rate is of."""
    asked: int
    """Labels that the design asks for."""
    labels: int
    """Labels in the order of the design, up to the first pair without one: those that count."""
    counts: dict[str, int]
    """Of these, by label."""
    looks: list[int]
    """Numbers of labels at which the interval may be looked at."""
    scorer: str | None
    seed: int
    look: Look | None
    """The last one that was reached; None = none yet."""
    fixed: Fixed | None
    """Of all that count, between looks, too: honest only where their number was fixed beforehand. None = no labels."""

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data; a rate that is unknown is None."""
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self, enc_hook=float))  # NaN becomes null
        return plain


def measure(result: Result | Mined, *, level: float = 0.95) -> Measured | None:
    """Measure the share of a result's negatives that are really positives, from the labels in its folder.

    Args:
        result: a finished folder.
        level: of the intervals.

    Returns:
        None where no design was drawn (nobody has labelled there).

    Raises:
        FolderError: the negatives are others than those the design was drawn from, or the labels cannot be read.
    """
    found = counted(result)
    if found is None:
        return None
    drawn, negatives, labels = found.drawn, found.negatives, found.labels
    return Measured(
        negatives=len(negatives),
        asked=len(drawn),
        labels=len(labels),
        counts={WORDS[label]: count for label, count in words(labels).items()},
        looks=list(drawn.facts.looks),
        scorer=drawn.facts.scorer,
        seed=drawn.facts.seed,
        look=last_look(negatives.population, drawn, labels, level=level),
        fixed=_fixed(found, level) if len(labels) else None,
    )


def counted(result: Result | Mined) -> Counted | None:
    """Read the labels of a result that count; None where no design was drawn.

    Raises:
        FolderError: as ``measure``.
    """
    opened = result_of(result)
    store = LabelStore.of(opened.path)
    drawn = stored(store)
    if drawn is None:
        return None
    check_same(opened, drawn)
    return Counted(drawn, negatives_of(opened, drawn.facts.scorer), prefix_labels(store.states(drawn.pairs)))


def last_look(population: Population, drawn: StoredDesign, labels: Int8, *, level: float = 0.95) -> Look | None:
    """Give the last look that was reached; None = none yet.

    Args:
        population: the negatives.
        drawn: the design.
        labels: int8[m], in its order.
        level: of the interval, all looks together.
    """
    rate = at_look(population, drawn.design, labels, level=level)
    if rate is None:
        return None
    return Look(rate.labels, rate, labels_to_halve(population, drawn.design, labels[: rate.labels], level=level))


def next_look(drawn: StoredDesign, labels: int) -> int | None:
    """Give the number of labels at which the estimate may be looked at next; None = there is no further look."""
    return next((look for look in drawn.facts.looks if look > labels), None)


def _fixed(found: Counted, level: float) -> Fixed:
    drawn, negatives, labels = found.drawn, found.negatives, found.labels
    return Fixed(
        rate=estimate_rate(negatives.population, drawn.design, labels, level=level),
        bands=_parts(negatives, drawn, labels, negatives.population.bands, negatives.band_names, level),
        sources=_parts(negatives, drawn, labels, negatives.sources, negatives.source_names, level),
    )


def _parts(
    negatives: Negatives,
    drawn: StoredDesign,
    labels: Int8,
    part_of: npt.NDArray[np.integer],
    names: tuple[str, ...],
    level: float,
) -> list[Part]:
    labelled = part_of[drawn.design.order[: len(labels)]]
    parts = []
    for code, name in enumerate(names):
        inside, known = part_of == code, int((labelled == code).sum())
        rate = None
        if known:
            rate = estimate_rate(negatives.population, drawn.design, labels, within=inside, level=level)
        parts.append(Part(name, int(inside.sum()), known, rate))
    return parts
