"""A rising curve through points: what isotonic regression gives (Zadrozny and Elkan, 2002).

Beyond the first and the last point, their probabilities hold. Between two points either the line or the lower step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import msgspec
from array_api_compat import device

from foils import _array
from foils._array import Array
from foils.calibrators.inputs import Input, probability
from foils.candidates import Candidates, Reference
from foils.errors import RecipeError


class Isotonic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rising curve on one column."""

    column: str
    """Score column."""
    scores: tuple[float, ...]
    """Where the points lie, rising."""
    probabilities: tuple[float, ...]
    """p_positive at each point, never falling."""
    reference: Reference | None = None
    """Measure the score from this positive of the unit (s − s⁺): ``min``, ``max``, ``mean`` or ``pair``; null = s."""
    between: Literal["line", "step"] = "line"
    """Between two points: ``line`` joins them, ``step`` keeps the lower one's probability."""

    def __post_init__(self) -> None:
        """Check that the points rise.

        Raises:
            RecipeError: they do not, or there are none.
        """
        if not self.scores or len(self.scores) != len(self.probabilities):
            counts = f"{len(self.scores)} scores and {len(self.probabilities)} probabilities"
            raise RecipeError(f"{counts}; expected as many of one as of the other, and at least one")
        if not all(low < high for low, high in pairwise(self.scores)):
            raise RecipeError("scores do not rise from each to the next; sort them, and leave none twice")
        if not all(low <= high for low, high in pairwise((0.0, *self.probabilities, 1.0))):
            raise RecipeError("probabilities fall somewhere, or leave 0 … 1; expected numbers that never fall")

    def inputs(self) -> tuple[Input, ...]:
        """The one column."""
        return (Input(self.column, self.reference),)

    def reads(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def least(self) -> float:
        """The first point's: below it the curve goes on level."""
        return self.probabilities[0]

    def __call__(self, candidates: Candidates) -> Array:
        """Give p_positive, float32[A, K]; NaN where there is no score."""
        values = self.inputs()[0].values(candidates)
        xp, place = _array.namespace(values), device(values)
        scores = xp.asarray(self.scores, dtype=xp.float64, device=place)
        probabilities = xp.asarray(self.probabilities, dtype=xp.float64, device=place)
        whole = xp.asarray([0, len(self.scores)], dtype=xp.int64, device=place)
        row = xp.zeros(1, dtype=xp.int64, device=place)
        flat = xp.reshape(values, (1, -1))
        above = xp.reshape(_array.row_searchsorted(scores, whole, row, flat, "right"), values.shape)
        low = xp.clip(above - 1, 0, len(self.scores) - 1)
        found = probabilities[low]
        if self.between == "line":
            high = xp.clip(above, 0, len(self.scores) - 1)
            gap = scores[high] - scores[low]
            share = xp.where(gap > 0, (values - scores[low]) / xp.where(gap > 0, gap, xp.ones_like(gap)), 0.0 * gap)
            found = found + share * (probabilities[high] - found)
        return probability(xp.where(xp.isnan(values), values, found))
