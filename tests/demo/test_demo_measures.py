"""Rates, hardness and rows of negatives, compared with plain loops."""

import numpy as np
import pytest

from foils.demo.measures import cosines, false_negative_rate, score_gaps


def test_the_rate_is_hits_per_negative_and_its_interval_is_clustered():
    generator = np.random.default_rng(0)
    items = generator.integers(-1, 50, (3, 400, 8))
    bad = generator.random((1, 400, 1)) < 0.1  # all negatives of an anchor, or none
    hidden = (items >= 0) & bad
    found = false_negative_rate(hidden, items)
    assert found.estimate == pytest.approx(1000 * hidden.sum() / (items >= 0).sum())
    assert found.low < found.estimate < found.high
    share = bad.mean()
    by_anchor = 1000 * np.sqrt(share * (1 - share) / 400)
    assert (found.high - found.low) / 3.92 == pytest.approx(by_anchor, rel=0.15)  # not √(8 · 3) times narrower


def test_without_a_hit_the_bound_is_the_rule_of_three():
    items = np.zeros((2, 30, 5), np.int64)
    items[1, :, 4] = -1
    found = false_negative_rate(np.zeros(items.shape, bool), items)
    assert (found.estimate, found.low, found.high) == (0, 0, 1000 * 3 / 120)


def test_gaps_are_differences_of_cosines():
    generator = np.random.default_rng(0)
    anchors, vectors = generator.standard_normal((4, 3), np.float32), generator.standard_normal((9, 3), np.float32)
    vectors[5] = 0
    items, labelled = generator.integers(0, 9, (4, 6)), np.array([1, 5, 2, 8])
    items[2, 3:] = -1
    gaps = score_gaps(anchors, vectors, items, labelled)

    def cosine(a, b):
        return 0 if not b.any() else a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    for row in range(4):
        for column in range(6):
            item = items[row, column]
            gap = cosine(anchors[row], vectors[item]) - cosine(anchors[row], vectors[labelled[row]])
            assert gaps[row, column] == pytest.approx(np.nan if item < 0 else gap, nan_ok=True, abs=1e-6)
    assert cosines(anchors, vectors[[5, 5, 5, 5]]).tolist() == [0, 0, 0, 0]
