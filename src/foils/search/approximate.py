"""Approximate nearest items: an index *proposes*, the canonical kernel scores, as in exact search.

A pair's score is therefore that of exact search. What is not proposed is missing, and how much that is has to be
measured. An anchor's proposals depend on the anchor alone: how many are asked for follows from what is forbidden to
it, and doubles until enough survive. An anchor that would need half of the index is searched exactly.

    graph.py      a graph of neighbours (HNSW), by usearch
    inverted.py   lists of neighbours (IVF), by FAISS
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from foils.positives import Int64
from foils.search.vectors import Float32

Bool = npt.NDArray[np.bool_]

LEAST = 16
"""Proposals asked for at least."""


class ApproximateIndex(Protocol):
    """An index that proposes items."""

    @property
    def size(self) -> int:
        """How many items it holds."""

    @property
    def digest(self) -> str:
        """What it was built to, hashed."""

    def nearest(self, anchors: Float32, count: int) -> Int64:
        """Propose items: int64[A, count], each once, −1 at the right where there are fewer."""


def propose(
    index: ApproximateIndex, anchors: Float32, width: int, forbidden: Int64, allowed: Callable[[Int64, Int64], Bool]
) -> tuple[Int64, Int64, Int64]:
    """Propose at least ``width`` allowed items for every anchor, as far as half of the index reaches.

    Args:
        index: what proposes.
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
        if 2 * count > index.size:
            exactly.append(todo)
            break
        proposed = index.nearest(anchors[rows], count)
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


def _rounded_up(counts: Int64) -> Int64:
    """Round up to powers of two, so that anchors can be searched together."""
    return 2 ** np.ceil(np.log2(counts)).astype(np.int64)
