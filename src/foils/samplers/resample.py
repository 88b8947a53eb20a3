"""What another sampler would draw, spared where it is likely a positive (RRRA's resampling, 2025).

    π_i ∝ base_i · (1 − p_i)^γ,   so   φ_i = φ_i of the base + γ · log(1 − p_i)

With γ = 0, or one p for all, that is the base; a certain positive (p = 1) is never drawn. Where a rule cuts at a
threshold, this lets p decide softly. The column may be any probability: a learnt judge's (``adapter``), a
cross-encoder's, or a calibrated ``p_positive``. A candidate without a probability is not drawn, unless γ = 0.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.errors import RecipeError
from foils.samplers.simans import SimANS
from foils.samplers.softmax import Softmax
from foils.samplers.uniform import UniformWindow
from foils.samplers.windows import Window


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One random sampler by name, as in {uniform: {}}."""

    uniform: UniformWindow | None = None
    softmax: Softmax | None = None
    simans: SimANS | None = None

    def __post_init__(self) -> None:
        """Check that there is exactly one, and that it names its column.

        Raises:
            RecipeError: it does not.
        """
        given = [getattr(self, name) for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise RecipeError("expected one sampler by name and its fields, as in {uniform: {}}")
        if given[0].needs is not None and given[0].column is None:
            raise RecipeError("a base that looks at scores must name their column, as in {softmax: {column: dense}}")

    @property
    def fields(self) -> UniformWindow | Softmax | SimANS:
        """The fields of the sampler."""
        given: list[UniformWindow | Softmax | SimANS | None] = [self.uniform, self.softmax, self.simans]
        return next(fields for fields in given if fields is not None)


class Resample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn as by another sampler, less often the likelier a candidate is a positive."""

    needs: ClassVar[Kind | None] = Kind.PROBABILITY
    random: ClassVar[bool] = True
    base: Base = Base(uniform=UniformWindow())
    """What is drawn from before: {uniform: {}}, {softmax: {column: …}} or {simans: {column: …}}."""
    gamma: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 1.0
    """γ: how strongly likely positives are spared; 0 = not at all."""
    column: str | None = None
    """Column of the probability; default: the one added last."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return self.base.fields.window()

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give φ."""
        weights = self.base.fields.weigh(candidates, keep)
        if self.gamma == 0:
            return weights
        xp = _array.namespace(candidates.items)
        p = xp.astype(candidates.score_column(self.column).values, xp.float64)
        possible = keep & (weights > -float("inf")) & (p < 1)
        spared = xp.log1p(-xp.where(possible, p, xp.zeros_like(p)))
        return xp.where(possible, weights + self.gamma * spared, xp.full_like(weights, -float("inf")))
