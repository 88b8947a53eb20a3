"""A logistic curve on one column (Platt, 1999): p = 1 / (1 + e^−(slope·s + intercept))."""

from __future__ import annotations

import msgspec

from foils import _array
from foils._array import Array
from foils.calibrators.inputs import Input, probability
from foils.candidates import Candidates, Reference


class Platt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic curve on one column."""

    column: str
    """Score column."""
    slope: float
    """Logits per unit of the score."""
    intercept: float
    """Logit at a score of 0."""
    reference: Reference | None = None
    """Measure the score from this positive of the unit (s − s⁺): ``min``, ``max``, ``mean`` or ``pair``; null = s."""

    def inputs(self) -> tuple[Input, ...]:
        """The one column."""
        return (Input(self.column, self.reference),)

    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def least(self) -> float:
        """It falls towards 0."""
        return 0.0

    def __call__(self, candidates: Candidates) -> Array:
        """Give p_positive, float32[A, K]; NaN where there is no score."""
        return probability(_array.sigmoid(self.slope * self.inputs()[0].values(candidates) + self.intercept))
