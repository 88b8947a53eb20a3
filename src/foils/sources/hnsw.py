"""The nearest items by an encoder's vectors, searched in a graph: approximate, for collections of many millions.

Exact search (``dense``) is quicker up to a few hundred thousand items, and misses nothing. What the graph misses is
measured when it is built: recall against exact search, on a sample of anchors, goes into stats.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from foils.candidates import Kind
from foils.ranks import Depth, check_depths, number
from foils.search import MODEL, Inputs, Similarity, matrix_digest
from foils.search.graph import GraphIndex, GraphShape, empty_graph
from foils.sources.approximate import OpenApproximate

ADVICE = "--set source.hnsw.expansion_search=1024"


class HNSW(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nearest items by an encoder's vectors, searched in a graph (approximate; recall is measured)."""

    random: ClassVar[bool] = False

    k: Depth = 100
    """Candidates per unit, after known positives are left out."""
    max_depth: Depth | None = None
    """How deep a short unit is searched; default k, as every unit is searched this deep at once."""
    similarity: Similarity = "cosine"
    """``cosine`` or ``dot``."""
    vectors: str = MODEL
    """Whose vectors."""
    connectivity: Annotated[int, msgspec.Meta(ge=2, le=512)] = 16
    """Neighbours of an item in the graph (M)."""
    expansion_add: Annotated[int, msgspec.Meta(ge=8, le=65536)] = 128
    """Items looked at when one is added (ef at construction)."""
    expansion_search: Annotated[int, msgspec.Meta(ge=8, le=65536)] = 256
    """Items looked at in a search (ef); at least as many as are asked for."""

    def __post_init__(self) -> None:
        """Check that the depths fit together."""
        check_depths(self.k, self.max_depth)

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``hnsw``."""
        return {"hnsw": Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def depths(self, negatives: int) -> tuple[int, int]:
        """``k``, and ``max_depth``."""
        return number(self.k), number(self.k if self.max_depth is None else self.max_depth)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name the version and the processor's kernels, which the graph depends on besides the vectors."""
        dim = inputs.vectors(self.vectors, self.similarity).items.dim
        return {"hnsw": f"usearch {version('usearch')} {empty_graph(dim, self._shape).hardware_acceleration}"}

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors, and whether usearch is installed."""
        inputs.check_vectors(self.vectors, self.similarity)
        empty_graph(1, self._shape)

    def open(self, inputs: Inputs) -> OpenApproximate:
        """Build the graph, and measure what it misses."""
        pair = inputs.vectors(self.vectors, self.similarity)
        index = GraphIndex.build(pair.items, inputs.mineable, self._shape, self._kept(inputs))
        return OpenApproximate.opened("hnsw", index, pair, inputs, self.depths(inputs.negatives), ADVICE, {})

    @property
    def _shape(self) -> GraphShape:
        return GraphShape(self.connectivity, self.expansion_add, self.expansion_search)

    def _kept(self, inputs: Inputs) -> Path | None:
        if inputs.cache is None:
            return None
        told = (
            *self.digests(inputs).values(), matrix_digest(inputs.matrices[self.vectors][1]), self.similarity,
            *self._shape, inputs.mineable.tobytes().hex(),
        )  # fmt: skip
        name = hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()
        return inputs.cache / "hnsw" / f"{name}.usearch"
