"""Items drawn uniformly without replacement, what is forbidden excluded exactly (skip-rank, nothing is rejected)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from foils.candidates import Kind
from foils.drawing import Urns
from foils.search import Inputs
from foils.sources.drawn import OpenDraw
from foils.sources.draws import Drawer


class Uniform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items drawn uniformly, without replacement."""

    random: ClassVar[bool] = True

    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """Candidates per unit; default: as many as negatives are asked for."""

    def columns(self) -> Mapping[str, Kind]:
        """No scores."""
        return {}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, once."""
        return self.k or negatives, self.k or negatives

    def check(self, inputs: Inputs) -> None:
        """Nothing to look at."""

    def open(self, inputs: Inputs) -> OpenDraw:
        """Bind to the items of a run; ``log_q`` = log(k / (n − deg)), exact."""
        return OpenDraw("uniform", Drawer.of_one(Urns.allowed(inputs.mineable), inputs.forbidden), inputs.seed)
