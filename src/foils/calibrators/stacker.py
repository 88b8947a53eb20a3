"""Several scores as one probability: a logistic regression that was fitted on labels (stacking, Wolpert, 1992).

    logit p = intercept + Σ over terms of   weight · (x − centre) / scale   where x is there
                                            missing                        where it is not

A score that is missing has a coefficient of its own, so that a judge that was not asked says what its silence is worth.
Where every term is missing there is nothing to go by, and p is NaN.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from foils import _array
from foils._array import Array
from foils.calibrators.inputs import Input, probability
from foils.candidates import Candidates, Reference
from foils.errors import RecipeError


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one score adds to the logit."""

    column: str
    """Score column."""
    weight: float
    """Logits per ``scale`` of the score."""
    reference: Reference | None = None
    """Measure the score from this positive of the unit (s − s⁺): ``min``, ``max``, ``mean`` or ``pair``; null = s."""
    centre: float = 0.0
    """The score that adds nothing."""
    scale: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    """The unit of ``weight``."""
    missing: float = 0.0
    """Logits that are added where there is no score."""


class Stacker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic regression over several columns."""

    terms: tuple[Term, ...]
    """One or more for each column: the score as it stands, measured from a positive, or both."""
    intercept: float
    """Logit where every term adds nothing."""

    def __post_init__(self) -> None:
        """Check that there is a term.

        Raises:
            RecipeError: there is none.
        """
        if not self.terms:
            raise RecipeError("terms is empty; expected one for each column")

    def inputs(self) -> tuple[Input, ...]:
        """What the terms read."""
        return tuple(Input(term.column, term.reference) for term in self.terms)

    def reads(self) -> tuple[str, ...]:
        """The columns, once each."""
        return tuple(dict.fromkeys(term.column for term in self.terms))

    def least(self) -> float:
        """It falls towards 0."""
        return 0.0

    def __call__(self, candidates: Candidates) -> Array:
        """Give p_positive, float32[A, K]; NaN where no term has a score."""
        values = [entry.values(candidates) for entry in self.inputs()]
        xp = _array.namespace(*values)
        logits, silent = xp.full_like(values[0], self.intercept), xp.isnan(values[0])
        for term, value in zip(self.terms, values, strict=True):
            absent = xp.isnan(value)
            added = term.weight * (value - term.centre) / term.scale
            logits = logits + xp.where(absent, xp.full_like(added, term.missing), added)
            silent = silent & absent
        return probability(xp.where(silent, xp.full_like(logits, xp.nan), _array.sigmoid(logits)))
