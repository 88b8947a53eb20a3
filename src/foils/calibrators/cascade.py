"""Judges one after the other, cheap ones first: the last one that answered wins.

That is what a cascade means. Their probabilities are not multiplied (noisy-or): judges that look at the same two texts
err together.
"""

from __future__ import annotations

import msgspec

from foils import _array
from foils._array import Array
from foils.calibrators.inputs import Input
from foils.calibrators.isotonic import Isotonic
from foils.calibrators.platt import Platt
from foils.calibrators.stacker import Stacker
from foils.candidates import Candidates
from foils.errors import RecipeError


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One calibrator by name, as in {platt: {column: dense, slope: 9.1, intercept: -6.2}}."""

    isotonic: Isotonic | None = None
    platt: Platt | None = None
    stacker: Stacker | None = None

    def __post_init__(self) -> None:
        """Check that there is exactly one.

        Raises:
            RecipeError: there is none, or more.
        """
        if sum(part is not None for part in (self.isotonic, self.platt, self.stacker)) != 1:
            raise RecipeError("expected one calibrator by name and its fields: isotonic, platt or stacker")

    @property
    def fields(self) -> Isotonic | Platt | Stacker:
        """The fields of the calibrator."""
        return next(part for part in (self.isotonic, self.platt, self.stacker) if part is not None)


class Cascade(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calibrators in the order of trust; the last that answered wins."""

    of: tuple[One, ...]
    """The calibrators, the most trusted last."""

    def __post_init__(self) -> None:
        """Check that there is one.

        Raises:
            RecipeError: there is none.
        """
        if not self.of:
            raise RecipeError("of is empty; expected calibrators, the most trusted last")

    def inputs(self) -> tuple[Input, ...]:
        """What they read, once each."""
        return tuple(dict.fromkeys(entry for one in self.of for entry in one.fields.inputs()))

    def reads(self) -> tuple[str, ...]:
        """The columns, once each."""
        return tuple(dict.fromkeys(name for one in self.of for name in one.fields.reads()))

    def least(self) -> float:
        """That of the calibrator that goes lowest."""
        return min(one.fields.least() for one in self.of)

    def __call__(self, candidates: Candidates) -> Array:
        """Give p_positive, float32[A, K]; NaN where none of them answered."""
        answers = [one.fields(candidates) for one in self.of]
        xp = _array.namespace(*answers)
        found = answers[0]
        for answer in answers[1:]:
            found = xp.where(xp.isnan(answer), found, answer)
        return found
