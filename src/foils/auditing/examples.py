"""Examples worth reading, chosen by the same order every time: no unit and no item twice within a kind."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foils import _array
from foils.auditing.from_result import Rejected
from foils.auditing.subject import Bool, Float64, Subject
from foils.collection import Records
from foils.positives import Int64

MOST = 4
"""Examples of a kind."""
CHARACTERS = 320
"""Of a text."""
TITLES = {
    "wrong": (
        "Known to be positive",
        "Positives of the same anchor here or in another split, or exact copies of one. These are faults.",
    ),
    "hidden": ("Hidden positives", "The fuller judgements call these positive."),
    "above": (
        "Above their positive",
        "They score higher than the positives do. Read them: many such negatives are positives that nobody labelled.",
    ),
    "near": ("Nearly the positive", "Nearly all words are those of a positive. Minimal pairs, or copies?"),
    "hardest": (
        "Hardest below their positive",
        "The highest-scored of those below: the most instructive negatives, if they are negatives.",
    ),
    "rejected": (
        "Just rejected",
        "The rejected candidates nearest to what was kept. If these are good negatives, the rules are too strict.",
    ),
    "drawn": ("Some at random", "Drawn by hash: what the negatives are like when nobody looks for the worst."),
    "short": (
        "Short of negatives",
        "Units with the lowest-scored positives among those that got fewer negatives than asked for.",
    ),
}
"""Of each kind of examples: its title, and what they mean."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """An item of an example."""

    item_id: str
    text: str | None
    score: float | None


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A unit, one of its positives, and a negative or a rejected candidate."""

    unit_id: str
    anchor: str | None
    positive: Side | None
    """The best-scored given positive."""
    negative: Side | None
    """None for a unit without negatives."""
    rank: int | None
    source: str | None
    note: str
    """What else is to be said, such as the rule that rejected it."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """Examples of one kind."""

    kind: str
    title: str
    meaning: str
    examples: list[Example]


def find_examples(subject: Subject, hidden: Bool, wrong: Bool, near: Int64, rejected: Rejected | None) -> list[Kind]:
    """Choose the examples.

    Args:
        subject: the negatives.
        hidden: bool[N], hidden positives.
        wrong: bool[N], known positives, their copies and those of other splits.
        near: positions of near-duplicates of a positive, of a sample.
        rejected: what was just rejected, or None.
    """
    gaps = subject.gaps("mean")
    hardest = np.where(np.isnan(gaps), -np.inf, gaps)
    order = np.lexsort((np.arange(len(gaps)), subject.ranks, -hardest))
    score = np.nan_to_num(subject.scores.astype(np.float64), nan=-np.inf)
    best = np.lexsort((np.arange(len(gaps)), subject.ranks, -score))
    scored = np.isfinite(hardest)
    kinds = [
        _kind("wrong", subject, best[wrong[best]]),
        _kind("hidden", subject, best[hidden[best]]),
        _kind("above", subject, order[(scored & (gaps >= 0) & ~hidden & ~wrong)[order]]),
        _kind("near", subject, near[np.argsort(-hardest[near], kind="stable")]),
        _kind("hardest", subject, best[(scored & (gaps < 0))[best]]),
        *([_rejected(subject, rejected)] if rejected is not None else []),
        _short(subject),
        _kind("drawn", subject, _drawn(subject)),
    ]
    return [kind for kind in kinds if kind.examples]


def _drawn(subject: Subject) -> Int64:
    """Order the negatives by a hash of the pair, the first few."""
    key = _array.Key(0, "audit.examples", 0)
    noise = _array.counter_uniform(key, subject.anchors[subject.units], subject.items)
    few = min(len(noise), 16 * MOST)
    first = np.argpartition(noise, few - 1)[:few]
    return first[np.argsort(noise[first], kind="stable")]


def _kind(kind: str, subject: Subject, order: Int64) -> Kind:
    title, meaning = TITLES[kind]
    chosen = _distinct(subject.units[order], subject.items[order])
    examples = [_example(subject, int(order[place])) for place in chosen]
    return Kind(kind=kind, title=title, meaning=meaning, examples=examples)


def _rejected(subject: Subject, rejected: Rejected) -> Kind:
    order = np.lexsort((rejected.units, rejected.gaps))
    title, meaning = TITLES["rejected"]
    examples = []
    for place in _distinct(rejected.units[order], rejected.items[order]):
        at = int(order[place])
        unit, reason = int(rejected.units[at]), rejected.reasons[at].as_py()
        side = _side(subject, int(rejected.items[at]), float(rejected.scores[at]))
        note = f"rejected by {reason}, {rejected.gaps[at]:.3f} above the best that was kept"
        examples.append(_of(subject, unit, side, int(rejected.ranks[at]), None, note))
    return Kind(kind="rejected", title=title, meaning=meaning, examples=examples)


def _short(subject: Subject) -> Kind:
    title, meaning = TITLES["short"]
    short = np.flatnonzero(subject.counts < subject.asked)
    reference = subject.reference("mean")[short]
    order = short[np.argsort(np.where(np.isnan(reference), np.inf, reference), kind="stable")]
    examples = []
    for unit in order[:MOST]:
        count = int(subject.counts[unit])
        note = f"{count} of {subject.asked} negatives"
        if count:
            examples.append(_example(subject, int(subject.indptr[unit]), note))
        else:
            examples.append(_of(subject, int(unit), None, None, None, note))
    return Kind(kind="short", title=title, meaning=meaning, examples=examples)


def _distinct(units: Int64, items: Int64) -> Sequence[int]:
    """Give the first few positions that repeat neither a unit nor an item."""
    chosen: list[int] = []
    seen: set[tuple[str, int]] = set()
    for place in range(len(units)):
        keys = {("unit", int(units[place])), ("item", int(items[place]))}
        if not keys & seen:
            seen |= keys
            chosen.append(place)
        if len(chosen) == MOST:
            break
    return chosen


def _example(subject: Subject, at: int, note: str = "") -> Example:
    side = _side(subject, int(subject.items[at]), float(subject.scores[at]))
    rank = int(subject.ranks[at]) or None
    source = subject.source_names[subject.sources[at]] if subject.form == "foils" else None
    return _of(subject, int(subject.units[at]), side, rank, source, note)


def _of(subject: Subject, unit: int, negative: Side | None, rank: int | None, source: str | None, note: str) -> Example:
    collection = subject.collection
    return Example(
        unit_id=subject.unit_ids[unit].as_py(),
        anchor=None if collection is None else _text(collection.anchors, int(subject.anchors[unit])),
        positive=_best_positive(subject, unit),
        negative=negative,
        rank=rank,
        source=source,
        note=note,
    )


def _best_positive(subject: Subject, unit: int) -> Side | None:
    inside = slice(int(subject.positive_indptr[unit]), int(subject.positive_indptr[unit + 1]))
    scores: Float64 = np.nan_to_num(subject.positive_scores[inside].astype(np.float64), nan=-np.inf)
    if not len(scores):
        return None
    best = int(np.argmax(scores))
    return _side(subject, int(subject.positives[inside][best]), float(scores[best]))


def _side(subject: Subject, item: int, score: float) -> Side:
    text = None if subject.collection is None else _text(subject.collection.items, item)
    return Side(item_id=subject.item_ids[item].as_py(), text=text, score=score if np.isfinite(score) else None)


def _text(records: Records, row: int) -> str | None:
    if records.texts is None:
        return None
    text = " ".join(records.full_texts(row, row + 1)[0].split())
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
