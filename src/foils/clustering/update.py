"""New centroids: sums of rows by cluster, made unit; an empty cluster begins again at an item far from its centroid."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from foils import _array
from foils.clustering.nearest import Int32
from foils.clustering.rows import UnitRows
from foils.positives import Int64
from foils.search.vectors import Float32

Float64 = npt.NDArray[np.float64]


def sums_of(rows: Float32, labels: Int32, clusters: int) -> Float32:
    """Add the rows of each cluster, in their order.

    Args:
        rows: float32[R, d].
        labels: int32[R], the cluster of each.
        clusters: K.

    Returns:
        float32[K, d].
    """
    count = len(rows)
    chosen = (np.ones(count, np.float32), labels, np.arange(count + 1, dtype=np.int32))
    sums: Float32 = sparse.csc_array(chosen, shape=(clusters, count)) @ rows
    return sums


def new_centroids(old: Float32, sums: Float64) -> Float32:
    """Scale sums to length 1, and keep the old centroid where a sum has no direction."""
    lengths = np.sqrt(np.einsum("kd,kd->k", sums, sums))
    unit = _array.normalise_rows(sums.astype(np.float32))
    return np.where((lengths > 1e-12)[:, None], unit, old)


def reseeded(centroids: Float32, rows: UnitRows, chosen: Int64 | None, labels: Int32, scores: Float32) -> Float32:
    """Begin empty clusters again: the first in the cluster that loses most, Σ (1 − x · c), at its farthest item.

    The second begins in the cluster that loses second most, and so on; clusters of one item give none.

    Args:
        centroids: float32[K, d].
        rows: all rows.
        chosen: int64[R], those in clusters; None = all.
        labels: int32[R], their clusters.
        scores: float32[R], their products with the centroid.
    """
    sizes = np.bincount(labels, minlength=len(centroids))
    empty = np.flatnonzero(sizes == 0)
    if not len(empty):
        return centroids
    losses = sizes - np.bincount(labels, weights=scores, minlength=len(centroids))
    donors = np.argsort(-losses, kind="stable")
    donors = donors[sizes[donors] > 1][: len(empty)]
    order = np.lexsort((scores, labels))
    farthest = order[np.searchsorted(labels[order], donors)]
    new = centroids.copy()
    new[empty[: len(donors)]] = rows.read(farthest if chosen is None else chosen[farthest])
    return new
