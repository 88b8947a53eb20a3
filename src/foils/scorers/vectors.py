"""The similarity of an encoder's vectors: the student's, a teacher's, any encoder's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec

from foils.candidates import Kind
from foils.positives import Int64
from foils.search import MODEL, Inputs, Similarity, VectorPair
from foils.search.vectors import Float32


class VectorScorer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Similarity of an encoder's vectors."""

    relevance: ClassVar[bool] = True
    vectors: str = MODEL
    """Whose vectors."""
    similarity: Similarity = "cosine"
    """``cosine`` or ``dot``."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "vectors"
    """Name of the column; a recipe with two such scorers needs two names."""

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, self.similarity)

    def open(self, inputs: Inputs) -> OpenVectorScorer:
        """Bind to the vectors of a run."""
        return OpenVectorScorer(inputs.vectors(self.vectors, self.similarity))


@dataclass(frozen=True, eq=False)
class OpenVectorScorer:
    """A vector scorer bound to its vectors."""

    pair: VectorPair

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs canonically; see ``foils.search.pair_scores``."""
        return self.pair.pair_scores(anchors, items)
