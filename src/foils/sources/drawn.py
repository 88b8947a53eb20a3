"""A source that draws, bound to what it draws from."""

from __future__ import annotations

from dataclasses import dataclass

from foils._array import Key
from foils.candidates import Candidates
from foils.positives import Units
from foils.sources.draws import Drawer


@dataclass(frozen=True, eq=False)
class OpenDraw:
    """A random source bound to the urns of a run.

    Attributes:
        name: of the source.
        drawer: draws from the urns.
        seed: of the run.
    """

    name: str
    drawer: Drawer
    seed: int

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Draw for each unit, with ``log_q`` of the draw."""
        items, log_q = self.drawer.draw(Key(self.seed, f"source.{self.name}", 0), units, depth)
        return Candidates.listed(units, items, self.name, log_q)
