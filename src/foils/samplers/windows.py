"""What samplers share: the scores they look at, and windows of ranks."""

from __future__ import annotations

from typing import NamedTuple

from foils import _array
from foils._array import Array
from foils.candidates import Candidates
from foils.ranks import Rank, number


class Window(NamedTuple):
    """Which ranks a sampler may draw from; by default all.

    Attributes:
        skip_ranks: first ranks of the source that are left out; a number, or a share of the items.
        max_rank: last rank; None = all.
        skip_survivors: how many of the best of what the rules kept are left out.
    """

    skip_ranks: Rank = 0
    max_rank: Rank | None = None
    skip_survivors: int = 0

    @property
    def counts_ranks(self) -> bool:
        """Whether ranks of the source are left out."""
        return bool(self.skip_ranks or self.max_rank)

    def room(self, depth: int) -> int:
        """Count the candidates that are left of so many; shares must be numbers by now."""
        last = depth if self.max_rank is None else min(depth, number(self.max_rank))
        return max(0, last - number(self.skip_ranks) - self.skip_survivors)


def scores_or_ranks(candidates: Candidates, name: str | None) -> Array:
    """Give float64[A, K]: the named column, the scores added last, or minus the rank where there are none."""
    xp = _array.namespace(candidates.items)
    if name == "rank" or (name is None and not candidates.scored()):
        return -xp.astype(candidates.columns["rank"].values, xp.float64)
    return xp.astype(candidates.score_column(name).values, xp.float64)


def barred_outside(
    candidates: Candidates, keep: Array, weights: Array, skip_ranks: int | str, max_rank: int | str | None
) -> Array:
    """Set the weight to −∞ where a candidate is not kept or its rank is outside (skip_ranks, max_rank]."""
    xp = _array.namespace(weights)
    rank = candidates.columns["rank"].values
    inside = keep & (rank > number(skip_ranks))
    if max_rank is not None:
        inside = inside & (rank <= number(max_rank))
    return xp.where(inside, weights, xp.full_like(weights, -float("inf")))
