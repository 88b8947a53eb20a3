"""The draw: exact chances, fixed size, spread, nested."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from foils._array import Key
from foils.estimating.allocation import inclusion_probabilities, relative_weights
from foils.estimating.pivotal import nested_order, pivotal, shuffled

DRAWS = 2000


def key(number: int) -> Key:
    return Key(number, "test", 0)


def chance_counts(pi: np.ndarray) -> np.ndarray:
    return sum((np.bincount(pivotal(pi, key(draw)), minlength=len(pi)) for draw in range(DRAWS)), np.zeros(len(pi)))


@pytest.mark.parametrize(
    "pi",
    [
        [0.5, 0.5],
        [0.3, 0.9, 0.8, 0.7, 0.3],  # borders within units
        [0.25, 0.25, 0.5, 1.0, 0.6, 0.4],  # borders at ends, a certain unit
        [0.999, 0.002, 0.999],
        [0.1] * 30,
        [0.37, 0.41, 0.92, 0.15, 0.15, 0.63, 0.37],
    ],
)
def test_each_unit_is_drawn_with_its_chance(pi):
    pi = np.array(pi)
    counts = chance_counts(pi)
    error = np.sqrt(np.maximum(DRAWS * pi * (1 - pi), 0.3))
    assert np.abs((counts - DRAWS * pi) / error).max() < 4.2


def test_marginals_of_random_chances_pass_a_chi_square_test():
    rng = np.random.default_rng(1)
    pi = inclusion_probabilities(rng.gamma(1.0, size=60), 20)
    counts = chance_counts(pi)
    open_ = pi < 1
    assert (counts[~open_] == DRAWS).all()
    z = (counts - DRAWS * pi)[open_] / np.sqrt(DRAWS * pi * (1 - pi))[open_]
    # A fixed size takes away from the variance: the mean of z² is at most 1, up to its own error.
    assert (z**2).mean() < 1 + 4 * np.sqrt(2 / len(z))
    assert abs(z.mean()) < 0.5


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=40), st.integers(1, 40), st.integers(0, 5))
def test_size_is_fixed_and_units_are_distinct(weights, n, seed):
    n = min(n, len(weights))
    pi = inclusion_probabilities(np.array(weights), n)
    assert pi.sum() == pytest.approx(n)
    assert ((pi > 0) & (pi <= 1)).all()
    drawn = pivotal(pi, key(seed))
    assert len(drawn) == n == len(np.unique(drawn))


def test_inclusion_probabilities_are_proportional_below_one():
    pi = inclusion_probabilities(np.array([1.0, 2.0, 3.0, 100.0]), 2)
    assert pi.tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6, 1.0])


def test_neighbours_rarely_go_together():
    """Of every stretch with chances that sum to 1, one unit more or less is drawn."""
    pi = np.full(100, 0.2)
    for draw in range(50):
        reached = np.cumsum(np.bincount(pivotal(pi, key(draw)), minlength=100)) - np.cumsum(pi)
        assert np.abs(reached).max() <= 1 + 1e-9


def naive_ordered_pivotal(pi: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Duel in order, as Deville and Tillé (1998) tell it."""
    p, holder = pi.copy(), 0
    for rival in range(1, len(p)):
        i, j, total = holder, rival, p[holder] + p[rival]
        if total <= 1:
            winner, loser = (j, i) if rng.random() * total < p[j] else (i, j)
            p[winner], p[loser], holder = total, 0.0, winner
        else:
            winner, loser = (i, j) if rng.random() * (2 - total) < 1 - p[j] else (j, i)
            p[winner], p[loser], holder = 1.0, total - 1, loser
    return np.flatnonzero(p > 0.5)


def test_pairs_are_drawn_as_by_duels():
    """The law is that of ordered pivotal sampling: chances of two units together agree, not only of one."""
    pi = np.array([0.3, 0.6, 0.4, 0.5, 0.7, 0.5])
    rng = np.random.default_rng(3)
    together, naive = np.zeros((6, 6)), np.zeros((6, 6))
    for draw in range(2500):
        drawn, duelled = pivotal(pi, key(draw)), naive_ordered_pivotal(pi, rng)
        together[np.ix_(drawn, drawn)] += 1 / 2500
        naive[np.ix_(duelled, duelled)] += 1 / 2500
    assert np.abs(together - naive).max() < 4.5 * np.sqrt(0.5 / 2500)


def test_prefixes_are_equal_chance_draws():
    n, draws = 11, 2000
    counts = np.zeros((n, n))  # counts[m, i]: how often i is among the first m + 1
    for draw in range(draws):
        order = nested_order(np.arange(n), key(draw))
        assert sorted(order) == list(range(n))
        for m in range(n):
            counts[m, order[: m + 1]] += 1
    expected = (np.arange(1, n + 1) / n)[:, None]
    z = (counts - draws * expected) / np.sqrt(np.maximum(draws * expected * (1 - expected), 1))
    assert np.abs(z).max() < 4.5


def test_halves_are_spread():
    """Of any run of neighbours the first half holds half, up to two."""
    for draw in range(30):
        half = np.sort(nested_order(np.arange(64), key(draw))[:32])
        held = np.cumsum(np.bincount(half, minlength=64)) - np.arange(1, 65) / 2
        assert np.abs(held).max() <= 2


def test_shuffled_is_a_permutation_that_depends_on_the_key_alone():
    places = np.arange(50)
    once, again, other = shuffled(places, key(0)), shuffled(places, key(0)), shuffled(places, key(1))
    assert (once == again).all()
    assert (once != other).any()
    assert sorted(once) == list(range(50))


def test_a_scorer_that_looks_good_and_is_useless_costs_at_most_a_twentieth_of_the_width():
    for size in (300, 4000):
        strengths = ndtri((np.arange(size) + 0.5) / size)
        costs = [np.sqrt((1 / relative_weights(strengths, auc)).mean()) for auc in np.linspace(0.505, 1.0, 100)]
        assert 1.03 < max(costs) <= 1.043
        part = 1 / 7  # of all pairs labelled: the finite population's correction makes the ratio larger
        assert (max(costs) ** 2 - part) / (1 - part) <= 1.05**2


def test_all_are_drawn_for_sure_whatever_the_weights():
    rng = np.random.default_rng(3)
    for size in range(2, 300):
        assert (inclusion_probabilities(rng.uniform(0.5, 2.5, size), size) == 1).all()


def test_a_useless_scorer_gives_equal_weights_and_a_good_one_bounded_ones():
    strengths = ndtri((np.arange(1001) + 0.5) / 1001)
    assert (relative_weights(strengths, 0.5) == 1).all()
    for auc in (0.6, 0.8, 0.9, 0.95, 1.0):
        weights = relative_weights(strengths, auc)
        assert weights.mean() == pytest.approx(1)
        assert (np.diff(weights) >= 0).all()
    assert relative_weights(np.array([np.nan, 0.0, 1.0, np.nan]), 0.9)[[0, 3]].tolist() == [1, 1]
