"""The nearest items by an encoder's vectors, searched exactly (Karpukhin et al., 2020; Xiong et al., 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from foils.candidates import Candidates, Column, Kind
from foils.errors import RecipeError
from foils.positives import Positives, Units
from foils.search import MODEL, Blocks, ExactIndex, Inputs, Similarity, VectorPair

DEEPER = 10
"""By default a short unit is searched down to this many times ``k``."""


class Dense(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nearest items by an encoder's vectors, searched exactly."""

    random: ClassVar[bool] = False

    k: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 100
    """Candidates per unit, after known positives are left out."""
    max_depth: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    """How deep a short unit is searched; default 10 × k; = k switches deepening off."""
    similarity: Similarity = "cosine"
    """``cosine`` or ``dot``."""
    vectors: str = MODEL
    """Whose vectors."""

    def __post_init__(self) -> None:
        """Check that the depths fit together."""
        if self.max_depth is not None and self.max_depth < self.k:
            raise RecipeError(f"max_depth {self.max_depth} is below k {self.k}; use at least k")

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``dense``."""
        return {"dense": Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return self.k, DEEPER * self.k if self.max_depth is None else self.max_depth

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, self.similarity)

    def open(self, inputs: Inputs) -> OpenDense:
        """Bind to the vectors of a run."""
        pair = inputs.vectors(self.vectors, self.similarity)
        index = ExactIndex(pair.items, inputs.mineable)
        return OpenDense(index, pair, inputs.positives, inputs.blocks)


@dataclass(frozen=True, eq=False)
class OpenDense:
    """A dense source bound to its vectors."""

    index: ExactIndex
    vectors: VectorPair
    positives: Positives
    blocks: Blocks

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Search the items of each unit's anchor."""
        excluded = self.positives.relation.take(units.anchors)
        anchors = self.vectors.anchors.read(units.anchors)
        items, scores = self.index.search(anchors, depth, excluded, self.blocks)
        column = Column(scores, Kind.RATIO, self.vectors.positive_scores(units))
        return Candidates.listed(units, items, "dense", log_q=0.0).with_column("dense", column)
