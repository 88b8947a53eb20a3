"""The best k of every row, gathered block of items by block, ordered by (−score, item row)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foils.positives import Int64
from foils.search.vectors import Float32

LOWEST = -1e37
"""Below every score: vectors are no longer than 1e18. Excluded cells hold −inf, which is lower still."""


@dataclass(frozen=True, eq=False)
class ByItem:
    """Pairs of a row and an item, by item, so that those of a block of items lie together.

    Attributes:
        order: int64[P], where each pair stood before.
        rows: int64[P].
        items: int64[P], ascending.
    """

    order: Int64
    rows: Int64
    items: Int64

    @classmethod
    def of(cls, rows: Int64, items: Int64) -> ByItem:
        """Sort the pairs."""
        order = np.argsort(items, kind="stable")
        return cls(order, rows[order], items[order])

    def within(self, start: int, stop: int) -> slice:
        """Say which pairs have items of a block."""
        return slice(*np.searchsorted(self.items, [start, stop]))

    def cells(self, start: int, stop: int) -> tuple[Int64, Int64]:
        """Give the cells of a rows × block matrix that the block's pairs stand in."""
        inside = self.within(start, stop)
        return self.rows[inside], self.items[inside] - start


@dataclass(frozen=True, eq=False)
class Best:
    """What is best so far.

    Attributes:
        items: int64[A, k], −1 = none.
        scores: float32[A, k], NaN where there is none.
    """

    items: Int64
    scores: Float32

    @classmethod
    def empty(cls, anchors: int, k: int) -> Best:
        """Begin with nothing."""
        return cls(np.full((anchors, k), -1, np.int64), np.full((anchors, k), np.nan, np.float32))

    def merged(self, rows: Int64, items: Int64, scores: Float32) -> Best:
        """Add cells, and keep the best."""
        anchors, k = self.items.shape
        held = np.nonzero(self.items >= 0)
        rows = np.concatenate([held[0], rows])
        items = np.concatenate([self.items[held], items])
        scores = np.concatenate([self.scores[held], scores])
        order = np.lexsort((items, -scores, rows))
        rows, items, scores = rows[order], items[order], scores[order]
        places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(anchors))[rows]
        keep = places < k
        best = Best.empty(anchors, k)
        best.items[rows[keep], places[keep]] = items[keep]
        best.scores[rows[keep], places[keep]] = scores[keep]
        return best
