"""A floor: candidates that score too low teach nothing (the lower end of a band of scores)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.rules.verdicts import REASONS, Unscored


class MinScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reject scores below a fixed threshold; one exactly at it is kept."""

    needs: ClassVar[Kind] = Kind.RATIO
    threshold: float = 0.0
    """In the units of the column."""
    column: str | None = None
    """Score column; default: the one added last."""
    unscored: Unscored = "reject"
    """What to do with candidates without a score."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        scores = candidates.score_column(self.column).values
        xp = _array.namespace(scores)
        # In the scores' own precision, as for an upper bound.
        floor = xp.astype(xp.zeros_like(scores, dtype=xp.float64) + self.threshold, scores.dtype)
        reason = xp.where(scores < floor, REASONS.index("min_score"), 0)
        missing = REASONS.index("unscored") if self.unscored == "reject" else 0
        return xp.astype(xp.where(xp.isnan(scores), missing, reason), xp.int8)
