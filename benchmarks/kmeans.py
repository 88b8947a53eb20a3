"""Spherical k-means on one thread: five iterations and the assignment of all vectors.

    python benchmarks/run.py kmeans [--quick]

Unit vectors around planted centres. Everybody starts from random vectors and makes as many iterations; mini-batch
k-means passes over the data as often. ``mean cosine`` is that of a vector to the centroid of its cluster,
``largest/mean`` the size of the largest cluster over the mean. Needs the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
import numpy.typing as npt
import planted
import torch  # noqa: F401  # so that it is loaded before threads are counted
from harness import Aim, Contender, Table, at_least, compare, is_quick, save, single_thread
from sklearn.cluster import MiniBatchKMeans

from foils._processor import multiplies_bfloat16
from foils.clustering import spherical_kmeans

Float32 = npt.NDArray[np.float32]
Clustering = Callable[[], tuple[Float32, npt.NDArray[np.integer]]]
"""float32[K, d] centroids, int[N] clusters."""

ITERATIONS = 5
CAP = 1.5
FAISS = "faiss Kmeans spherical"
BF16, FP32, CAPPED = "foils bfloat16", "foils float32, no PyTorch", f"foils bfloat16, cap {CAP}"


def main() -> None:
    """Measure."""
    rows, clusters = (20_000, 400) if is_quick() else (100_000, 1_000)
    vectors = planted.matrix(rows, 384, 1)
    with single_thread():
        table, quality = measured(vectors, clusters)
    ratio, cosine, even = table.ratio(BF16, FAISS), quality[BF16][0] / quality[FAISS][0], quality[CAPPED]
    aims = [
        at_least(f"{BF16}: times FAISS, per CPU second", 1.5, ratio),
        Aim(f"{BF16}: mean cosine, of FAISS's", "≥ 0.99", f"{cosine:.4f}", cosine >= 0.99),
        Aim(f"{CAPPED}: largest/mean cluster", f"≤ {CAP}", f"{even[1]:.3f}", even[1] <= CAP),
        Aim(
            f"{CAPPED}: mean cosine, of FAISS's",
            "≥ 0.99",
            f"{even[0] / quality[FAISS][0]:.4f}",
            even[0] >= 0.99 * quality[FAISS][0],
        ),
    ]
    fast = "multiplies" if multiplies_bfloat16() else "does not multiply"
    save("kmeans", [table], {"aims": aims, "lines": [f"This processor {fast} bfloat16."]})


def measured(vectors: Float32, clusters: int) -> tuple[Table, dict[str, tuple[float, float]]]:
    """Measure everybody's speed, and the mean cosine and largest/mean of what they find."""
    everybody = contenders(vectors, clusters)
    quality = {name: judged(vectors, clusters, *run()) for name, run in everybody.items()}
    notes = {
        name: f"mean cosine {cosine:.4f}, largest/mean {even:.2f}" for name, (cosine, even) in quality.items()
    }  # fmt: skip
    title = f"k-means: {len(vectors):,} vectors, d = {vectors.shape[1]}, {clusters:,} clusters, one thread"
    runs = [Contender(name, run, len(vectors)) for name, run in everybody.items()]
    return compare(title, "vectors", runs, rounds=3, reference=FAISS, notes=notes), quality


def contenders(vectors: Float32, clusters: int) -> dict[str, Clustering]:
    """Set up everybody."""

    def ours(**options: object) -> Clustering:
        def run() -> tuple[Float32, npt.NDArray[np.integer]]:
            found = spherical_kmeans(vectors, clusters, iterations=ITERATIONS, **options)  # type: ignore[arg-type]
            return found.centroids, found.assignment

        return run

    def by_faiss() -> tuple[Float32, npt.NDArray[np.integer]]:
        found = faiss.Kmeans(vectors.shape[1], clusters, niter=ITERATIONS, spherical=True, seed=0)
        found.train(vectors)
        return found.centroids, found.index.search(vectors, 1)[1][:, 0]

    def by_batches() -> tuple[Float32, npt.NDArray[np.integer]]:
        found = MiniBatchKMeans(
            clusters,
            init="random",
            n_init=1,
            batch_size=8192,
            max_iter=ITERATIONS,
            max_no_improvement=None,
            random_state=0,
        ).fit(vectors)
        return found.cluster_centers_, found.labels_

    return {
        FAISS: by_faiss,
        BF16: ours(arithmetic="bfloat16"),
        CAPPED: ours(arithmetic="bfloat16", cap=CAP),
        FP32: ours(arithmetic="float32"),
        "sklearn MiniBatchKMeans": by_batches,
    }


def judged(
    vectors: Float32, clusters: int, centroids: Float32, labels: npt.NDArray[np.integer]
) -> tuple[float, float]:  # fmt: skip
    """Give the mean cosine and largest/mean."""
    unit = centroids / np.linalg.norm(centroids, axis=1, keepdims=True)
    cosine = np.einsum("nd,nd->n", vectors, unit[labels]).mean()
    return float(cosine), float(np.bincount(labels).max() * clusters / len(vectors))


if __name__ == "__main__":
    main()
