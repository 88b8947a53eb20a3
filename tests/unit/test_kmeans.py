"""Spherical k-means: against a naive one, the same whatever the threads, and never above its cap."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils._array import Key, counter_uniform, is_torch
from foils.clustering import Clusters, best_arithmetic, spherical_kmeans
from foils.clustering.capped import capped
from foils.clustering.nearest import largest, nearest_of
from foils.clustering.rows import UnitRows
from foils.errors import DataError, InputError, MissingExtraError

ARITHMETICS = ["float32", "bfloat16"]


def planted(rows, dim=16, centres=12, seed=0, noise=0.5):
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(centres, dim))
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    noisy = middles[rng.integers(0, centres, rows)] + rng.normal(size=(rows, dim)) * noise / math.sqrt(dim)
    return noisy.astype(np.float32)


def naive(vectors, clusters, seed, iterations):
    """Lloyd's iterations in float64, one row after the other; no cluster becomes empty here."""
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    noise = counter_uniform(Key(seed, "clustering.kmeans", 0), np.zeros(1, np.int64), np.arange(len(unit)))
    centroids = unit[np.argsort(noise)[:clusters]]
    for _ in range(iterations):
        labels = [int(np.argmax([row @ centroid for centroid in centroids])) for row in unit]
        sums = [sum(row for row, label in zip(unit, labels, strict=True) if label == k) for k in range(clusters)]
        centroids = np.stack([total / np.linalg.norm(total) for total in sums])
    return centroids, [int(np.argmax([row @ centroid for centroid in centroids])) for row in unit]


def test_it_does_what_a_naive_one_does():
    vectors = planted(300) * np.linspace(0.1, 9, 300, dtype=np.float32)[:, None]
    found = spherical_kmeans(vectors, 12, seed=3, iterations=4)
    centroids, labels = naive(vectors, 12, seed=3, iterations=4)
    assert (found.centroids.dtype, found.assignment.dtype) == (np.float32, np.int32)
    assert found.assignment.tolist() == labels
    np.testing.assert_allclose(found.centroids, centroids, atol=1e-6)
    assert found.sizes.tolist() == np.bincount(labels, minlength=12).tolist()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert found.mean_cosine == pytest.approx((unit * centroids[labels]).sum(axis=1).mean(), abs=1e-6)
    assert found.imbalance == pytest.approx(found.sizes.max() / 25)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("cap", [None, 1.2])
def test_threads_storage_and_length_change_nothing(arithmetic, cap, monkeypatch, tmp_path):
    monkeypatch.setattr("foils.clustering.rows.BLOCK", 64)
    vectors = planted(500).astype(np.float16)
    np.save(tmp_path / "vectors.npy", vectors)
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    options = {"clusters": 20, "seed": 1, "cap": cap, "arithmetic": arithmetic}
    first = spherical_kmeans(vectors.astype(np.float32), **options)
    scales = np.float32(2.0) ** np.arange(-4, 4, dtype=np.float32)[np.arange(500) % 8, None]
    for other in (
        spherical_kmeans(vectors.astype(np.float32), threads=3, **options),
        spherical_kmeans(mapped, threads=2, **options),
        spherical_kmeans(vectors.astype(np.float64) * scales, **options),
    ):
        np.testing.assert_array_equal(other.assignment, first.assignment)
        np.testing.assert_array_equal(other.centroids, first.centroids)
    assert not np.array_equal(spherical_kmeans(mapped, **{**options, "seed": 2}).assignment, first.assignment)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_vectors_of_length_one_are_taken_as_they_are(arithmetic, tmp_path):
    vectors = planted(500)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert UnitRows.of(unit).is_unit
    assert not UnitRows.of(vectors).is_unit
    np.save(tmp_path / "vectors.npy", unit)
    mapped = spherical_kmeans(np.load(tmp_path / "vectors.npy", mmap_mode="r"), 12, arithmetic=arithmetic)
    found = spherical_kmeans(unit, 12, arithmetic=arithmetic)
    np.testing.assert_array_equal(mapped.assignment, found.assignment)
    scaled = spherical_kmeans(vectors, 12, arithmetic=arithmetic)
    assert (scaled.assignment == found.assignment).mean() > 0.98


def test_bfloat16_clusters_as_well_as_float32():
    vectors = planted(2000, dim=32, centres=40)
    exact, rough = (spherical_kmeans(vectors, 40, arithmetic=arithmetic) for arithmetic in ARITHMETICS)
    assert rough.arithmetic == "bfloat16"
    assert rough.mean_cosine > 0.99 * exact.mean_cosine


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_nearest_centroid_is_found_over_blocks_of_centroids(arithmetic, monkeypatch):
    monkeypatch.setattr("foils.clustering.nearest.COLUMNS", 7)
    rng = np.random.default_rng(0)
    rows, centroids = (rng.integers(-3, 4, size=(count, 5)).astype(np.float32) for count in (50, 30))  # with many ties
    labels, scores = nearest_of(centroids, arithmetic)(rows)
    np.testing.assert_array_equal(labels, (rows @ centroids.T).argmax(axis=1))
    np.testing.assert_array_equal(scores, (rows @ centroids.T).max(axis=1))


@given(st.lists(st.lists(st.floats(-100, 100, width=16), min_size=3, max_size=3), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_the_largest_of_bfloat16_is_told_by_its_bits(cells):
    bits = (np.array(cells, np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.int16)
    values = (bits.astype(np.int32) << 16).view(np.float32)
    labels, best = largest(bits)
    np.testing.assert_array_equal(best, values.max(axis=1))
    np.testing.assert_array_equal(values[np.arange(len(values)), labels], best)


@given(
    st.integers(1, 60), st.integers(1, 12), st.sampled_from([1.0, 1.01, 1.5, 3.0]), st.integers(0, 9), st.booleans()
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_no_cluster_is_larger_than_the_cap(rows, clusters, cap, seed, equal):
    vectors = np.ones((rows, 4), np.float32) if equal else planted(rows, dim=4, centres=2, seed=seed)
    clusters = min(clusters, rows)
    found = spherical_kmeans(vectors, clusters, seed=seed, cap=cap, iterations=3)
    assert found.sizes.sum() == rows
    assert found.sizes.max() <= math.ceil(cap * rows / clusters)


@pytest.mark.parametrize("rounds", [0, 1, 32])
def test_the_cap_holds_when_rounds_run_out(rounds, monkeypatch):
    monkeypatch.setattr("foils.clustering.capped.ROUNDS", rounds)
    found = spherical_kmeans(planted(400, centres=3), 20, cap=1.0)
    assert found.sizes.tolist() == [20] * 20


def test_those_who_lose_least_move():
    centroids = np.eye(3, dtype=np.float32)
    vectors = np.array([[9, 1, 0], [9, 8, 0], [9, 0, 2], [9, 0, 7], [0, 1, 0]], np.float32)
    labels = np.array([0, 0, 0, 0, 1], np.int32)
    moved = capped(UnitRows.of(vectors), np.arange(5), labels, centroids, 2, "float32", 1)
    assert moved.tolist() == [0, 1, 0, 2, 1]
    again = capped(UnitRows.of(vectors), np.arange(5), labels, centroids, 4, "float32", 1)
    assert again.tolist() == labels.tolist()


def test_a_cap_costs_little_where_clusters_are_nearly_even():
    vectors = planted(3000, centres=30)
    free, even = (spherical_kmeans(vectors, 30, cap=cap) for cap in (None, 1.5))
    assert even.mean_cosine > 0.98 * free.mean_cosine


def test_an_empty_cluster_begins_again_where_an_item_is_far():
    groups = np.repeat(np.eye(4, dtype=np.float32), [1000, 10, 5, 1], axis=0)  # first centroids are mostly the same
    for seed in range(5):
        found = spherical_kmeans(groups, 4, seed=seed)
        assert found.mean_cosine == pytest.approx(1)
        assert sorted(found.sizes.tolist()) == [1, 5, 10, 1000]


def test_fewer_directions_than_clusters_leave_clusters_empty():
    found = spherical_kmeans(np.ones((9, 2), np.float32), 3)
    assert found.sizes.tolist() == [9, 0, 0]
    assert np.isfinite(found.centroids).all()


def test_vectors_without_direction_are_assigned_and_count_nothing():
    vectors = planted(100)
    vectors[40:] = 0
    vectors[99] = 1e-35
    found = spherical_kmeans(vectors, 5)
    assert found.sizes.sum() == 100
    assert found.mean_cosine == pytest.approx(0.4 * spherical_kmeans(vectors[:40], 5).mean_cosine, abs=0.05)
    with pytest.raises(InputError, match="41 clusters of 40 vectors that have a direction"):
        spherical_kmeans(vectors, 41)


def test_centroids_may_be_learned_from_a_sample():
    vectors = planted(2000)
    few = spherical_kmeans(vectors, 12, sample=200)
    assert len(few.assignment) == 2000
    whole = spherical_kmeans(vectors, 12)
    assert not np.array_equal(few.centroids, whole.centroids)
    assert few.mean_cosine > 0.9 * whole.mean_cosine
    np.testing.assert_array_equal(spherical_kmeans(vectors, 12, sample=5000).assignment, whole.assignment)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"clusters": 0}, "clusters is 0; expected a whole number from 1"),
        ({"clusters": 61}, "61 clusters of 60 vectors"),
        ({"clusters": 2, "iterations": 0}, "iterations is 0"),
        ({"clusters": 2, "threads": 0}, "threads is 0"),
        ({"clusters": 2, "cap": 0.9}, "cap is 0.9; expected at least 1"),
        ({"clusters": 2, "cap": float("nan")}, "cap is nan"),
    ],
)
def test_numbers_out_of_range_are_refused(options, expected):
    with pytest.raises(InputError, match=expected):
        spherical_kmeans(planted(60), **options)


def test_what_is_no_matrix_of_finite_numbers_is_refused():
    with pytest.raises(InputError, match="expected \\(rows, dimensions\\) of float16"):
        spherical_kmeans(np.ones((4, 4), np.int64), 2)
    vectors = planted(60)
    vectors[17, 3] = np.nan
    with pytest.raises(DataError, match=r"row 17 .* holds NaN"):
        spherical_kmeans(vectors, 2)


def test_bfloat16_needs_pytorch_and_enough_work(monkeypatch):
    assert best_arithmetic(1e6) == "float32"
    monkeypatch.setattr("foils.clustering.nearest.multiplies_bfloat16", lambda: True)
    assert best_arithmetic(1e12) == "bfloat16"
    monkeypatch.setattr("foils.clustering.nearest.find_spec", lambda _: None)
    assert best_arithmetic(1e12) == "float32"
    is_torch(planted(60))  # it asks for the module once for each type, and is not prepared for none
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"foils\[torch\]"):
        spherical_kmeans(planted(60), 2, arithmetic="bfloat16")


def test_a_result_says_its_sizes():
    result = Clusters(np.eye(3, dtype=np.float32), np.array([0, 0, 2], np.int32), 0.5, "float32")
    assert result.sizes.tolist() == [2, 0, 1]
    assert result.imbalance == 2
