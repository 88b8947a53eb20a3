"""Lists of neighbours (IVF; Sivic & Zisserman, 2003; Jégou et al., 2011), by FAISS.

Every item stands in the list of its nearest centroid. An anchor looks through the lists of the centroids nearest to it.
These are found by exact search, so that an anchor's lists, like its proposals, depend on the anchor alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.errors import MissingExtraError
from foils.positives import Int64, Relation
from foils.search.approximate import Bool
from foils.search.blocks import Blocks
from foils.search.exact import ExactIndex
from foils.search.vectors import Float32, Vectors

BUILD_ROWS = 4096
"""Vectors added at a time."""
ROOM = 16
"""The lists looked through hold this many times the items asked for, on average."""
BLOCKS = Blocks(anchors=256, items=1024, pairs=1024)
"""Of the search for the nearest centroids."""


@dataclass(frozen=True, eq=False)
class InvertedIndex:
    """Items in lists; keys are item rows.

    Attributes:
        lists: FAISS's index.
        centroids: of the lists.
        size: how many items it holds.
        probes: lists looked through at least.
        digest: BLAKE2 of centroids and lists.
    """

    lists: Any
    centroids: Vectors
    size: int
    probes: int
    digest: str

    @classmethod
    def build(
        cls, items: Vectors, mineable: Bool, centroids: Float32, assignment: npt.NDArray[np.int32], probes: int
    ) -> InvertedIndex:
        """Put items into lists.

        Args:
            items: vectors of all items.
            mineable: bool[N], False for items that are left out.
            centroids: float32[L, d].
            assignment: int32[N], the list of each item.
            probes: lists looked through at least.
        """
        faiss = import_faiss()
        quantizer = faiss.IndexFlatIP(items.dim)
        quantizer.add(centroids)
        lists = faiss.IndexIVFFlat(quantizer, items.dim, len(centroids), faiss.METRIC_INNER_PRODUCT)
        lists.is_trained = True
        rows = np.flatnonzero(mineable)
        with _one_thread(faiss):
            for start in range(0, len(rows), BUILD_ROWS):
                part = rows[start : start + BUILD_ROWS]
                vectors, chosen = items.read(part), assignment[part].astype(np.int64)
                lists.add_core(len(part), *(faiss.swig_ptr(array) for array in (vectors, part, chosen)))
        state = hashlib.blake2b(centroids.tobytes(), digest_size=16)
        state.update(np.where(mineable, assignment, -1).astype(np.int32).tobytes())
        return cls(lists, Vectors(centroids, "dot"), len(rows), probes, state.hexdigest())

    def nearest(self, anchors: Float32, count: int) -> Int64:
        """Propose items: int64[A, count], −1 at the right where the lists hold fewer."""
        proposed = np.full((len(anchors), count), -1, np.int64)
        if not len(anchors) or not self.size:
            return proposed
        faiss = import_faiss()
        anchors = np.ascontiguousarray(anchors)
        chosen, products = self._coarse.search(anchors, self._lists_for(count), Relation.empty(len(anchors)), BLOCKS)
        distances = np.empty((len(anchors), count), np.float32)
        pointers = (faiss.swig_ptr(array) for array in (chosen, products, distances, proposed))
        places, settings = False, faiss.SearchParametersIVF(nprobe=chosen.shape[1])
        with _one_thread(faiss):
            self.lists.search_preassigned_c(len(anchors), faiss.swig_ptr(anchors), count, *pointers, places, settings)
        return proposed

    @cached_property
    def _coarse(self) -> ExactIndex:
        return ExactIndex(self.centroids, np.ones(len(self.centroids), np.bool_))

    def _lists_for(self, count: int) -> int:
        """Say how many lists to look through for so many items."""
        lists = len(self.centroids)
        return min(lists, max(self.probes, math.ceil(ROOM * count * lists / self.size)))


def import_faiss() -> Any:
    """Import FAISS.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module("faiss")
    except ImportError as error:
        raise MissingExtraError("faiss", "ann") from error


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    """Let FAISS work on the calling thread alone; the setting is the thread's own."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)
