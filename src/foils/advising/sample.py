"""Choose what an advice is tried out on: anchors to train on, anchors to evaluate, and items around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foils import _array
from foils.advising.settings import AdviceSettings
from foils.collection import Collection
from foils.errors import DataError
from foils.positives import Int64, Judgements

TRAIN, HELD_OUT = "train", "held out"
LEAST = 20
"""Fewer anchors on either side say nothing."""


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
        split: whose anchors are used.
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
    inside = np.isin(judged.anchors, anchors)
    known = np.unique(judged.items[inside])
    others = np.setdiff1d(np.flatnonzero(~collection.items.empty), known)
    more = _shuffled(others, seed, "items")[: max(settings.items - len(known), 0)]
    rows, items = np.sort(anchors), np.sort(np.concatenate([known, more]))
    late = np.isin(judged.anchors[inside], anchors[:held_out])
    kept = Judgements(
        np.searchsorted(rows, judged.anchors[inside]),
        np.searchsorted(items, judged.items[inside]),
        judged.grades[inside],
        late.astype(np.int16),
        (TRAIN, HELD_OUT),
    )
    groups = None if collection.item_groups is None else collection.item_groups[items]
    small = Collection(
        collection.anchors.take(rows), collection.items.take(items), kept, collection.normaliser, groups
    )
    return Sample(small, rows, items, held_out)


def _shuffled(rows: Int64, seed: int, what: str) -> Int64:
    noise = _array.counter_uniform(_array.Key(seed, f"advice.{what}", 0), np.zeros(1, np.int64), rows)
    return rows[np.argsort(noise, kind="stable")]
