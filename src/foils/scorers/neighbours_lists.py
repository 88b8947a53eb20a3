"""The nearest neighbours of vectors among vectors, searched exactly when they are first asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.positives import Int64, Relation
from foils.search import Blocks, ExactIndex, Vectors
from foils.search.vectors import Float32

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lists:
    """For every row of some vectors, its k nearest rows of others; 8·k bytes per row.

    Attributes:
        queries: float32[N, d] vectors.
        index: what is searched.
        excludes_itself: whether row r must not be in its own list: both sides are the same.
        blocks: sizes of the blocks of a search.
        rows: int32[N, k], nearest first, −1 where there are fewer.
        weights: float32[N, k], the cosine, 0 where it is negative or there is no neighbour.
        known: bool[N], rows whose list is made.
    """

    queries: Vectors
    index: ExactIndex
    excludes_itself: bool
    blocks: Blocks
    rows: npt.NDArray[np.int32]
    weights: Float32
    known: Bool
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(
        cls, queries: Vectors, items: Vectors, eligible: Bool, k: int, blocks: Blocks, *, excludes_itself: bool
    ) -> Lists:
        """Make empty lists.

        Args:
            queries: whose neighbours are asked for.
            items: where they are looked for.
            eligible: bool[rows of ``items``], False for what is nobody's neighbour.
            k: how many neighbours.
            blocks: sizes of the blocks of a search.
            excludes_itself: whether both sides are the same, and no row is its own neighbour.
        """
        count = len(queries)
        rows, weights = np.full((count, k), -1, np.int32), np.zeros((count, k), np.float32)
        index = ExactIndex(items, eligible)
        return cls(queries, index, excludes_itself, blocks, rows, weights, np.zeros(count, bool))

    def of_rows(self, rows: Int64) -> tuple[Int64, Float32]:
        """Give int64[R, k] neighbours and float32[R, k] weights, −1 and 0 for a row of −1."""
        self._require(np.unique(rows[rows >= 0]))
        absent = rows < 0
        near, weights = self.rows[rows].astype(np.int64), self.weights[rows]
        near[absent], weights[absent] = -1, 0
        return near, weights

    def _require(self, rows: Int64) -> None:
        """Search for the lists that are not made yet; a list does not depend on what it is searched with."""
        k = self.rows.shape[1]
        with self.lock:
            missing = rows[~self.known[rows]]
            for part in segments.slices(len(missing) if k else 0, self.blocks.anchors):
                some = missing[part]
                itself = Relation.from_pairs(np.arange(len(some)), some, len(some))
                excluded = itself if self.excludes_itself else Relation.empty(len(some))
                near, cosines = self.index.search(self.queries.read(some), k, excluded, self.blocks)
                self.rows[some] = near
                self.weights[some] = np.where(near >= 0, np.maximum(cosines, 0), 0)
            self.known[missing] = True


def mutual(lists: Lists, rows: Int64, near: Int64, weights: Float32) -> tuple[Int64, Float32]:
    """Keep the neighbours that count the row among their own nearest: −1 and 0 elsewhere.

    Args:
        lists: of neighbours within one set of vectors.
        rows: int64[R].
        near: int64[R, k], their neighbours.
        weights: float32[R, k].
    """
    back, _ = lists.of_rows(near.ravel())
    kept = (back.reshape(*near.shape, back.shape[1]) == rows[:, None, None]).any(axis=2) & (near >= 0)
    return np.where(kept, near, -1), np.where(kept, weights, np.float32(0))


def weighted_mean(values: npt.NDArray[np.float64], weights: Float32) -> npt.NDArray[np.float64]:
    """Give float64[P], the mean of each row weighted, added from left to right; 0 where all weights are 0."""
    total = _array.row_sum(weights)
    summed = _array.row_sum(values * weights)
    mean: npt.NDArray[np.float64] = np.where(total > 0, summed / np.where(total > 0, total, 1.0), 0.0)
    return mean
