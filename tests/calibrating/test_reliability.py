"""What was said against what was found."""

import math

import numpy as np
import pytest

from foils.calibrating import reliability


def test_the_numbers_of_a_small_case():
    said = np.array([0.2] * 10 + [0.8] * 10)
    truth = np.array([1.0] * 4 + [0.0] * 6 + [1.0] * 8 + [0.0] * 2)
    found = reliability(said, truth, np.ones(20), np.arange(20))
    assert (found.said, found.found) == (pytest.approx(0.5), pytest.approx(0.6))
    assert found.calibration_error == pytest.approx(0.5 * abs(0.4 - 0.2))
    assert found.brier == pytest.approx(np.mean((said - truth) ** 2))
    hit = (4 * math.log(0.2) + 6 * math.log(0.8) + 8 * math.log(0.8) + 2 * math.log(0.2)) / 20
    assert found.log_loss == pytest.approx(-hit)
    assert [(one.said, one.found, one.pairs) for one in found.bins] == [
        (pytest.approx(0.2), pytest.approx(0.4), 10),
        (pytest.approx(0.8), pytest.approx(0.8), 10),
    ]
    low = (0.4 + 1.96**2 / 18 - 1.96 * math.sqrt(0.24 / 9 + 1.96**2 / 324)) / (1 + 1.96**2 / 9)
    assert found.bins[0].low == pytest.approx(low, abs=1e-4)  # Wilson's of ten anchors, one of which the spread takes


def test_weights_count_as_repetitions():
    rng = np.random.default_rng(0)
    said, truth, times = rng.random(200).round(1), (rng.random(200) < 0.3) * 1.0, rng.integers(1, 4, 200)
    weighted = reliability(said, truth, times.astype(float), np.arange(200))
    repeated = reliability(
        *(np.repeat(one, times) for one in (said, truth)), np.ones(times.sum()), np.arange(times.sum())
    )
    for name in ("said", "found", "brier", "log_loss"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))


def test_what_nobody_said_is_counted_and_left_out():
    said = np.array([np.nan, 0.5, np.nan])
    found = reliability(said, np.array([1.0, 1.0, 0.0]), np.ones(3), np.arange(3))
    assert (found.pairs, found.unsaid, found.found) == (1, 2, 1.0)
    assert reliability(np.full(3, np.nan), np.zeros(3), np.ones(3), np.arange(3)) is None


def test_pairs_of_one_anchor_widen_the_intervals():
    rng = np.random.default_rng(1)
    of = np.repeat(np.arange(40), 10)
    truth = np.repeat(rng.random(40) < 0.3, 10) * 1.0  # all pairs of an anchor alike
    said = np.full(400, 0.3)
    clustered = reliability(said, truth, np.ones(400), of).bins[0]
    alone = reliability(said, truth, np.ones(400), np.arange(400)).bins[0]
    assert clustered.high - clustered.low > 2.5 * (alone.high - alone.low)
    assert clustered.low < clustered.found < clustered.high


def test_intervals_cover_the_rate_of_clustered_pairs():
    rng, hit = np.random.default_rng(2), 0
    for _ in range(300):
        of = np.repeat(np.arange(60), 4)
        rates = np.repeat(rng.beta(0.6, 1.4, 60), 4)  # 0.3 on average, correlated within an anchor
        one = reliability(np.full(240, 0.3), (rng.random(240) < rates) * 1.0, np.ones(240), of).bins[0]
        hit += one.low <= 0.3 <= one.high
    assert hit / 300 > 0.92


def test_equal_probabilities_are_in_one_bin_and_no_bin_is_tiny():
    rng = np.random.default_rng(3)
    said = np.round(rng.random(300) ** 3, 1)
    found = reliability(said, (rng.random(300) < said) * 1.0, np.ones(300), np.arange(300))
    assert sum(one.pairs for one in found.bins) == 300
    assert sum(one.share for one in found.bins) == pytest.approx(1)
    assert len(found.bins) <= 10
    assert len(reliability(said[:15], said[:15], np.ones(15), np.arange(15)).bins) == 1


def test_a_sure_mistake_costs_much_but_not_everything():
    found = reliability(np.array([0.0]), np.array([1.0]), np.ones(1), np.zeros(1, int))
    assert found.log_loss == pytest.approx(-math.log(1e-6))
