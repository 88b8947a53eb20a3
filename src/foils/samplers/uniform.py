"""Uniform in a window of ranks (STAR; hn_mine's 10–210), or of shares of the items (ConFit v2's 3 % to 4 %)."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.ranks import Rank, check_window
from foils.samplers.windows import Window, barred_outside


class UniformWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Uniform among the survivors in a window of ranks."""

    needs: ClassVar[Kind | None] = None
    random: ClassVar[bool] = True
    column: ClassVar[None] = None
    skip_ranks: Rank = 0
    """Leave out the first ranks of the source; a number, or a share of the items, as in 3%."""
    max_rank: Rank | None = None
    """Last rank of the window, a number or a share; default: all candidates."""

    def __post_init__(self) -> None:
        """Check that the window holds a rank."""
        check_window(self.skip_ranks, self.max_rank)

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return Window(self.skip_ranks, self.max_rank)

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give 0 inside the window."""
        xp = _array.namespace(candidates.items)
        weights = xp.zeros_like(candidates.items, dtype=xp.float64)
        return barred_outside(candidates, keep, weights, self.skip_ranks, self.max_rank)
