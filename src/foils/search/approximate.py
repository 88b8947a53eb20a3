"""Approximate nearest items: a graph of neighbours (HNSW; Malkov & Yashunin, 2018), by usearch.

The graph *proposes*; what it proposes is scored by the canonical kernel, as in exact search, so a pair's score is the
same. What it does not propose is missing, and how much that is has to be measured.

One thread builds it, items in the order of their rows, so that equal vectors give an equal graph on the same kind of
processor. An anchor's proposals depend on the anchor alone: how many are asked for follows from what is forbidden to
it, and doubles until enough survive. An anchor that would need half of the graph is searched exactly.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from foils._durable import checksum, make_folder, remove, write_file
from foils.errors import MissingExtraError
from foils.positives import Int64
from foils.search.vectors import Float32, Vectors

Bool = npt.NDArray[np.bool_]

BUILD_ROWS = 4096
"""Vectors added at a time."""
LEAST = 16
"""Proposals asked for at least."""


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
        if kept is not None:
            note = kept.with_suffix(".sha256")
            if kept.exists() and note.exists() and note.read_text() == checksum(kept):
                graph.load(str(kept))
                return cls(graph, len(rows), note.read_text())
            make_folder(kept.parent)
            remove(note)
        for start in range(0, len(rows), BUILD_ROWS):
            part = rows[start : start + BUILD_ROWS]
            graph.add(part.astype(np.uint64), items.read(part), threads=1)
        if kept is not None:
            write_file(kept, lambda partial: graph.save(str(partial)))
            digest = checksum(kept)
            write_file(note, lambda partial: partial.write_text(digest))
            return cls(graph, len(rows), digest)
        with tempfile.TemporaryDirectory() as folder:
            graph.save(str(Path(folder) / "graph"))
            return cls(graph, len(rows), checksum(Path(folder) / "graph"))

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

    def propose(
        self, anchors: Float32, width: int, forbidden: Int64, allowed: Callable[[Int64, Int64], Bool]
    ) -> tuple[Int64, Int64, Int64]:
        """Propose at least ``width`` allowed items for every anchor, as far as half of the graph reaches.

        Args:
            anchors: float32[A, d], as ``Vectors.read`` gives them.
            width: how many are wanted.
            forbidden: int64[A], how many items each anchor must not get, as far as that is known.
            allowed: int64[P] rows of ``anchors`` and int64[P] items → bool[P].

        Returns:
            int64[P] rows and int64[P] items, allowed ones; int64[R], the rows that must be searched exactly instead.
        """
        counts = _rounded_up(np.maximum(width + forbidden, LEAST))
        todo = np.arange(len(anchors))
        found_rows, found_items, exactly = [], [], []
        while len(todo):
            count = int(counts[todo].min())
            rows = todo[counts[todo] == count]
            if 2 * count > self.size:
                exactly.append(todo)
                break
            proposed = self.nearest(anchors[rows], count)
            at, places = np.nonzero(proposed >= 0)
            items = proposed[at, places]
            fits = allowed(rows[at], items)
            enough = np.bincount(at[fits], minlength=len(rows)) >= width
            kept = fits & enough[at]
            found_rows.append(rows[at[kept]])
            found_items.append(items[kept])
            counts[rows] *= 2
            todo = np.setdiff1d(todo, rows[enough])
        none = [np.zeros(0, np.int64)]
        return tuple(np.concatenate(parts or none) for parts in (found_rows, found_items, exactly))  # type: ignore[return-value]


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


def _rounded_up(counts: Int64) -> Int64:
    """Round up to powers of two, so that anchors can be searched together."""
    return 2 ** np.ceil(np.log2(counts)).astype(np.int64)
