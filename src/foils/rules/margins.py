"""Bounds on a score: a fixed one, and margins below the reference positive (NV-Retriever, Moreira et al., 2024).

A score exactly at the bound is rejected, so that with a margin of 0 the copy of a positive under another id does not
pass.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind, Reference, reference_scores
from foils.rules.verdicts import Unscored, reasons


class MaxScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reject scores at or above a fixed threshold (TopK-Abs)."""

    needs: ClassVar[Kind] = Kind.RATIO
    threshold: float = 0.7
    """In the units of the column; 0.7 is the paper's, for cosine."""
    column: str | None = None
    """Score column; default: the one added last."""
    unscored: Unscored = "reject"
    """What to do with candidates without a score."""
    otherwise: str | None = None
    """Column that speaks where this one has no score: a cheap judge's, who chose what the dear one is asked about."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        scores = candidates.score_column(self.column).values
        if self.otherwise is not None:
            xp = _array.namespace(scores)
            scores = xp.where(xp.isnan(scores), candidates.score_column(self.otherwise).values, scores)
        return reasons(scores, self.threshold, "max_score", self.unscored)


class AbsoluteMargin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reject scores at or above the reference positive's minus a margin (TopK-MarginPos)."""

    needs: ClassVar[Kind] = Kind.SCORE
    margin: Annotated[float, msgspec.Meta(ge=0)] = 0.05
    """In the units of the column."""
    reference: Reference = "min"
    """Which of the unit's positives: ``min``, ``max``, ``mean``, or ``pair`` (with ``per: pair``)."""
    column: str | None = None
    """Score column; default: the one added last."""
    unscored: Unscored = "reject"
    """What to do with candidates without a score."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        column = candidates.score_column(self.column)
        positive = reference_scores(column, candidates.units, self.reference)
        return reasons(column.values, (positive - self.margin)[:, None], "absolute_margin", self.unscored)


class RelativeMargin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reject scores at or above the reference positive's minus a share of its size (TopK-PercPos)."""

    needs: ClassVar[Kind] = Kind.RATIO
    margin: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Share of |s⁺|; 0.05 is the paper's 95 % of the positive's score."""
    reference: Reference = "min"
    """Which of the unit's positives: ``min``, ``max``, ``mean``, or ``pair`` (with ``per: pair``)."""
    column: str | None = None
    """Score column; default: the one added last."""
    unscored: Unscored = "reject"
    """What to do with candidates without a score."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        column = candidates.score_column(self.column)
        positive = reference_scores(column, candidates.units, self.reference)
        xp = _array.namespace(positive)
        bound = positive - self.margin * xp.abs(positive)
        return reasons(column.values, bound[:, None], "relative_margin", self.unscored)
