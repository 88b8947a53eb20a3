"""k-means beside FAISS's: clusters as close, from the same number of iterations."""

import faiss
import numpy as np
import pytest

from foils.clustering import spherical_kmeans

SEEDS = range(10)


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(64, 32))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    noisy = (centres[rng.integers(0, 64, 5000)] + rng.normal(size=(5000, 32)) * 0.2).astype(np.float32)
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def theirs(vectors):
    found = []
    for seed in SEEDS:
        clusters = faiss.Kmeans(32, 64, niter=5, spherical=True, seed=seed)
        clusters.train(vectors)
        found.append(clusters.index.search(vectors, 1)[0].mean())
    return np.mean(found)


@pytest.mark.parametrize("cap", [None, 1.5])
def test_the_mean_cosine_is_that_of_faiss(vectors, theirs, cap):
    ours = [spherical_kmeans(vectors, 64, seed=seed, iterations=5, cap=cap) for seed in SEEDS]
    assert np.mean([one.mean_cosine for one in ours]) > 0.99 * theirs
    assert cap is None or max(one.sizes.max() for one in ours) <= 118  # 1.5 × 78.1
