"""Exact top-k by a screened product.

For a block of anchors and a block of items, ``S = Q Cᵀ`` in float32 by whatever BLAS is there. Its error is at most
``γ_d |q||c|`` with ``γ_d ≈ d·2⁻²⁴``, whatever the order of summation (Higham 2002, §3.1). An item can only be among
the best k if ``S ≥ t − slack``, where t is the k-th best canonical score so far (or ``S ≥ t' − 2·slack`` with t' the
block's own k-th best). Survivors are rescored by the canonical kernel, and merged by (−score, item row). Exclusions are
applied before the cut.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.positives import Int64, Relation
from foils.search.vectors import Float32, Vectors

LOWEST = -1e37
"""Below every score: vectors are no longer than 1e18. Excluded cells hold −inf, which is lower still."""
CELL_BYTES = 80
"""Bytes that one cell of an anchors × items block may need: score and masks; coordinates, rescored and merged, if it
survives. Measured with all scores equal, when every cell does."""


@dataclass(frozen=True)
class Blocks:
    """How much is worked on at once, by one thread.

    Attributes:
        anchors: anchors of a block.
        items: items of a block.
        pairs: pairs rescored at a time.
    """

    anchors: int
    items: int
    pairs: int

    @classmethod
    def within(cls, memory_bytes: int, *, dim: int, depth: int) -> Blocks:
        """Derive blocks that fit in this many bytes: a third each for item vectors, cells, and pairs and candidates."""
        third = memory_bytes // 3
        items = min(16384, third // (20 * dim))
        anchors = min(256, third // (CELL_BYTES * max(items, 1)), third // (200 * depth))
        return cls(max(anchors, 1), max(items, 1), max(min(4096, third // (32 * dim)), 1))


@dataclass(frozen=True, eq=False)
class ExactIndex:
    """The items of a collection, searched exactly.

    Attributes:
        items: vectors of all items.
        mineable: bool[N], False for items that are never returned (empty texts).
    """

    items: Vectors
    mineable: npt.NDArray[np.bool_]

    def search(self, anchors: Float32, k: int, excluded: Relation, blocks: Blocks) -> tuple[Int64, Float32]:
        """Find the k best items of every anchor.

        Args:
            anchors: float32[A, d], as ``Vectors.read`` gives them.
            k: how many items; rows with fewer end in −1 and NaN.
            excluded: items that must not be returned; row i belongs to ``anchors[i]``.
            blocks: sizes of the blocks.

        Returns:
            int64[A, k] items and float32[A, k] canonical scores, by (−score, item row).
        """
        best = _Best.empty(len(anchors), k)
        slack = self._slack(anchors)
        rows, barred = excluded.coordinates()
        order = np.argsort(barred, kind="stable")
        rows, barred = rows[order], barred[order]
        for start in range(0, len(self.items), blocks.items):
            stop = min(start + blocks.items, len(self.items))
            vectors = self.items.read(slice(start, stop))
            screen = anchors @ vectors.T
            screen[:, ~self.mineable[start:stop]] = -np.inf
            inside = slice(*np.searchsorted(barred, [start, stop]))
            screen[rows[inside], barred[inside] - start] = -np.inf
            found = _survivors(screen, best.threshold, slack, k)
            scores = _rescore(anchors, vectors, *found, blocks.pairs)
            best = best.merged(found[0], found[1] + start, scores)
        return best.items, best.scores

    def _slack(self, anchors: Float32) -> npt.NDArray[np.float64]:
        # Four more units than γ_d: the rounding of the canonical score and of the bound itself.
        dim = self.items.dim
        lengths = np.sqrt(np.einsum("ad,ad->a", anchors, anchors, dtype=np.float64))
        slack: npt.NDArray[np.float64] = 1.01 * (dim + 4) * 2.0**-24 * lengths * self.items.longest + dim * 2.0**-126
        return slack


@dataclass(frozen=True, eq=False)
class _Best:
    items: Int64
    scores: Float32

    @classmethod
    def empty(cls, anchors: int, k: int) -> _Best:
        return cls(np.full((anchors, k), -1, np.int64), np.full((anchors, k), np.nan, np.float32))

    @property
    def threshold(self) -> npt.NDArray[np.float64]:
        last = self.scores[:, -1].astype(np.float64)
        return np.where(np.isnan(last), -np.inf, last)

    def merged(self, rows: Int64, items: Int64, scores: Float32) -> _Best:
        anchors, k = self.items.shape
        held = np.nonzero(self.items >= 0)
        rows = np.concatenate([held[0], rows])
        items = np.concatenate([self.items[held], items])
        scores = np.concatenate([self.scores[held], scores])
        order = np.lexsort((items, -scores, rows))
        rows, items, scores = rows[order], items[order], scores[order]
        places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(anchors))[rows]
        keep = places < k
        best = _Best.empty(anchors, k)
        best.items[rows[keep], places[keep]] = items[keep]
        best.scores[rows[keep], places[keep]] = scores[keep]
        return best


def _survivors(
    screen: Float32, threshold: npt.NDArray[np.float64], slack: npt.NDArray[np.float64], k: int
) -> tuple[Int64, Int64]:
    """Find the cells that may be among the best k, by row."""
    bound = threshold - slack
    count = np.count_nonzero(screen >= _float32_below(bound)[:, None])
    if count > 2 * k * len(screen) and screen.shape[1] > k:
        cut = screen.shape[1] - k
        bound = np.maximum(bound, np.partition(screen, cut, axis=1)[:, cut].astype(np.float64) - 2 * slack)
    rows, columns = np.nonzero(screen >= _float32_below(bound)[:, None])
    return rows, columns


def _float32_below(bound: npt.NDArray[np.float64]) -> Float32:
    """Round down to float32, and stay above the −inf that marks excluded cells."""
    return np.nextafter(np.maximum(bound, LOWEST).astype(np.float32), np.float32(-np.inf))


def _rescore(anchors: Float32, items: Float32, rows: Int64, columns: Int64, chunk: int) -> Float32:
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), chunk):
        part = slice(start, start + chunk)
        scores[part] = _array.exact_dot(anchors[rows[part]], items[columns[part]])
    return scores


def pair_scores(anchors: Vectors, items: Vectors, rows: Int64, columns: Int64, chunk: int) -> Float32:
    """Score pairs canonically.

    Args:
        anchors: vectors of all anchors.
        items: vectors of all items.
        rows: int64[P], anchor rows.
        columns: int64[P], item rows; −1 gives NaN.
        chunk: pairs at a time.

    Returns:
        float32[P].
    """
    scores = np.full(len(rows), np.nan, np.float32)
    present = np.flatnonzero(columns >= 0)
    for start in range(0, len(present), chunk):
        part = present[start : start + chunk]
        scores[part] = _array.exact_dot(anchors.read(rows[part]), items.read(columns[part]))
    return scores
