"""Softmax over the scores: φ = s / τ (stochastic batch acquisition, Kirsch et al., 2021)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.ranks import Rank
from foils.samplers.windows import Window, barred_outside


class Softmax(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Drawn by softmax of the score over a temperature."""

    needs: ClassVar[Kind | None] = Kind.SCORE
    random: ClassVar[bool] = True
    temperature: Annotated[float, msgspec.Meta(ge=1e-12)] = 0.05
    """τ, in the units of the column; → 0 is top-k, → ∞ uniform."""
    skip_ranks: Rank = 0
    """Leave out the first ranks of the source."""
    column: str | None = None
    """Score column; default: the one added last."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return Window(self.skip_ranks)

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give s / τ."""
        xp = _array.namespace(candidates.items)
        scores = xp.astype(candidates.score_column(self.column).values, xp.float64)
        weights = scores / self.temperature
        return barred_outside(candidates, keep & ~xp.isnan(scores), weights, self.skip_ranks, None)
