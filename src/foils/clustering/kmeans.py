"""Spherical k-means by Lloyd's iterations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from foils import _array
from foils._stored import ACCEPTED, is_accepted
from foils._threads import one_thread
from foils.clustering.capped import capped
from foils.clustering.nearest import Arithmetic, Int32, best_arithmetic, nearest_of
from foils.clustering.result import Clusters
from foils.clustering.rows import Rows, UnitRows, in_blocks
from foils.clustering.update import Float64, new_centroids, reseeded, sums_of
from foils.errors import InputError, whole_number
from foils.positives import Int64
from foils.search.shards import Shards
from foils.search.vectors import Float32, Matrix, Vectors

MOST = 2**31 - 1  # clusters are numbered in int32
CAPPED_UPDATES = 2
"""Iterations at the end whose centroids follow from capped clusters, where there is a cap."""


def spherical_kmeans(
    vectors: Matrix | Vectors,
    clusters: int,
    *,
    seed: int = 0,
    iterations: int = 5,
    cap: float | None = None,
    sample: int | None = None,
    arithmetic: Arithmetic | None = None,
    threads: int = 1,
) -> Clusters:
    """Cluster vectors by direction (spherical k-means; Dhillon & Modha, 2001).

    Memory: 16 bytes per vector, the centroids four times over, and some 50 MB per thread; the vectors are only read,
    ``iterations + 1`` times.

    Args:
        vectors: float[N, d], in memory or memory-mapped; lengths do not matter.
        clusters: how many, K.
        seed: chooses the first centroids among the vectors.
        iterations: how often centroids are made anew.
        cap: no cluster is larger than ⌈cap · N / K⌉; at least 1. None = as it comes.
        sample: vectors that centroids are learned from, at most; all are assigned at the end. None = all.
        arithmetic: of the products that assign; None = the fastest here, see ``best_arithmetic``.
        threads: blocks worked on at a time. The result does not depend on it.

    Raises:
        InputError: fewer vectors (with a direction) than clusters, or a number out of range.
        DataError: a vector that is not finite.
        MissingExtraError: bfloat16 without PyTorch.
    """
    matrix = vectors.matrix if isinstance(vectors, Vectors) else vectors
    _check(matrix, clusters, iterations, cap, threads)
    rows = UnitRows.of(matrix)
    first, learned = _drawn(rows, clusters, seed, sample)
    assigned_rows = iterations * len(learned) + len(rows)
    arithmetic = arithmetic or best_arithmetic(matrix.shape[1] * clusters * assigned_rows)
    work = _Work(rows, cap, arithmetic, threads)
    with one_thread():
        centroids = rows.read(first)
        for iteration in range(iterations):
            is_capped = cap is not None and iteration >= iterations - CAPPED_UPDATES
            centroids = work.updated(centroids, learned, is_capped=is_capped)
        assigned = work.assigned(centroids, np.arange(len(rows)), is_capped=cap is not None)
    cosine = float(np.einsum("kd,kd->", centroids, assigned.sums)) / len(rows)
    return Clusters(centroids, assigned.labels, cosine, arithmetic)


@dataclass(frozen=True, eq=False)
class _Assigned:
    """int32[R] clusters of rows, float32[R] products with the nearest centroid, float64[K, d] sums of rows."""

    labels: Int32
    scores: Float32
    sums: Float64


@dataclass(frozen=True, eq=False)
class _Work:
    """What every iteration works with."""

    rows: UnitRows
    cap: float | None
    arithmetic: Arithmetic
    threads: int

    def updated(self, centroids: Float32, chosen: Int64, *, is_capped: bool) -> Float32:
        """Iterate once over some rows."""
        assigned = self.assigned(centroids, chosen, is_capped=is_capped)
        new = new_centroids(centroids, assigned.sums)
        return reseeded(new, self.rows, chosen, assigned.labels, assigned.scores)

    def assigned(self, centroids: Float32, chosen: Int64, *, is_capped: bool) -> _Assigned:
        """Assign rows to centroids, and add them up."""
        nearest, clusters = nearest_of(centroids, self.arithmetic), len(centroids)
        labels, scores = np.empty(len(chosen), np.int32), np.empty(len(chosen), np.float32)
        sums = np.zeros(centroids.shape)

        def assign(rows: Rows) -> tuple[Int32, Float32, Float32]:
            unit = self.rows.read(rows)
            found, products = nearest(unit)
            return found, products, sums_of(unit, found, clusters)

        source = len(chosen) if len(chosen) == len(self.rows) else chosen
        for place, made in in_blocks(source, assign, self.threads):
            labels[place], scores[place] = made[:2]
            sums += made[2]
        if not is_capped:
            return _Assigned(labels, scores, sums)
        capacity = math.ceil((self.cap or 1.0) * len(chosen) / clusters)
        moved = capped(self.rows, chosen, labels, centroids, capacity, self.arithmetic, self.threads)
        return _Assigned(moved, scores, self._moved(sums, chosen, labels, moved))

    def _moved(self, sums: Float64, chosen: Int64, before: Int32, after: Int32) -> Float64:
        """Carry the rows that changed clusters from one sum to the other."""
        movers = np.flatnonzero(before != after)

        def difference(at: Rows) -> Float32:
            unit = self.rows.read(chosen[movers[at]])
            return sums_of(unit, after[movers[at]], len(sums)) - sums_of(unit, before[movers[at]], len(sums))

        moved = sums.copy()
        for _, made in in_blocks(len(movers), difference, self.threads):
            moved += made
        return moved


def _drawn(rows: UnitRows, clusters: int, seed: int, sample: int | None) -> tuple[Int64, Int64]:
    """Draw distinct rows at random: int64[K], the first centroids, and int64[R], those to learn from, ascending."""
    usable = np.flatnonzero(rows.inverse)
    if len(usable) < clusters:
        raise InputError(
            f"{clusters:,} clusters of {len(usable):,} vectors that have a direction; expected at most as many "
            "clusters as vectors"
        )
    noise = _array.counter_uniform(_array.Key(seed, "clustering.kmeans", 0), np.zeros(1, np.int64), usable)
    order = usable[np.argsort(noise, kind="stable")]
    learned = order[: max(sample, clusters)] if sample is not None and sample < len(usable) else np.arange(len(rows))
    return order[:clusters], np.sort(learned)


def _check(matrix: Matrix, clusters: int, iterations: int, cap: float | None, threads: int) -> None:
    """Refuse numbers out of range."""
    if not isinstance(matrix, np.ndarray | Shards):
        raise InputError(
            f"vectors is a {type(matrix).__name__}; expected an array: numpy.load(path, mmap_mode='r') reads a file, "
            "numpy.asarray(…, dtype='float32') makes one of other numbers"
        )
    if matrix.ndim != 2 or not is_accepted(matrix.dtype):
        found = f"vectors of shape {matrix.shape} and type {matrix.dtype}"
        raise InputError(f"{found}; expected (rows, dimensions) of {ACCEPTED}")
    for name, value in (("clusters", clusters), ("iterations", iterations), ("threads", threads)):
        whole_number(name, value, 1, MOST)
    if cap is not None and not cap >= 1:
        raise InputError(f"cap is {cap}; expected at least 1: clusters cannot all be smaller than their mean")
