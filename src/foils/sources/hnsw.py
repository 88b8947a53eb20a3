"""The nearest items by an encoder's vectors, searched in a graph: approximate, for collections of many millions.

Exact search (``dense``) is quicker up to a few hundred thousand items, and misses nothing. What the graph misses is
measured when it is built: recall against exact search, on a sample of anchors, goes into stats.json.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.positives import Int64, Units
from foils.ranks import Depth, check_depths, number
from foils.search import MODEL, ExactIndex, Inputs, Similarity, VectorPair, matrix_digest
from foils.search.approximate import GraphIndex, GraphShape, empty_graph
from foils.search.best import Best
from foils.search.vectors import Float32

SAMPLE = 200
"""Anchors that recall is measured on, at most."""
ENOUGH_RECALL = 0.95
"""Below this the run warns."""


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

    def open(self, inputs: Inputs) -> OpenHNSW:
        """Build the graph, and measure what it misses."""
        pair, (first, deepest) = inputs.vectors(self.vectors, self.similarity), self.depths(inputs.negatives)
        index = GraphIndex.build(pair.items, inputs.mineable, self._shape, self._kept(inputs))
        source = OpenHNSW(index, ExactIndex(pair.items, inputs.mineable), pair, inputs, deepest, {})
        recall, sample = source.recall(first)
        facts = {"digest": index.digest, "recall": recall, "recall_at": first, "recall_anchors": sample}
        source.measured.update(facts)
        return source

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


@dataclass(frozen=True, eq=False)
class OpenHNSW:
    """A source bound to its graph.

    Attributes:
        index: the graph.
        exact: the same items, for anchors to which most of them are forbidden, and to measure against.
        vectors: of both sides.
        inputs: what is forbidden.
        width: how many survivors are looked for, whatever part of them is asked for: a deeper look then goes on where
            a shallower one stopped.
        measured: what was found when it was opened.
    """

    index: GraphIndex
    exact: ExactIndex
    vectors: VectorPair
    inputs: Inputs
    width: int
    measured: dict[str, Any]

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Search the items of each unit's anchor."""
        anchors = self.vectors.anchors.read(units.anchors)
        items, scores = self._search(units.anchors, anchors, depth)
        column = Column(scores, Kind.RATIO, self.vectors.positive_scores(units))
        return Candidates.listed(units, items, "hnsw", log_q=0.0).with_column("hnsw", column)

    def facts(self) -> Mapping[str, Any]:
        """Give the graph's digest and recall."""
        recall = self.measured["recall"]
        low = recall is not None and recall < ENOUGH_RECALL
        warning = (
            f"the graph finds {recall:.1%} of the {self.measured['recall_at']} nearest items: raise it, for instance "
            "with --set source.hnsw.expansion_search=1024, or use the source dense, which misses nothing"
            if low
            else None
        )
        return {"hnsw": self.measured, "warnings": [warning] if warning else []}

    def recall(self, k: int) -> tuple[float | None, int]:
        """Measure the share of the k nearest that the graph finds, on a sample of anchors spread evenly.

        Returns:
            The share, None where there is nothing to find; and how many anchors it was measured on.
        """
        anchors = np.unique(self.inputs.positives.units().anchors)
        anchors = anchors[np.unique(np.linspace(0, len(anchors) - 1, min(SAMPLE, len(anchors))).astype(np.int64))]
        found, _ = self._search(anchors, self.vectors.anchors.read(anchors), k)
        true, _ = self._exactly(anchors, self.vectors.anchors.read(anchors), k)
        rows = np.repeat(np.arange(len(anchors)), k) * len(self.inputs.mineable)
        hits = np.isin((rows + true.ravel())[true.ravel() >= 0], (rows + found.ravel())[found.ravel() >= 0])
        return (float(hits.mean()) if len(hits) else None), len(anchors)

    def _search(self, anchors: Int64, vectors: Float32, depth: int) -> tuple[Int64, Float32]:
        forbidden = self.inputs.forbidden
        rows, items, exactly = self.index.propose(
            vectors,
            max(self.width, depth),
            forbidden.relation(anchors).degrees,
            lambda rows, items: ~forbidden.pairs(anchors[rows], items),
        )
        best = Best.empty(len(anchors), depth).merged(rows, items, self.vectors.pair_scores(anchors[rows], items))
        best.items[exactly], best.scores[exactly] = self._exactly(anchors[exactly], vectors[exactly], depth)
        return best.items, best.scores

    def _exactly(self, anchors: Int64, vectors: Float32, depth: int) -> tuple[Int64, Float32]:
        forbidden = self.inputs.forbidden
        return self.exact.search(
            vectors, depth, forbidden.relation(anchors), self.inputs.blocks,
            lambda block: forbidden.mask(anchors, block),
        )  # fmt: skip
