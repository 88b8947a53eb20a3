"""A bound from the unit's own candidates: mean + λ·std (ATSS, Zhang et al., 2020).

Affine-equivariant: s → a·s + b (a > 0) changes no verdict, so it is immune to a scorer's offset and scale per anchor.
With all scores equal the deviation is 0 and nothing is rejected; fewer than two scores have no deviation and nothing is
rejected.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind, spread
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
        scores, mean, deviation = spread(scores, candidates.valid & ~xp.isnan(scores))
        bound = mean + self.deviations * deviation
        return reasons(scores, bound[:, None], "mean_std", self.unscored)
