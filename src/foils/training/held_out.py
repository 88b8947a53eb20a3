"""What training does not see, and is stopped by: a split of its own, or a share of the anchors.

Whether an anchor is held out is a hash of the seed and its row, so that it does not depend on the other anchors,
on the order or on a resume.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.collection import Collection
from foils.errors import DataError
from foils.positives import Int64, Judgements

METRIC = "ndcg@10"
SPLIT = "dev"
"""The split that says when to stop, where a collection has one."""
LEAST_ANCHORS, MOST_ANCHORS = 10, 1000
"""Fewer say nothing; more cost time and say little more."""
CHOSEN = "held out"


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Judged anchors that say how good a model is while it is trained.

    Attributes:
        collection: the anchors, the items, and their judgements in the split ``held out``.
        anchors: int64[D], their rows in the collection that was held out from.
        items: int64[I], the rows of the items.
        apart: whether the anchors are taken from the training split, and so are not trained on.
    """

    collection: Collection
    anchors: Int64
    items: Int64
    apart: bool

    @property
    def digest(self) -> str:
        """Hash of the rows and their judgements."""
        judged = self.collection.judgements
        state = hashlib.blake2b(b"held out/1", digest_size=16)
        for array in (self.anchors, self.items, judged.anchors, judged.items, judged.grades):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    def with_items(self, most: int, seed: int) -> HeldOut:
        """Keep the judged items and a random sample of the others, ``most`` in all if the judged ones are fewer."""
        judged = self.collection.judgements
        noise = _array.counter_uniform(_array.Key(seed, CHOSEN, 0), np.zeros(1, np.int64), self.items)
        noise[judged.items] = -1
        noise[self.collection.items.empty] = 2
        size = max(most, len(np.unique(judged.items)))
        rows = np.sort(np.argsort(noise, kind="stable")[:size])
        kept = replace(judged, items=np.searchsorted(rows, judged.items))
        collection = replace(self.collection, items=self.collection.items.take(rows), judgements=kept)
        return replace(self, collection=collection, items=self.items[rows])


def hold_out(collection: Collection, *, split: str, dev: str | None, share: float, seed: int) -> HeldOut | None:
    """Choose the anchors that training is stopped by.

    Args:
        collection: anchors, items and judgements.
        split: what is trained on.
        dev: a split of its own; default: ``dev`` where the collection has one, else a share of the anchors.
        share: of the anchors of ``split`` that have a positive.
        seed: of the choice.

    Returns:
        At most 1,000 anchors; None where there are fewer than 10, which say nothing.

    Raises:
        DataError: there is no split ``dev``, or it has fewer than 10 anchors with a positive.
    """
    apart = dev is None and (SPLIT not in collection.splits or split == SPLIT)
    judged = collection.judgements.select((split if apart else dev or SPLIT,))
    anchors = np.unique(judged.anchors[judged.grades > 0])
    noise = _array.counter_uniform(_array.Key(seed, CHOSEN, 0), anchors, np.zeros(1, np.int64))
    if apart:
        anchors, noise = anchors[noise < share], noise[noise < share]
    if len(anchors) < LEAST_ANCHORS:
        if dev is not None:
            raise DataError(
                f"the split {dev!r} has {len(anchors)} anchors with a positive; expected {LEAST_ANCHORS} or more to "
                "say when to stop; choose another, or leave it out"
            )
        return None
    anchors = np.sort(anchors[np.argsort(noise, kind="stable")[:MOST_ANCHORS]])
    items = np.arange(len(collection.items))
    return HeldOut(_alone(collection, judged, anchors), anchors, items, apart)


def not_held_out(held_out: HeldOut | None, n_anchors: int) -> npt.NDArray[np.bool_]:
    """bool[A], True where an anchor may be trained on."""
    free = np.ones(n_anchors, bool)
    if held_out is not None and held_out.apart:
        free[held_out.anchors] = False
    return free


def _alone(collection: Collection, judged: Judgements, anchors: Int64) -> Collection:
    """Give a collection of these anchors and all items, with one split."""
    inside = np.isin(judged.anchors, anchors)
    rows = np.searchsorted(anchors, judged.anchors[inside])
    kept = Judgements(
        rows, judged.items[inside], judged.grades[inside], np.zeros(len(rows), np.int16), split_names=(CHOSEN,)
    )
    return Collection(collection.anchors.take(anchors), collection.items, kept)
