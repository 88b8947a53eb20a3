"""A cap on the size of clusters: who loses least moves.

Every cluster with more than ``capacity`` items is closed: it keeps the items of the largest regret,

    r_i = x_i · c_own − max over open k of x_i · c_k,

and the others move to that open cluster, where they stand against those already there. Each round closes at least one
cluster; capacity · K ≥ N leaves room in the open ones. After some rounds, what is too much anywhere fills free places.
"""

from __future__ import annotations

import numpy as np

from foils import _segments as segments
from foils.clustering.nearest import Arithmetic, Int32, nearest_of
from foils.clustering.rows import Rows, UnitRows, in_blocks, row_dots
from foils.positives import Int64
from foils.search.vectors import Float32

ROUNDS = 32
"""After so many rounds, the few that are left fill free places."""


def capped(
    rows: UnitRows, chosen: Int64, labels: Int32, centroids: Float32, capacity: int, arithmetic: Arithmetic,
    threads: int,
) -> Int32:  # fmt: skip
    """Move items until no cluster holds more than ``capacity``.

    Args:
        rows: all rows.
        chosen: int64[R], those in clusters.
        labels: int32[R], their clusters.
        centroids: float32[K, d].
        capacity: items of a cluster at most; capacity · K ≥ R.
        arithmetic: of the products.
        threads: blocks at a time.
    """
    labels, is_open = labels.copy(), np.ones(len(centroids), np.bool_)
    for _ in range(ROUNDS):
        crowded = np.bincount(labels, minlength=len(centroids)) > capacity
        if not crowded.any():
            return labels
        is_open &= ~crowded
        members = np.flatnonzero(crowded[labels])
        others, regrets = _alternatives(
            rows, chosen[members], labels[members], centroids, np.flatnonzero(is_open), arithmetic, threads
        )
        order = np.lexsort((-regrets, labels[members]))
        places = segments.places(np.bincount(labels[members], minlength=len(centroids)))
        moving = order[places >= capacity]
        labels[members[moving]] = others[moving]
    return _filled(labels, len(centroids), capacity)


def _alternatives(
    rows: UnitRows, chosen: Int64, labels: Int32, centroids: Float32, open_clusters: Int64, arithmetic: Arithmetic,
    threads: int,
) -> tuple[Int32, Float32]:  # fmt: skip
    """Find the nearest open cluster of each item, and what it would lose by moving there."""
    nearest = nearest_of(centroids[open_clusters], arithmetic)

    def alternative(at: Rows) -> tuple[Int32, Float32]:
        unit = rows.read(chosen[at])
        others = open_clusters[nearest(unit)[0]].astype(np.int32)
        return others, row_dots(unit, centroids[labels[at]] - centroids[others])

    found = [made for _, made in in_blocks(len(chosen), alternative, threads)]
    return np.concatenate([others for others, _ in found]), np.concatenate([regrets for _, regrets in found])


def _filled(labels: Int32, clusters: int, capacity: int) -> Int32:
    """Move what is too much into free places, both in the order of clusters."""
    labels, sizes = labels.copy(), np.bincount(labels, minlength=clusters)
    order = np.argsort(labels, kind="stable")
    surplus = order[segments.places(sizes) >= capacity]
    free = segments.owners(np.maximum(capacity - sizes, 0))
    labels[surplus] = free[: len(surplus)]
    return labels
