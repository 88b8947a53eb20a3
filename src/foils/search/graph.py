"""A graph of neighbours (HNSW; Malkov & Yashunin, 2018), by usearch.

One thread builds it, items in the order of their rows, so that equal vectors give an equal graph on the same kind of
processor.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from foils import _durable as durable
from foils.errors import MissingExtraError
from foils.positives import Int64
from foils.search.approximate import Bool
from foils.search.vectors import Float32, Vectors

BUILD_ROWS = 4096
"""Vectors added at a time."""


class GraphShape(NamedTuple):
    """How a graph is built and searched; see the fields of ``foils.sources.HNSW``."""

    connectivity: int
    expansion_add: int
    expansion_search: int


@dataclass(frozen=True, eq=False)
class GraphIndex:
    """Items in a graph of neighbours; keys are item rows.

    Attributes:
        graph: usearch's index.
        size: how many items it holds.
        digest: SHA-256 of its serialised form.
        lock: usearch's buffers of a search are one thread's at a time.
    """

    graph: Any
    size: int
    digest: str
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def build(cls, items: Vectors, mineable: Bool, shape: GraphShape, kept: Path | None) -> GraphIndex:
        """Build the graph, or read the one that was kept.

        Args:
            items: vectors of all items.
            mineable: bool[N], False for items that are left out.
            shape: how it is built.
            kept: the file it is kept in; None = it is not kept.
        """
        rows, graph = np.flatnonzero(mineable), empty_graph(items.dim, shape)
        digest = None if kept is None else durable.kept(kept)
        if digest is not None:
            graph.load(str(kept))
            return cls(graph, len(rows), digest)
        for start in range(0, len(rows), BUILD_ROWS):
            part = rows[start : start + BUILD_ROWS]
            graph.add(part.astype(np.uint64), items.read(part), threads=1)
        if kept is not None:
            return cls(graph, len(rows), durable.keep(kept, lambda partial: graph.save(str(partial))))
        with tempfile.TemporaryDirectory() as folder:
            graph.save(str(Path(folder) / "graph"))
            return cls(graph, len(rows), durable.checksum(Path(folder) / "graph"))

    def nearest(self, anchors: Float32, count: int) -> Int64:
        """Propose items: int64[A, count], −1 at the right where there are fewer."""
        proposed = np.full((len(anchors), count), -1, np.int64)
        if len(anchors) and self.size:
            with self.lock:
                found = self.graph.search(anchors, min(count, self.size), threads=1)
            keys = found.keys.reshape(len(anchors), -1).astype(np.int64)
            counts = np.reshape(getattr(found, "counts", len(found)), (-1, 1))  # of one anchor there is only a length
            present = np.arange(keys.shape[1]) < counts
            proposed[:, : keys.shape[1]] = np.where(present, keys, -1)
        return proposed


def empty_graph(dim: int, shape: GraphShape) -> Any:
    """Begin a graph of inner products.

    Raises:
        MissingExtraError: usearch is not installed.
    """
    try:
        usearch = import_module("usearch.index")
    except ImportError as error:
        raise MissingExtraError("usearch", "ann") from error
    return usearch.Index(ndim=dim, metric="ip", dtype="f32", multi=False, **shape._asdict())
