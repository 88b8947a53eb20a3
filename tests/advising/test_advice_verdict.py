"""The rules of the verdict, on differences that are made up."""

import numpy as np
import pytest

from foils.advising.result import Arm
from foils.advising.settings import NAIVE, POSITIVE_AWARE, REFERENCE, UNIFORM
from foils.advising.verdict import compare, recommend

ORDER = REFERENCE, UNIFORM, NAIVE, POSITIVE_AWARE
SEEDS, QUERIES = 3, 60


def values(gains, *, noise=0.01):
    """nDCG of each arm: half, plus the gain, plus noise of its own by query."""
    rng = np.random.default_rng(0)
    return {
        name: 0.5 + gain + noise * rng.standard_normal((SEEDS, QUERIES))
        for name, gain in zip(ORDER, gains, strict=True)
    }


def told(gains, *, noise=0.01, smallest_effect=0.01):
    found = values(gains, noise=noise)
    arms = [
        Arm(
            name,
            float(own.mean()),
            None if name == REFERENCE else compare(own, found[REFERENCE]),
            None if name in (REFERENCE, UNIFORM) else compare(own, found[UNIFORM]),
            4.0,
            0.0,
            0.0,
        )
        for name, own in found.items()
    ]
    return recommend(arms, found, smallest_effect)


@pytest.mark.parametrize(
    ("gains", "verdict", "recipe"),
    [
        ((0, 0, 0, 0), "does not pay", None),
        ((0, -0.1, -0.1, -0.1), "does not pay", None),
        ((0, 0.005, 0.005, 0.005), "does not pay", None),  # shown, and not worth the work
        ((0, 0.05, 0, 0), "pays", UNIFORM),
        ((0, 0, 0.05, 0), "pays", NAIVE),
        ((0, 0, 0, 0.05), "pays", POSITIVE_AWARE),
        ((0, 0.03, 0, 0.05), "pays", POSITIVE_AWARE),
        ((0, 0.05, 0.05, 0.05), "pays", UNIFORM),  # equal: the cheapest
        ((0, 0, 0.05, 0.05), "pays", POSITIVE_AWARE),  # equal: the one that checks
        ((0, 0, 0.08, 0.05), "pays", NAIVE),  # shown to be better than the one that checks
        ((0, 0.005, 0.05, 0), "pays", NAIVE),
    ],
)
def test_the_verdict_follows_from_the_differences(gains, verdict, recipe):
    assert told(gains)[:2] == (verdict, recipe)


def test_noise_cannot_tell():
    verdict, recipe, sentences = told((0, 0, 0, 0), noise=0.5)
    assert (verdict, recipe) == ("cannot tell", None)
    assert "are not ruled out" in sentences[0]


def test_the_smallest_effect_decides_what_is_worth_it():
    gains = (0, 0.02, 0.02, 0.02)
    assert told(gains, smallest_effect=0.01)[0] == "pays"
    assert told(gains, smallest_effect=0.03)[0] == "does not pay"


def test_what_came_out_higher_without_being_shown_to_is_named():
    _, recipe, sentences = told((0, 0.05, 0.054, 0.05), noise=0.05)
    assert recipe == UNIFORM
    assert any("naive-top-k came out higher" in sentence for sentence in sentences)


def test_recommending_mined_negatives_says_whether_they_beat_uniform_ones():
    assert "It is shown to beat uniform negatives" in told((0, 0, 0, 0.05))[2][-1]


def test_intervals_are_wide_enough_for_all_pairs_of_arms():
    found = values((0, 0, 0, 0))
    whole = compare(found[UNIFORM], found[REFERENCE]).interval
    rng = np.random.default_rng(1)
    difference = found[UNIFORM] - found[REFERENCE]
    drawn = [
        difference[rng.integers(SEEDS, size=SEEDS)][:, rng.integers(QUERIES, size=QUERIES)].mean() for _ in range(4000)
    ]
    low, high = np.quantile(drawn, [0.05 / 12, 1 - 0.05 / 12])  # six pairs, two sides
    assert whole.low == pytest.approx(low, abs=5e-4)
    assert whole.high == pytest.approx(high, abs=5e-4)
