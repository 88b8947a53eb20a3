"""Choose what an advice is tried out on: anchors to train on, anchors to evaluate, and items around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from foils import _array
from foils.advising.settings import AdviceSettings
from foils.collection import Collection
from foils.constraints import Allow, Constraint, Deny
from foils.errors import DataError
from foils.formats.id_pairs import read_id_pairs
from foils.positives import Int64

TRAIN, HELD_OUT = "train", "held out"
LEAST = 20
"""Fewer held-out anchors say nothing."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A small collection with the splits ``train`` and ``held out``.

    Attributes:
        collection: the sample.
        anchors: int64[A], rows of its anchors in the whole collection.
        items: int64[I], rows of its items.
        held_out: number of anchors to evaluate.
    """

    collection: Collection
    anchors: Int64
    items: Int64
    held_out: int


def choose(collection: Collection, split: str, settings: AdviceSettings, seed: int) -> Sample:
    """Choose anchors and items by the hash of their rows; all that is judged about the anchors comes with them.

    Args:
        collection: anchors, items and judgements.
        split: whose anchors and judgements are used.
        settings: how many.
        seed: of the choice.

    Raises:
        DataError: too few anchors have a positive.
    """
    judged = collection.judgements.select((split,))
    able = ~collection.anchors.empty[judged.anchors] & ~collection.items.empty[judged.items] & (judged.grades > 0)
    anchors = _shuffled(np.unique(judged.anchors[able]), seed, "anchors")[: settings.anchors]
    held_out = len(anchors) // 3
    if held_out < LEAST:
        raise DataError(
            f"{len(anchors)} anchors of the split {split!r} have a positive with text; an advice needs {3 * LEAST} "
            "to see any difference; label more pairs, or begin with in-batch negatives"
        )
    known = np.unique(judged.items[np.isin(judged.anchors, anchors)])
    others = np.setdiff1d(np.flatnonzero(~collection.items.empty), known)
    more = _shuffled(others, seed, "items")[: max(settings.items - len(known), 0)]
    rows, items = np.sort(anchors), np.sort(np.concatenate([known, more]))
    small = replace(collection, judgements=judged).part(rows, items)
    late = np.isin(small.judgements.anchors, np.searchsorted(rows, anchors[:held_out]))
    split_anew = replace(small.judgements, splits=late.astype(np.int16), split_names=(TRAIN, HELD_OUT))
    return Sample(replace(small, judgements=split_anew), rows, items, held_out)


def sampled_constraints(constraints: Sequence[Constraint], sample: Collection) -> list[Constraint]:
    """Restrict lists of pairs to the sample's anchors and items; constraints by metadata stay as they are.

    An anchor of the sample whose allowed items are all outside of it is allowed nothing that a list can name; it is
    left free, as mining of the whole would not leave it without.
    """
    return [_within(one, sample) if isinstance(one, Allow | Deny) else one for one in constraints]


def _within(constraint: Allow | Deny, sample: Collection) -> Allow | Deny:
    given = constraint.pairs
    if isinstance(given, str | Path):
        listed = read_id_pairs(Path(given))
        given = zip(listed.anchors.to_pylist(), listed.items.to_pylist(), strict=True)
    pairs = [(str(anchor), str(item)) for anchor, item in given]
    rows = [records.rows([pair[side] for pair in pairs]) for side, records in enumerate((sample.anchors, sample.items))]
    inside = (rows[0] >= 0) & (rows[1] >= 0)
    return type(constraint)([pair for pair, kept in zip(pairs, inside.tolist(), strict=True) if kept])


def chance_level(sample: Sample) -> float:
    """Give the nDCG@10 that a random ranking of the sample's items has on the held-out anchors, about.

    With R of N items relevant, each of the first ten places holds one with probability R / N.
    """
    judged = sample.collection.judgements.select((HELD_OUT,))
    relevant = np.bincount(judged.anchors[judged.grades > 0])
    relevant = relevant[relevant > 0]
    discounts = np.cumsum(1 / np.log2(np.arange(2, 12)))
    expected = relevant / len(sample.items) * discounts[-1] / discounts[np.minimum(relevant, 10) - 1]
    return float(np.minimum(expected, 1).mean())


def _shuffled(rows: Int64, seed: int, what: str) -> Int64:
    noise = _array.counter_uniform(_array.Key(seed, f"advice.{what}", 0), np.zeros(1, np.int64), rows)
    return rows[np.argsort(noise, kind="stable")]
