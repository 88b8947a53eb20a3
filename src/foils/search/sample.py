"""A bound to start a search with: what the best k of all items score at least, as far as a random sample tells.

What a search takes before it has met good items, ``k·ln(N/k)`` of them, it throws away later. So anchors meet S random
items first. Fewer than r of the best k lie among these, but for one anchor in a hundred thousand; then the r-th best of
the sample is none of the best k. Nothing is left to chance: where the k-th best that is found in the end is below the
bound, the bound was too high, and the anchor is searched anew without one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtrc

from foils.positives import Int64
from foils.search.best import LOWEST, ByItem
from foils.search.products import Product
from foils.search.rounding import Float64, single_slack
from foils.search.vectors import Float32, Vectors

Bool = npt.NDArray[np.bool_]
Masked = Callable[[slice | Int64], Bool | None]
"""A slice of the items, or distinct rows → bool[A, I], True = must not be returned; None = all may be."""

MOST, COMPONENTS = 512, 1 << 18
"""Items of a sample, and components of their vectors: 1 MiB."""
LEAST, PER_WANTED = 128, 5
"""Items that anchors meet: some for each of the best that are wanted."""
SHARE = 16
"""Of the items, a 16th at most: to meet more takes longer than it spares."""
CHANCE = 1e-5
"""How often a bound may be too high."""
SEED = 0


@dataclass(frozen=True, eq=False)
class Sample:
    """Random items in random order: the first of them are a smaller sample.

    Attributes:
        rows: int64[S], item rows.
        vectors: float32[S, d], as ``Vectors.read`` gives them.
        mineable: bool[S], False where one must never be returned.
        items: the vectors of all items.
    """

    rows: Int64
    vectors: Float32
    mineable: Bool
    items: Vectors

    @classmethod
    def of(cls, items: Vectors, mineable: Bool) -> Sample:
        """Draw from all items."""
        size = min(MOST, COMPONENTS // items.dim, len(items) // SHARE)
        rows = np.random.default_rng(SEED).choice(len(items), size, replace=False)
        return cls(rows, items.read(rows), mineable[rows], items)

    def bounds(self, anchors: Float32, k: int, most: int, product: Product, barred: ByItem, masked: Masked) -> Float64:
        """Say what the k-th best canonical score of each anchor is at least, but for a chance of ``CHANCE``.

        Args:
            anchors: float32[A, d].
            k: how many items will be searched for.
            most: items that there is room for beside so many anchors.
            product: what multiplies.
            barred: pairs of an anchor's row and an item that must not be returned.
            masked: what else must not be.

        Returns:
            float64[A]; ``LOWEST`` where the sample is too small to tell.
        """
        size = min(len(self.rows), most, max(LEAST, PER_WANTED * k))
        rank = rank_of(k, len(self.items), size)
        if rank > size:
            return np.full(len(anchors), LOWEST)
        scores = np.empty((len(anchors), size), np.float32)
        product.into(anchors, self.vectors[:size], scores)
        scores[:, ~self.mineable[:size]] = LOWEST
        scores[_cells(self.rows[:size], barred)] = LOWEST
        mask = masked(self.rows[:size])
        if mask is not None:
            np.putmask(scores, mask, np.float32(LOWEST))
        scores.partition(size - rank, axis=1)
        best = scores[:, size - rank].astype(np.float64)
        return np.where(best > np.float32(LOWEST), best - single_slack(anchors, self.items), LOWEST)


def rank_of(k: int, population: int, size: int) -> int:
    """Give the least r so that r of the best k lie in a sample with a chance of ``CHANCE`` at most; > size = none."""
    if not size:
        return 1
    # Drawn without replacement, they are met no more often than this.
    chances = bdtrc(np.arange(size), size, min(k / population, 1.0))
    return 1 + int(np.count_nonzero(chances > CHANCE))


def _cells(rows: Int64, pairs: ByItem) -> tuple[Int64, Int64]:
    """Give the cells of a rows × sample matrix that pairs stand in."""
    order = np.argsort(rows)
    at = np.minimum(np.searchsorted(rows[order], pairs.items), len(rows) - 1)
    met = rows[order[at]] == pairs.items
    return pairs.rows[met], order[at[met]]
