"""Choose what an advice is tried out on: anchors to train on, anchors to evaluate, and items around them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from foils import _array
from foils.advising.settings import AdviceSettings
from foils.collection import Collection
from foils.errors import DataError
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


def _shuffled(rows: Int64, seed: int, what: str) -> Int64:
    noise = _array.counter_uniform(_array.Key(seed, f"advice.{what}", 0), np.zeros(1, np.int64), rows)
    return rows[np.argsort(noise, kind="stable")]
