"""Items drawn by popularity without replacement: P(j) ∝ f_j^α (Mikolov et al., 2013, with α = 0.75).

f_j is the number of anchors that have item j as a given positive in the named split. An item that is nobody's positive
has weight 0 (for α > 0) and is never drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils.candidates import Kind
from foils.drawing import Urns
from foils.positives import Positives
from foils.search import Inputs
from foils.sources.drawn import OpenDraw
from foils.sources.draws import Drawer, Float64


class Popularity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Items drawn by popularity to the power α, without replacement."""

    random: ClassVar[bool] = True

    alpha: Annotated[float, msgspec.Meta(ge=0, le=4)] = 0.75
    """Exponent of the popularity; 0 = uniform over all items."""
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
        """Count the positives and give every item its tickets; ``log_q`` is conditional on the Gumbel threshold."""
        urns = Urns.weighted(self.weights(inputs.positives, inputs.mineable))
        return OpenDraw("popularity", Drawer.of_one(urns, inputs.forbidden), inputs.seed)

    def weights(self, positives: Positives, mineable: npt.NDArray[np.bool_]) -> Float64:
        """Give float64[N], f_j^α; 0 where an item may not be mined."""
        counts = np.bincount(positives.given().items, minlength=len(mineable))
        return np.where(mineable, counts.astype(np.float64) ** self.alpha, 0.0)
