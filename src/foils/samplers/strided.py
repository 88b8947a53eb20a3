"""Every s-th of the survivors by score, round and round: hard ones, and not all alike (UniME-V2, Gu et al., 2025).

Of n survivors by falling score, places 0, s, 2s, … are taken first, then 1, s + 1, 2s + 1, …, until there are m. With
ρ = r mod s, the place r comes in turn

    ρ·⌊n / s⌋ + min(ρ, n mod s) + ⌊r / s⌋

and its weight is minus that. s = 1 is ``top_k``; with s ≥ n / m the m cover all depths of the list.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.samplers.windows import Window, barred_outside, scores_or_ranks


class Strided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every s-th by score, in cycles."""

    needs: ClassVar[Kind | None] = None
    random: ClassVar[bool] = False
    stride: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5
    """s, in survivors: how far apart in the order by score the first ones lie."""
    column: str | None = None
    """Score column, or ``rank``; default: the one added last, or the source's order where there is none."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return Window()

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give minus the turn in which a survivor comes."""
        xp = _array.namespace(candidates.items)
        scores = scores_or_ranks(candidates, self.column)
        kept = keep & ~xp.isnan(scores)
        order = _array.sort_rows(xp.where(kept, scores, xp.full_like(scores, -float("inf"))), descending=True)
        places = xp.astype(_array.sort_rows(order, descending=False), xp.int64)
        count = xp.astype(_array.row_sum(xp.astype(kept, xp.float64)), xp.int64)[:, None]
        cycle = places % self.stride
        started = xp.minimum(cycle, count % self.stride)
        turn = cycle * (count // self.stride) + started + places // self.stride
        return barred_outside(candidates, kept, -xp.astype(turn, xp.float64), 0, None)
