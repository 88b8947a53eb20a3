"""The nearest items by an encoder's vectors, searched exactly (Karpukhin et al., 2020; Xiong et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.errors import RecipeError
from foils.positives import Int64, Units
from foils.ranks import Depth, check_depths, depths, number
from foils.search import (
    MODEL,
    Blocks,
    ExactIndex,
    Forbidden,
    Inputs,
    Similarity,
    Tally,
    VectorPair,
    Work,
    choose_screen,
)
from foils.search.vectors import Float32


class Dense(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nearest items by an encoder's vectors, searched exactly."""

    random: ClassVar[bool] = False

    k: Depth = 100
    """Candidates per unit, after known positives are left out; a number, or a share of the items, as in 4%."""
    max_depth: Depth | None = None
    """How deep a short unit is searched; default 10 × k; = k switches deepening off."""
    similarity: Similarity = "cosine"
    """``cosine`` or ``dot``."""
    vectors: str = MODEL
    """Whose vectors."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "dense"
    """Name of the column and of the source; a mixture of two encoders needs two names."""

    def __post_init__(self) -> None:
        """Check that the depths fit together."""
        check_depths(self.k, self.max_depth)
        if self.name == "provided":
            raise RecipeError("the name 'provided' is that of trusted negatives, which rules pass over; use another")

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return depths(self.k, self.max_depth)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, self.similarity)

    def open(self, inputs: Inputs) -> OpenDense:
        """Bind to the vectors of a run."""
        pair = inputs.vectors(self.vectors, self.similarity)
        work = Work.of(pair.anchors, number(self.k), inputs.blocks)
        screen, chosen = choose_screen(pair.items, work, inputs.search, inputs.spare_bytes)
        index = ExactIndex(pair.items, inputs.mineable, screen)
        return OpenDense(self.name, index, pair, inputs.forbidden, inputs.blocks, chosen, Tally())


@dataclass(frozen=True, eq=False)
class OpenDense:
    """A dense source bound to its vectors."""

    name: str
    index: ExactIndex
    vectors: VectorPair
    forbidden: Forbidden
    blocks: Blocks
    chosen: Mapping[str, Any]
    tally: Tally

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Search the items of each unit's anchor, once where several units share it."""
        anchors, places = np.unique(units.anchors, return_inverse=True)
        items, scores = self.nearest(anchors, depth)
        return self.listed(units, items[places], scores[places])

    def nearest(self, anchors: Int64, depth: int) -> tuple[Int64, Float32]:
        """Search for anchor rows: int64[A, depth] items, −1 where there are fewer, and float32[A, depth] scores."""
        found = self.index.find(
            self.vectors.anchors.read(anchors),
            depth,
            self.forbidden.relation(anchors),
            self.blocks,
            lambda block: self.forbidden.mask(anchors, block),
        )
        self.tally.add(found)
        return found.items, found.scores

    def listed(self, units: Units, items: Int64, scores: Float32) -> Candidates:
        """Make candidates of the nearest items of each unit's anchor."""
        column = Column(scores, Kind.RATIO, self.vectors.positive_scores(units))
        return Candidates.listed(units, items, self.name, log_q=0.0).with_column(self.name, column)

    def facts(self) -> Mapping[str, Any]:
        """Say what scores all items, what was measured when it was chosen, and what had to be decided canonically."""
        told = {name: value for name, value in self.chosen.items() if name != "warnings"}
        return {self.name: told | self.tally.data(), "warnings": list(self.chosen.get("warnings", ()))}
