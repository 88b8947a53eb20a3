"""Exact top-k by a screened product.

For a block of anchors and a block of items, ``S = Q Cᵀ`` in float32 by whatever BLAS is there. Its error is at most
``γ_d |q||c|`` with ``γ_d ≈ d·2⁻²⁴``, whatever the order of summation (Higham 2002, §3.1). An item can only be among
the best k if ``S ≥ t − slack``, where t is the k-th best canonical score so far (or ``S ≥ t' − 2·slack`` with t' the
block's own k-th best). Survivors are rescored by the canonical kernel, and merged by (−score, item row). Exclusions are
applied before the cut.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.positives import Int64, Relation
from foils.search.best import Best, ByItem, survivors
from foils.search.vectors import Float32, Vectors

CELL_BYTES = 80
"""Bytes that one cell of an anchors × items block may need: score and masks; coordinates, rescored and merged, if it
survives. Measured with all scores equal, when every cell does."""


Masked = Callable[[slice], npt.NDArray[np.bool_] | None]
"""Slice of items → bool[A, I], True = must not be returned; None = all may be."""


def no_mask(_: slice) -> None:
    """Let every item be returned."""


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

    @staticmethod
    def least_bytes(*, dim: int, depth: int) -> int:
        """Give the smallest budget of one thread that ``within`` keeps to: blocks of one anchor, item and pair."""
        return 3 * max(32 * dim, CELL_BYTES, 200 * depth)

    def most_bytes(self, *, dim: int, depth: int, n_items: int) -> int:
        """Give what one thread may need for these blocks, with ``n_items`` in all."""
        items = min(self.items, n_items)
        return 20 * dim * items + CELL_BYTES * self.anchors * items + 200 * depth * self.anchors + 32 * dim * self.pairs


@dataclass(frozen=True, eq=False)
class ExactIndex:
    """The items of a collection, searched exactly.

    Attributes:
        items: vectors of all items.
        mineable: bool[N], False for items that are never returned (empty texts).
    """

    items: Vectors
    mineable: npt.NDArray[np.bool_]

    def search(
        self, anchors: Float32, k: int, excluded: Relation, blocks: Blocks, masked: Masked = no_mask
    ) -> tuple[Int64, Float32]:
        """Find the k best items of every anchor.

        Args:
            anchors: float32[A, d], as ``Vectors.read`` gives them.
            k: how many items; rows with fewer end in −1 and NaN.
            excluded: items that must not be returned; row i belongs to ``anchors[i]``.
            blocks: sizes of the blocks.
            masked: what else must not be returned, by slice of items.

        Returns:
            int64[A, k] items and float32[A, k] canonical scores, by (−score, item row).
        """
        best = Best.empty(len(anchors), k)
        slack = self._slack(anchors)
        barred = ByItem.of(*excluded.coordinates())
        for start in range(0, len(self.items), blocks.items):
            stop = min(start + blocks.items, len(self.items))
            vectors = self.items.read(slice(start, stop))
            screen = anchors @ vectors.T
            screen[:, ~self.mineable[start:stop]] = -np.inf
            screen[barred.cells(start, stop)] = -np.inf
            mask = masked(slice(start, stop))
            if mask is not None:
                np.putmask(screen, mask, -np.inf)
            found = survivors(screen, best.threshold, slack, k)
            scores = _rescore(anchors, vectors, *found, blocks.pairs)
            best = best.merged(found[0], found[1] + start, scores)
        return best.items, best.scores

    def _slack(self, anchors: Float32) -> npt.NDArray[np.float64]:
        # Four more units than γ_d: the rounding of the canonical score and of the bound itself.
        dim = self.items.dim
        lengths = np.sqrt(np.einsum("ad,ad->a", anchors, anchors, dtype=np.float64))
        slack: npt.NDArray[np.float64] = 1.01 * (dim + 4) * 2.0**-24 * lengths * self.items.longest + dim * 2.0**-126
        return slack


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
