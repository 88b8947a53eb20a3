"""A bound from the unit's own candidates: mean + λ·std (ATSS, Zhang et al., 2020).

Affine-equivariant: s → a·s + b (a > 0) changes no verdict, so it is immune to a scorer's offset and scale per anchor.
With all scores equal the deviation is 0 and nothing is rejected; fewer than two scores have no deviation and nothing is
rejected.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.rules.verdicts import Unscored, reasons


class MeanStd(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reject scores at or above the mean plus λ standard deviations of the unit's candidates."""

    needs: ClassVar[Kind] = Kind.SCORE
    deviations: Annotated[float, msgspec.Meta(ge=0)] = 1.5
    """λ; 1 is the paper's, 1.5 to 2 suits rare false negatives."""
    column: str | None = None
    """Score column; default: the one added last."""
    unscored: Unscored = "reject"
    """What to do with candidates without a score."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        scores = candidates.score_column(self.column).values
        xp = _array.namespace(scores)
        scores = xp.astype(scores, xp.float64)
        scored = candidates.valid & ~xp.isnan(scores)
        # Measured from the highest, equal scores are 0 exactly, and so is their deviation.
        scores = scores - _array.masked_quantile(scores, scored, 1.0)[:, None]
        zero = xp.zeros_like(scores)
        count = _array.row_sum(xp.astype(scored, xp.float64))
        safe = xp.where(count > 1, count, xp.full_like(count, 2.0))
        mean = _array.row_sum(xp.where(scored, scores, zero)) / safe
        centred = xp.where(scored, scores - mean[:, None], zero)
        deviation = xp.sqrt(_array.row_sum(centred * centred) / (safe - 1))
        bound = mean + self.deviations * deviation
        bound = xp.where((count > 1) & (deviation > 0), bound, xp.full_like(bound, np.inf))
        return reasons(scores, bound[:, None], "mean_std", self.unscored)
