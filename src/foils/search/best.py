"""What a search keeps for every row: the cells of a block that are barred, and the best k of scored pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.positives import Int64
from foils.search.vectors import Float32

Rows = npt.NDArray[np.int32] | Int64
"""Rows of items, as shortlists hold them."""
MOST_SHORT = 2**31 - 1
"""Items whose rows fit into 32 bits."""
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


def best_of_pairs(rows: Int64, items: Int64, scores: Float32, anchors: int, k: int) -> tuple[Int64, Float32]:
    """Keep the best k scored items of every row.

    Args:
        rows: int64[P], below ``anchors``.
        items: int64[P], each once in a row.
        scores: float32[P], canonical.
        anchors: how many rows there are.
        k: how many items are kept.

    Returns:
        int64[A, k] items by (−score, item row), −1 where there are fewer; float32[A, k] scores, NaN there.
    """
    order = np.lexsort((items, -scores, rows))
    rows = rows[order]
    places = segments.places(np.bincount(rows, minlength=anchors))
    at = rows[places < k], places[places < k]
    kept = order[places < k]
    best, values = np.full((anchors, k), -1, np.int64), np.full((anchors, k), np.nan, np.float32)
    best[at], values[at] = items[kept], scores[kept]
    return best, values
