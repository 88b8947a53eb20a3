"""Dynamic negative sampling (Zhang et al., 2013): of M drawn negatives, keep those that the model scores highest.

With M uniform draws from n items the chosen one has a rank of at most r with probability 1 − (1 − r/n)^M, so its
expected relative rank is 1 / (M + 1): the harder, the more are drawn. M = 1 is plain sampling.
"""

from __future__ import annotations

from typing import NamedTuple

from foils import _array
from foils._array import Array
from foils.errors import DataError
from foils.samplers import gumbel_top_k


class Hardest(NamedTuple):
    """The highest-scored of drawn negatives.

    Attributes:
        items: int64[E, k], item rows, highest score first, ties by position; −1 where a row has no more.
        positions: int64[E, k], where they stand among the drawn ones, to gather other columns by; −1 where items are.
    """

    items: Array
    positions: Array


def hardest(scores: Array, items: Array, k: int = 1) -> Hardest:
    """Give the k highest-scored of each row's negatives.

    Args:
        scores: float[E, M], of the model as it is; no gradient flows through the choice.
        items: int64[E, M], item rows, as ``NegativeStream`` gives them; −1 = absent.
        k: how many.

    Returns:
        Item rows and their positions.

    Raises:
        DataError: the shapes differ.
    """
    if tuple(scores.shape) != tuple(items.shape) or len(scores.shape) != 2:
        raise DataError(f"scores are {list(scores.shape)} and items {list(items.shape)}; expected both [E, M]")
    if _array.is_torch(scores):
        scores = scores.detach()
    xp = _array.namespace(scores)
    keys = xp.astype(scores, xp.float64)
    keys = xp.where(items == -1, xp.full_like(keys, -float("inf")), keys)
    positions, _ = gumbel_top_k(keys, None, k)
    return Hardest(_array.take_valid(items, positions, -1), positions)
