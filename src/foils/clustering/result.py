"""What k-means finds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.clustering.nearest import Arithmetic
from foils.positives import Int64
from foils.search.vectors import Float32


@dataclass(frozen=True, eq=False)
class Clusters:
    """Items in clusters.

    Attributes:
        centroids: float32[K, d], of length 1.
        assignment: int32[N], the cluster of each item.
        mean_cosine: of an item to the centroid of its cluster; an item of length 0 counts as 0.
        arithmetic: what the products were made in.
    """

    centroids: Float32
    assignment: npt.NDArray[np.int32]
    mean_cosine: float
    arithmetic: Arithmetic

    @property
    def sizes(self) -> Int64:
        """int64[K], items of each cluster."""
        return np.bincount(self.assignment, minlength=len(self.centroids)).astype(np.int64)

    @property
    def imbalance(self) -> float:
        """The largest cluster's size over the mean size."""
        return float(self.sizes.max() * len(self.centroids) / max(len(self.assignment), 1))
