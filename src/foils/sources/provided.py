"""The pairs that were judged non-relevant (grade 0) in the named split: trusted, and exempt from rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from foils.candidates import Candidates, Kind
from foils.positives import Units
from foils.search import Inputs
from foils.sources.ragged import Cells


class Provided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pairs judged non-relevant, by item row; trusted, exempt from rules."""

    random: ClassVar[bool] = False

    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    """Candidates per unit at most."""

    def columns(self) -> Mapping[str, Kind]:
        """No scores; add a scorer to get some."""
        return {}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, once."""
        return self.k, self.k

    def check(self, inputs: Inputs) -> None:
        """Nothing to look at."""

    def open(self, inputs: Inputs) -> OpenProvided:
        """Bind to the judged pairs of a run."""
        return OpenProvided(inputs)


@dataclass(frozen=True, eq=False)
class OpenProvided:
    """A provided source bound to the judged pairs."""

    inputs: Inputs

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """List the trusted negatives of each unit's anchor, without what is forbidden and items with empty text."""
        rows, judged = self.inputs.trusted.take(units.anchors).coordinates()
        allowed = self.inputs.mineable[judged] & ~self.inputs.forbidden.pairs(units.anchors[rows], judged)
        rows, judged = rows[allowed], judged[allowed]
        items = Cells.of(rows, len(units), depth).filled(judged, -1)
        return Candidates.listed(units, items, "provided", log_q=np.nan)
