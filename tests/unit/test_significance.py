"""The randomisation test against enumeration, intervals by simulated coverage, what must not matter."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import DataError, InputError
from foils.evaluating import significance
from foils.evaluating.significance import (
    Interval,
    PairedDifference,
    bootstrap_hierarchical,
    bootstrap_mean,
    bootstrap_ratio,
    paired_difference,
)

tenths = st.integers(-10, 10).map(lambda number: number / 10)  # many equal sums, inexact in binary
differences = st.lists(tenths, min_size=2, max_size=9).map(np.array)


def p_value_of(a, b, **options):
    """Compare two systems, and give the p-value alone."""
    return paired_difference(a, b, **options).p_value


@given(differences)
@settings(max_examples=100, deadline=None)
def test_randomisation_test_equals_enumeration(d):
    whole = np.rint(d * 10).astype(int)
    sums = [abs(np.dot(signs, whole)) for signs in itertools.product([-1, 1], repeat=len(d))]
    want = np.mean([value >= abs(whole.sum()) for value in sums])
    assert p_value_of(d + 0.3, np.full(len(d), 0.3)) == want


@given(differences, st.sampled_from([16, 1024]), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_the_test_is_symmetric_and_ignores_scale_and_queries_without_difference(d, rounds, shuffler):
    zero = np.zeros(len(d))
    p = p_value_of(d, zero, rounds=rounds)
    assert p_value_of(zero, d, rounds=rounds) == p
    assert p_value_of(d * 4, zero, rounds=rounds) == p
    padded = np.concatenate([[0.7, 0.7], d])
    assert p_value_of(padded, padded - np.concatenate([[0, 0], d]), rounds=1024) == pytest.approx(
        p_value_of(d, zero, rounds=1024)
    )
    shuffled = np.array(shuffler.sample(d.tolist(), len(d)))
    assert p_value_of(shuffled, zero, rounds=1024) == p_value_of(d, zero, rounds=1024)


def test_drawn_patterns_approach_the_enumerated_p_value():
    d = np.random.default_rng(3).normal(0.3, 1, 14)
    exact = p_value_of(d, 0 * d, rounds=2**14)
    drawn = p_value_of(d, 0 * d, rounds=2**14 - 1)
    assert exact != drawn
    assert abs(exact - drawn) < 4 * np.sqrt(exact * (1 - exact) / 2**14)


def test_p_value_is_never_zero_and_one_without_any_difference():
    a = np.arange(1000) / 1000
    assert p_value_of(a + 1, a, rounds=99) == 1 / 100
    assert p_value_of(a, a, rounds=99) == 1.0
    assert p_value_of(np.array([1.0, 2.0]), np.zeros(2)) == 2 / 4


def test_p_values_are_uniform_where_the_systems_are_the_same():
    # 400 problems; Kolmogorov-Smirnov at level 0.001: the gap to the diagonal stays below 1.95 / sqrt(400)
    rng = np.random.default_rng(0)
    p = np.sort(
        [p_value_of(rng.gamma(1, size=40), rng.gamma(1, size=40), rounds=499, seed=round_) for round_ in range(400)]
    )
    assert np.abs(p - np.arange(1, 401) / 400).max() < 1.95 / 20


def test_queries_without_difference_leave_the_enumeration_exact():
    d = np.zeros(1000)
    d[[3, 50, 700]] = 0.1, 0.2, 0.4
    assert p_value_of(d, 0 * d, rounds=8) == 2 / 8


def test_a_real_difference_is_found():
    rng = np.random.default_rng(0)
    query = rng.random(300)
    assert p_value_of(query + rng.normal(0.02, 0.05, 300), query) < 0.001


@pytest.mark.parametrize(("queries", "expected"), [(50, 0.935), (300, 0.95)])
def test_bootstrap_mean_covers_the_truth(queries, expected):
    # 500 trials: standard error 0.01; percentile intervals are a little narrow at 50 queries
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(500):
        interval = bootstrap_mean(rng.exponential(size=queries), rounds=400, seed=trial)
        hits += interval.low <= 1 <= interval.high
    assert hits / 500 == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    ("seed_spread", "interaction", "least", "most"),
    [
        (0.0, 0.0, 0.92, 0.98),  # queries alone
        (0.005, 0.15, 0.92, 0.99),  # as in practice
        (0.0, 3.0, 0.98, 1.0),  # interaction alone: too wide, as documented
        (0.3, 0.0, 0.70, 0.90),  # three seeds differ more than anything else: too narrow, as documented
    ],
)
def test_bootstrap_over_seeds_and_queries_covers_as_documented(seed_spread, interaction, least, most):
    rng = np.random.default_rng(0)
    trials, seeds, queries, hits = 400, 3, 200, 0
    for trial in range(trials):
        values = rng.normal(0, seed_spread, (seeds, 1)) + rng.normal(0, 0.3, (1, queries))
        values = values + rng.normal(0, interaction, (seeds, queries))
        interval = bootstrap_hierarchical(values, rounds=300, seed=trial)
        hits += interval.low <= 0 <= interval.high
    assert least <= hits / trials <= most


def test_the_seeds_are_drawn_and_the_same_queries_in_each():
    queries = np.random.default_rng(0).normal(0, 1, 50)
    same = bootstrap_hierarchical(np.tile(queries, (4, 1)), rounds=4000)
    one = bootstrap_mean(queries, rounds=4000)
    width = one.high - one.low
    assert same.high - same.low == pytest.approx(width, rel=0.1)  # drawn per seed, it would be half as wide
    apart = bootstrap_hierarchical(np.array([[0.0], [0.0], [3.0]]) + np.zeros(50), rounds=4000)
    assert (apart.low, apart.high) == (0.0, 3.0)  # P(all three draws are the third seed) = 1/27 > 2.5 %


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20).map(np.array), st.integers(0, 100))
@settings(max_examples=50, deadline=None)
def test_intervals_hold_the_estimate_and_move_with_the_values(values, seed):
    plain = bootstrap_mean(values, rounds=200, seed=seed)
    negated = bootstrap_mean(-values, rounds=200, seed=seed)
    moved = bootstrap_mean(2 * values + 5, rounds=200, seed=seed)
    assert plain.estimate == pytest.approx(values.mean())
    assert values.min() - 1e-12 <= plain.low <= plain.high <= values.max() + 1e-12
    assert (negated.low, negated.high) == pytest.approx((-plain.high, -plain.low), abs=1e-12)
    assert (moved.low, moved.high) == pytest.approx((2 * plain.low + 5, 2 * plain.high + 5), abs=1e-12)
    assert bootstrap_mean(values, rounds=200, seed=seed) == plain


def test_a_higher_level_is_wider_and_another_seed_differs():
    values = np.random.default_rng(0).random(100)
    narrow, wide = bootstrap_mean(values, level=0.8), bootstrap_mean(values, level=0.99)
    assert wide.low < narrow.low < narrow.estimate < narrow.high < wide.high
    assert bootstrap_mean(values, seed=1) != bootstrap_mean(values, seed=2)


def test_the_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    paired_difference(np.random.default_rng(0).random((2, 30)), np.zeros((2, 30)), rounds=50)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_memory_stays_bounded():
    a, b = np.random.default_rng(0).random((2, 20_000))
    tracemalloc.start()
    paired_difference(a, b, rounds=500)  # 10 million drawn cells, 80 MB if held at once
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


def test_paired_difference_joins_the_interval_and_the_test():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 60))
    a[:, 7] = b[:, 7] = np.nan
    kept = np.delete(a - b, 7, axis=1)
    got = paired_difference(a, b, rounds=500, seed=4)
    assert got.interval == bootstrap_hierarchical(kept, rounds=500, seed=4)
    assert got.p_value == p_value_of(kept.mean(axis=0), np.zeros(59), rounds=500, seed=4)  # of these very seeds
    assert (got.queries, got.seeds) == (59, 3)
    one = paired_difference(a[0], b[0], rounds=500, seed=4)
    assert one.interval == bootstrap_mean(kept[0], rounds=500, seed=4)
    assert (one.queries, one.seeds) == (59, 1)


def test_intervals_are_written_with_signs_or_as_asked():
    interval = Interval(0.0123, -0.003, 0.027)
    assert str(interval) == f"{interval}" == "+0.012 [−0.003, +0.027]"
    assert f"{interval:.1%}" == "1.2% [−0.3%, 2.7%]"
    assert str(PairedDifference(interval, 0.0412, 59, 3)) == "+0.012 [−0.003, +0.027], p = 0.041 (59 queries, seeds: 3)"


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_enumeration_does_not_depend_on_chunks(monkeypatch, chunk):
    d = np.random.default_rng(0).normal(0.2, 1, 8)
    want = p_value_of(d, 0 * d)
    monkeypatch.setattr(significance, "_CELLS_PER_CHUNK", chunk)
    assert p_value_of(d, 0 * d) == want


nan, inf = np.nan, np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_difference(np.ones(3), np.ones(4)), r"got shapes \(3,\) and \(4,\)"),
        (lambda: paired_difference(np.ones(1), np.ones(1)), "got 1 judged queries of 1; expected at least 2"),
        (lambda: paired_difference(np.ones((0, 5)), np.ones((0, 5))), r"got shapes \(0, 5\)"),
        (lambda: paired_difference(np.ones((1, 1, 5)), np.ones((1, 1, 5))), r"got shapes \(1, 1, 5\)"),
        (
            lambda: paired_difference(np.array([1, nan, 1, 2]), np.ones(4)),
            "query 1 is nan in row 0 of 2; .* qrels",
        ),
        (lambda: paired_difference(np.ones(3), np.array([1, 1, -inf])), "query 2 is -inf in row 1"),
        (lambda: bootstrap_mean(np.array([nan, 1, nan])), "got 1 judged queries of 3"),
        (lambda: bootstrap_mean(np.ones((2, 3))), r"values: got shape \(2, 3\)"),
        (lambda: bootstrap_hierarchical(np.ones(3)), r"differences: got shape \(3,\)"),
        (lambda: bootstrap_hierarchical(np.ones((1, 3))), "got 1 seed.*use bootstrap_mean"),
        (lambda: bootstrap_hierarchical(np.array([[nan, 1, 1], [1, 1, 1]])), "query 0 is nan"),
    ],
)
def test_faulty_values_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call()


@pytest.mark.parametrize("options", [{"level": 0.0}, {"level": 95}, {"rounds": 0}])
def test_level_and_rounds_out_of_range_are_refused(options):
    name = next(iter(options))
    with pytest.raises(InputError, match=f"{name}="):
        paired_difference(np.ones(3), np.zeros(3), **options)


def test_ratio_is_the_mean_where_all_denominators_are_one() -> None:
    values = np.random.default_rng(5).normal(size=(3, 40))
    mean = bootstrap_hierarchical(values, rounds=500)
    ratio = bootstrap_ratio(values, np.ones_like(values), rounds=500)
    assert (ratio.estimate, ratio.low, ratio.high) == pytest.approx((mean.estimate, mean.low, mean.high))


def test_ratio_weighs_queries_by_their_denominator() -> None:
    hits, negatives = np.array([[1.0, 0.0, 3.0]]), np.array([[1.0, 9.0, 10.0]])
    assert bootstrap_ratio(hits, negatives, rounds=10).estimate == pytest.approx(4 / 20)


def test_ratio_interval_is_wider_where_hits_share_queries() -> None:
    clustered = np.repeat([[0.0, 8.0]], 50, axis=0).reshape(1, -1)
    spread = np.full((1, 100), 4.0)
    sizes = np.full((1, 100), 8.0)
    wide, narrow = bootstrap_ratio(clustered, sizes, rounds=500), bootstrap_ratio(spread, sizes, rounds=500)
    assert wide.high - wide.low > 0.1
    assert narrow.high - narrow.low == 0


@pytest.mark.parametrize(
    ("hits", "sizes"),
    [([[1.0]], [[1.0, 2.0]]), ([[np.nan, 1.0]], [[1.0, 2.0]]), ([[0.0, 0.0]], [[0.0, 0.0]])],
)
def test_ratio_refuses_what_has_none(hits: list[list[float]], sizes: list[list[float]]) -> None:
    with pytest.raises(DataError):
        bootstrap_ratio(np.array(hits), np.array(sizes))
