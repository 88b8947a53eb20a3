"""The best by score: the hardest survivors."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.ranks import Rank
from foils.samplers.windows import Window, barred_outside, scores_or_ranks


class TopK(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The best by score."""

    needs: ClassVar[Kind | None] = None
    random: ClassVar[bool] = False
    skip_ranks: Rank = 0
    """Leave out the first ranks of the source, whatever the rules say of them (NV-Retriever's top-k shifted by N)."""
    skip_survivors: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    """Leave out the best of what the rules kept."""
    column: str | None = None
    """Score column, or ``rank``; default: the one added last, or the source's order where there is none."""

    def window(self) -> Window:
        """Say which ranks it may draw from."""
        return Window(self.skip_ranks, skip_survivors=self.skip_survivors)

    def weigh(self, candidates: Candidates, keep: Array) -> Array:
        """Give the scores themselves."""
        xp = _array.namespace(candidates.items)
        scores = scores_or_ranks(candidates, self.column)
        weights = barred_outside(candidates, keep & ~xp.isnan(scores), scores, self.skip_ranks, None)
        if self.skip_survivors == 0:
            return weights
        hardest = _array.top_k(weights, min(self.skip_survivors, weights.shape[1]))
        return _array.put_valid(weights, hardest, -float("inf"))
