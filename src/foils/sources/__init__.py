"""Sources: where candidates come from.

A source is a frozen struct of fields (so that a recipe can hold it). Opened with the data of a run, it answers
``retrieve(units, depth)``: candidates per unit, best first, known positives excluded before the cut.

``dense``       the nearest items by an encoder's vectors, searched exactly
``uniform``     items drawn uniformly, without replacement:        P(j) = 1 / (n − deg)
``popularity``  items drawn by popularity, without replacement:    P(j) ∝ f_j^α, f_j = anchors that j is a positive of
``provided``    the pairs judged non-relevant: trusted, exempt from rules

The depth of a search can double for units that come out short, up to ``max_depth``; random sources draw once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from foils.candidates import Candidates, Kind
from foils.positives import Units
from foils.search import Inputs
from foils.sources.dense import Dense
from foils.sources.popularity import Popularity
from foils.sources.provided import Provided
from foils.sources.uniform import Uniform


class OpenSource(Protocol):
    """A source bound to the data of a run."""

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Give up to ``depth`` candidates per unit."""


class Source(Protocol):
    """The fields of a source.

    ``random`` says that its ranks are the order of a random draw, and mean nothing else.
    """

    random: ClassVar[bool]

    def columns(self) -> Mapping[str, Kind]:
        """Name the score columns it returns, with their kinds."""

    def reads(self) -> tuple[str, ...]:
        """Name the encoders whose vectors it reads."""

    def depths(self, negatives: int) -> tuple[int, int]:
        """Say how many candidates per unit are asked for at first, and at most; a random source draws once."""

    def check(self, inputs: Inputs) -> None:
        """Look at what it will read, before work starts."""

    def open(self, inputs: Inputs) -> OpenSource:
        """Bind it to the data of a run."""


REGISTRY: Mapping[str, type[Source]] = {
    "dense": Dense,
    "uniform": Uniform,
    "popularity": Popularity,
    "provided": Provided,
}

__all__ = ["REGISTRY", "Dense", "OpenSource", "Popularity", "Provided", "Source", "Uniform"]
