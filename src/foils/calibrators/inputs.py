"""What calibrators read: a score, or how far it lies from that of the unit's reference positive."""

from __future__ import annotations

from typing import NamedTuple

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Reference, reference_scores

LEAST = 2.0**-24
"""A calibrator says neither 0 nor 1: 0 is a trusted negative's, and 1 a known positive's. float32 holds 1 − 2⁻²⁴."""


class Input(NamedTuple):
    """A column of scores, and the positive that it is measured from; None = as it stands."""

    column: str
    reference: Reference | None

    def values(self, candidates: Candidates) -> Array:
        """Give float64[A, K]: s, or s − s⁺; NaN where either is not there."""
        column = candidates.score_column(self.column)
        xp = _array.namespace(column.values)
        values = xp.astype(column.values, xp.float64)
        values = xp.where(candidates.valid, values, xp.full_like(values, xp.nan))
        if self.reference is None:
            return values
        return values - reference_scores(column, candidates.units, self.reference)[:, None]


def probability(values: Array) -> Array:
    """Round to float32 and keep away from 0 and 1; NaN stays."""
    xp = _array.namespace(values)
    return xp.astype(xp.clip(values, LEAST, 1.0 - LEAST), xp.float32)
