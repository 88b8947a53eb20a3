"""Whether an approximate search would pay: building and searching beside exact search, measured on parts of the items.

    exact   per anchor  a + b · N                        two parts
    ivf     to build    k-means' multiplications, and N vectors put into lists
            per anchor  as in a part with as many times fewer lists, which are then as long as those of the whole
    hnsw    to build    c · N · log N                    a small graph
            per anchor  c · log N

These are the costs of the data at hand on this machine now; how much an approximate search misses shows its recall,
which is measured when it runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from foils import _extras
from foils._threads import one_thread
from foils.clustering import best_arithmetic
from foils.clustering.nearest import nearest_of
from foils.planning.text import duration
from foils.positives import Relation
from foils.search import ExactIndex, Inputs, Work, choose_screen
from foils.search.approximate import ApproximateIndex
from foils.search.graph import GraphIndex, GraphShape
from foils.search.inverted import InvertedIndex
from foils.search.vectors import Float32, Vectors
from foils.sources import HNSW, IVF, Dense
from foils.sources.ivf import default_lists, multiplications

Made = TypeVar("Made")

PART, SMALL_PART = 32_768, 16_384
"""Items that exact search and lists are measured on."""
GRAPH_PART = 3_000
"""Items that a graph is measured on."""
ANCHORS = 128
"""Anchors that searches are measured with."""


@dataclass(frozen=True)
class Approximate:
    """What an approximate search would take, in seconds of wall time.

    Attributes:
        source: its name.
        build: of the index, once.
        search: of all anchors.
        exact: of all anchors by exact search.
    """

    source: str
    build: float
    search: float
    exact: float

    @property
    def pays(self) -> bool:
        """Whether it is quicker, its building included."""
        return self.build + self.search < self.exact

    def __str__(self) -> str:
        """Say it in words."""
        took = f"{duration(self.build + self.search)} (build {duration(self.build)} + search {duration(self.search)})"
        verdict = f"try source: {{{self.source}: {{}}}}, whose recall is measured" if self.pays else "not worth it"
        return f"approximate search ({self.source}) would take {took} against {duration(self.exact)} exact: {verdict}"


def approximate_search(inputs: Inputs, source: Dense, *, threads: int) -> Approximate | None:
    """Estimate the quickest approximate search in place of an exact one, in about two seconds.

    Args:
        inputs: the run's.
        source: the recipe's.
        threads: of the run; an index is built by one.

    Returns:
        None where there are too few items for an approximate search to pay, or no library of one is installed.
    """
    pair = inputs.vectors(source.vectors, source.similarity)
    total = int(inputs.mineable.sum())
    if total <= 2 * PART or not len(pair.anchors):
        return None
    width, _ = source.depths(inputs.negatives)
    anchors = pair.anchors.read(_spread(len(pair.anchors), ANCHORS))
    probe = _Probe(pair.items, anchors, width, inputs, total, len(pair.anchors))
    each = len(np.unique(inputs.positives.units().anchors)) / threads
    with one_thread():
        exact = probe.exact()
        found = [(name, *measure()) for name, package, measure in probe.indexes() if not _extras.missing([package])]
    plans = [Approximate(name, build, search * each, exact * each) for name, build, search in found]
    return min(plans, key=lambda plan: plan.build + plan.search, default=None)


@dataclass(frozen=True, eq=False)
class _Probe:
    """What is measured, in seconds: to build for all items, and for one anchor to search them."""

    items: Vectors
    anchors: Float32
    width: int
    inputs: Inputs
    total: int
    queries: int

    def indexes(self) -> tuple[tuple[str, str, Callable[[], tuple[float, float]]], ...]:
        """Name the indexes, their packages, and what measures them."""
        return ("ivf", "faiss", self.ivf), ("hnsw", "usearch", self.hnsw)

    def exact(self) -> float:
        """Carry the times of two parts on to all items."""
        small, large = (self._exactly(size) for size in (SMALL_PART, PART))
        slope = max(large - small, 0.0) / (PART - SMALL_PART)
        return large + slope * (self.total - PART)

    def ivf(self) -> tuple[float, float]:
        """Put a part into lists as long as those of the whole."""
        lists = default_lists(self.total)
        few = max(1, round(lists * PART / self.total))
        part = self._part(PART)
        vectors = part.read(slice(0, PART))
        work = multiplications(self.total, self.items.dim, lists)
        nearest = nearest_of(vectors[:few], best_arithmetic(work))
        nearest(vectors[:few])
        (labels, _), assigning = _timed(lambda: nearest(vectors))
        rate = assigning / (PART * few * self.items.dim)
        everything = np.ones(PART, np.bool_)
        index, filling = _timed(lambda: InvertedIndex.build(part, everything, vectors[:few], labels, IVF().probes))
        more = rate * self.items.dim * (lists - few)  # looking for the nearest of all lists
        return rate * work + filling * self.total / PART, self._proposing(index, part) + more

    def hnsw(self) -> tuple[float, float]:
        """Build a small graph."""
        part, fields = self._part(GRAPH_PART), HNSW()
        shape = GraphShape(fields.connectivity, fields.expansion_add, fields.expansion_search)
        everything = np.ones(GRAPH_PART, np.bool_)
        index, building = _timed(lambda: GraphIndex.build(part, everything, shape, None))
        deeper = math.log(self.total) / math.log(GRAPH_PART)
        return building * self.total / GRAPH_PART * deeper, self._proposing(index, part) * deeper

    def _exactly(self, size: int) -> float:
        items, blocks = self._part(size), self.inputs.blocks
        # The screen that the run chooses: this part is searched for as many times more anchors.
        queries, spare = round(self.queries * len(self.items) / size), self.inputs.spare_bytes * size // len(self.items)
        work = Work(queries, self.anchors, self.width, blocks)
        screen, _ = choose_screen(items, work, self.inputs.search, spare)
        index, part = ExactIndex(items, np.ones(size, np.bool_), screen), self.anchors[: blocks.anchors]
        nothing = Relation.empty(len(part))
        index.search(part[:1], self.width, Relation.empty(1), blocks)
        return _timed(lambda: index.search(part, self.width, nothing, blocks))[1] / len(part)

    def _proposing(self, index: ApproximateIndex, part: Vectors) -> float:
        """Time proposals and their scores, per anchor."""
        count = 1 << math.ceil(math.log2(self.width))

        def propose() -> None:
            proposed = np.maximum(index.nearest(self.anchors, count), 0)
            rows = np.repeat(np.arange(len(proposed)), count)
            part.dots(self.anchors, rows, proposed.ravel(), self.inputs.blocks.pairs)

        propose()
        return _timed(propose)[1] / len(self.anchors)

    def _part(self, size: int) -> Vectors:
        matrix = self.items.matrix[_spread(len(self.items), size)]
        return Vectors(np.asarray(matrix), self.items.similarity, self.items.what)


def _timed(work: Callable[[], Made]) -> tuple[Made, float]:
    started = time.perf_counter()
    made = work()
    return made, time.perf_counter() - started


def _spread(total: int, count: int) -> slice:
    """Choose ``count`` rows at equal distances."""
    step = max(1, total // count)
    return slice(0, min(total, step * count), step)
