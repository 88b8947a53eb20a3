"""How lists of several sources become one: by quotas, or by reciprocal ranks.

A fused list of ``depth`` items needs no source deeper than that. A deeper list goes on where a shallower one stopped:
what only a further doubling of the depth shows comes later, and changes nothing of what came before.

``quotas``  an item comes at the time t = min_s (rank_s − ½) / quota_s: after any time, each source's best quota_s · t
            items have come. A source that runs dry leaves its share to the others; an item that two sources found
            counts for both.
``rrf``     reciprocal rank fusion (Cormack et al., 2009): by Σ_s 1 / (c + rank_s), over the ranks within the depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils.errors import RecipeError
from foils.positives import Int64

Float64 = npt.NDArray[np.float64]
Quota = Annotated[float, msgspec.Meta(gt=0, le=1e6)]


class RRF(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Reciprocal rank fusion."""

    c: Annotated[float, msgspec.Meta(ge=0, le=1e6)] = 60.0
    """How little the first ranks stand out; 60 is the paper's."""


class Fuse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to fuse lists."""

    rrf: RRF | None = None
    """Reciprocal rank fusion, as in rrf: {c: 60}."""
    quotas: dict[str, Quota] | None = None
    """Share of each source by name, as in quotas: {dense: 2, bm25: 1}; they need not add up to 1."""

    def __post_init__(self) -> None:
        """Check that it is one of the two."""
        if (self.rrf is None) == (self.quotas is None):
            raise RecipeError("expected one way to fuse, as in {rrf: {c: 60}} or {quotas: {dense: 1, bm25: 1}}")

    def __hash__(self) -> int:
        """Hash the fields; a dict has no hash of its own."""
        return hash(msgspec.json.encode(self, order="deterministic"))

    def keys(self, ranks: Int64, stages: Int64, names: Sequence[str]) -> tuple[Int64, Float64]:
        """Give what fused candidates are ordered by, smallest first.

        Args:
            ranks: int64[G, S], the rank of each item in each source's list; 0 = not in it.
            stages: int64[G], in which doubling of the depth each item was first seen.
            names: names of the sources.

        Returns:
            int64[G], the first key; float64[G], the second.
        """
        if self.quotas is not None:
            shares = np.array([self.quotas[name] for name in names])
            return np.zeros_like(stages), np.where(ranks > 0, (ranks - 0.5) / shares, np.inf).min(axis=1)
        c = self.rrf.c if self.rrf is not None else 0.0
        scores = np.where(ranks > 0, 1.0 / (c + np.maximum(ranks, 1)), 0.0)
        return stages, -_array.row_sum(scores)
