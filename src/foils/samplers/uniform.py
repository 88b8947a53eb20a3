"""Uniform in a window of ranks (STAR; hn_mine's 10–210)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.errors import RecipeError
from foils.samplers.windows import barred_outside


class UniformWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Uniform among the survivors in a window of ranks."""

    needs: ClassVar[Kind | None] = None
    random: ClassVar[bool] = True
    column: ClassVar[None] = None
    skip_ranks: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Leave out the first ranks of the source."""
    max_rank: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Last rank of the window; default: all candidates."""

    def __post_init__(self) -> None:
        """Check that the window holds a rank."""
        if self.max_rank is not None and self.max_rank <= self.skip_ranks:
            raise RecipeError(f"max_rank {self.max_rank} must be above skip_ranks {self.skip_ranks}")

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give 0 inside the window."""
        xp = _array.namespace(candidates.items)
        weights = xp.zeros_like(candidates.items, dtype=xp.float64)
        return barred_outside(candidates, keep, weights, self.skip_ranks, self.max_rank)
