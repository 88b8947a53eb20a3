"""What every rule shares: the reasons, and how a bound turns into them."""

from __future__ import annotations

from typing import Literal

from foils import _array
from foils._array import Array

REASONS = (
    "kept",
    "unscored",
    "no_positive_score",
    "max_score",
    "absolute_margin",
    "relative_margin",
    "mean_std",
    "min_score",
    "max_false_negative_rate",
)
"""Why a candidate was rejected, as stored on disk; new reasons join at the end."""

Unscored = Literal["reject", "keep"]


def reasons(scores: Array, bound: Array, name: str, unscored: Unscored) -> Array:
    """Reject scores at or above the bound.

    Args:
        scores: float[A, K]; NaN = not scored.
        bound: float64[A, 1], or a number, rounded to the scores' precision; NaN = there is no reference positive.
        name: the reason.
        unscored: what to do with candidates without a score.

    Returns:
        int8[A, K], index into ``REASONS``.
    """
    xp = _array.namespace(scores)
    # In the scores' own precision: the float32 nearest to 0.7 is a score of 0.7.
    bound = xp.astype(xp.zeros_like(scores, dtype=xp.float64) + bound, scores.dtype)
    reason = xp.where(scores >= bound, REASONS.index(name), 0)
    reason = xp.where(xp.isnan(bound), REASONS.index("no_positive_score"), reason)
    missing = REASONS.index("unscored") if unscored == "reject" else 0
    return xp.astype(xp.where(xp.isnan(scores), missing, reason), xp.int8)
