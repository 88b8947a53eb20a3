"""What samplers share: the scores they look at, and windows of ranks."""

from __future__ import annotations

from foils import _array
from foils._array import Array
from foils.candidates import Candidates
from foils.ranks import number


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
