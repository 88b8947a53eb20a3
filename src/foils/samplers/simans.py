"""Ambiguous negatives, scored about as high as the positive (SimANS, Zhou et al., 2022).

Gaussian kernel φ = −a·(s − s⁺ − b)²; Laplace kernel φ = −a·|s − s⁺ − b| (the code's for MS MARCO passages, a = 3).
The paper's a of 0.5 to 1 is for raw inner products; a cosine spreads over tenths, so a must grow as 1/spread².
The code draws in rounds and cuts; this draws without replacement by Gumbel top-k, which favours no id.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind, Reference, reference_scores
from foils.samplers.windows import Window, barred_outside


class SimANS(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn by closeness to the positive's score."""

    needs: ClassVar[Kind | None] = Kind.SCORE
    random: ClassVar[bool] = True
    a: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 100.0
    """Sharpness, in 1/score² (gaussian) or 1/score (laplace); 0 = uniform."""
    b: float = 0.0
    """Where the peak lies above s⁺, in the units of the column (the paper's sign)."""
    kernel: Literal["gaussian", "laplace"] = "gaussian"
    """Shape of the peak."""
    reference: Reference = "min"
    """Which of the unit's positives gives s⁺."""
    column: str | None = None
    """Score column; default: the one added last."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return Window()

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give φ; a unit without a scored positive has nothing to draw."""
        xp = _array.namespace(candidates.items)
        column = candidates.score_column(self.column)
        positive = reference_scores(column, candidates.units, self.reference)
        gap = xp.astype(column.values, xp.float64) - positive[:, None] - self.b
        weights = -self.a * (gap * gap if self.kernel == "gaussian" else xp.abs(gap))
        return barred_outside(candidates, keep & ~xp.isnan(weights), weights, 0, None)
