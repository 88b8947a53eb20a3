"""Clusters: items of like direction together, for batches of neighbours and for the lists of an approximate index.

Spherical k-means (Dhillon & Modha, 2001) maximises the mean cosine of an item to the centroid of its cluster:

    assign   a_i = argmax_k  x_i · c_k             one blocked product, in float32 or bfloat16, no N × K array
    update   c_k = s_k / |s_k|,  s_k = Σ x_i       over the items of cluster k; x_i has length 1
    cap      no cluster larger than ⌈cap · N / K⌉  those who lose least by it move to another centroid

The result is a function of vectors, seed and arithmetic: blocks have a fixed size, every product runs on one thread,
and sums are added in the order of the rows, however many threads there are.
"""

from foils.clustering.kmeans import spherical_kmeans
from foils.clustering.nearest import Arithmetic, best_arithmetic
from foils.clustering.result import Clusters

__all__ = ["Arithmetic", "Clusters", "best_arithmetic", "spherical_kmeans"]
