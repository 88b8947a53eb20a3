"""Draws without replacement: equal to plain references, and of the exact law by enumeration."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import _array
from foils._array import Key
from foils.positives import Relation
from foils.sources import Popularity, Uniform, draws
from foils.sources.draws import AliasTable, Pool, uniform_distinct, weighted_distinct

CONTRACT = Path(__file__).parents[1] / "contract"
laws = SimpleNamespace(**runpy.run_path(str(CONTRACT / "laws.py")))
problems = SimpleNamespace(**runpy.run_path(str(CONTRACT / "problems.py")))

KEY = Key(0, "test", 0)
MANY = 40_000


def excluding(items, rows=1):
    """Exclude the same items in every row."""
    return Relation(np.arange(rows + 1) * len(items), np.tile(np.array(sorted(items), np.int64), rows))


def pool_of(n):
    return Pool.of(np.ones(n, bool))


# --- uniform ---------------------------------------------------------------------------------------------------------


def uniform_reference(key, unit, barred, pool, k):
    """Draw for one unit by plain lists."""
    free = [item for item in pool if item not in barred]
    noise = _array.counter_uniform(key, np.int64(unit), np.arange(2000)).tolist()
    if len(free) <= draws.SMALL * k:
        return [free[rank] for rank in sorted(range(len(free)), key=lambda rank: -noise[rank])[:k]]
    drawn = dict.fromkeys(free[int(number * len(free))] for number in noise)
    return list(drawn)[:k]


@st.composite
def uniform_problems(draw):
    n = draw(st.integers(0, 60))
    allowed = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    rows = [draw(st.sets(st.integers(0, n - 1))) if n else set() for _ in range(draw(st.integers(0, 4)))]
    return allowed, rows, draw(st.integers(1, 12))


@settings(max_examples=100, deadline=None)
@given(uniform_problems())
def test_uniform_equals_the_plain_reference(problem):
    allowed, barred, k = problem
    pairs = np.array([(row, item) for row, items in enumerate(barred) for item in items], np.int64).reshape(-1, 2)
    excluded = Relation.from_pairs(pairs[:, 0], pairs[:, 1], len(barred))
    units = 5 * np.arange(len(barred), dtype=np.int64)
    drawn, log_q = uniform_distinct(KEY, units, excluded, Pool.of(allowed), k)
    pool = np.flatnonzero(allowed).tolist()
    assert drawn.shape == log_q.shape == (len(barred), k)
    for unit, items, found, law in zip(units, barred, drawn.tolist(), log_q.tolist(), strict=True):
        expected = uniform_reference(KEY, unit, items, pool, k)
        assert found == expected + [-1] * (k - len(expected))
        free = len(set(pool) - items)
        if free:
            assert law == pytest.approx([np.log(min(1, k / free))] * k, abs=1e-6)


@pytest.mark.parametrize("n_barred", [3, 4])
def test_uniform_follows_the_law(n_barred):
    """With 9 items to draw from two draws are made by position, with 8 by a key for each."""
    barred = {1, 2, 7, 12} if n_barred == 4 else {1, 2, 12}
    pool = Pool.of(~np.isin(np.arange(14), [5, 9]))
    assert (12 - n_barred > draws.SMALL * 2) is (n_barred == 3)
    drawn, log_q = uniform_distinct(KEY, np.arange(MANY), excluding(barred, MANY), pool, 2)
    drawable = ~np.isin(np.arange(14), [5, 9, *barred])
    laws.assert_follows(drawn, laws.ordered_draws(drawable.astype(float), 2))
    laws.assert_unbiased(drawn, log_q, drawable)
    assert np.exp(log_q[0, 0]) == pytest.approx(2 / (12 - n_barred))


def test_uniform_serves_a_row_with_almost_everything_excluded():
    n = 10_000
    left = [17, 3333, 9998, 9999]
    drawn, log_q = uniform_distinct(KEY, np.arange(3), excluding(set(range(n)) - set(left), 3), pool_of(n), 6)
    for row in drawn.tolist():
        assert sorted(row[:4]) == left
        assert row[4:] == [-1, -1]
    assert not log_q.any()  # what must be drawn is drawn with probability 1


def test_uniform_favours_no_part_of_the_catalogue():
    """Taking the first of a set difference, which is sorted, gives the smallest ids instead."""
    rng = np.random.default_rng(0)
    pairs = np.concatenate([rng.choice(1000, 50, replace=False) for _ in range(1000)])
    excluded = Relation.from_pairs(np.repeat(np.arange(1000), 50), pairs, 1000)
    drawn, _ = uniform_distinct(KEY, np.arange(1000), excluded, pool_of(1000), 50)
    share = np.bincount(drawn.ravel() // 100, minlength=10) / drawn.size
    assert np.abs(share - 0.1).max() < 0.006  # 4.5 standard errors
    faulty = [np.setdiff1d(np.arange(1000), excluded.take(np.array([row])).items)[:50] for row in range(1000)]
    assert np.concatenate(faulty).max() < 100


# --- alias table -----------------------------------------------------------------------------------------------------


def masses(table):
    """Give the probability of each item that the cells of the table add up to."""
    own = np.bincount(table.items, weights=table.accept, minlength=len(table.weights))
    others = np.bincount(table.alias, weights=1 - table.accept, minlength=len(table.weights))
    return (own + others) / len(table.items)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.0, 1e-12, 0.3, 1.0, 1.0, 7.5, 1e6]) | st.floats(0, 1e3), min_size=1, max_size=200)
)
def test_the_cells_of_an_alias_table_add_up_to_the_weights(weights):
    weights = np.array(weights)
    if weights.sum() == 0:
        return
    table = AliasTable.build(weights)
    assert ((table.accept >= 0) & (table.accept <= 1)).all()
    np.testing.assert_allclose(masses(table), weights / weights.sum(), rtol=0, atol=1e-12)
    assert not masses(table)[weights == 0].any()


def test_a_large_alias_table_is_exact():
    weights = np.random.default_rng(0).zipf(1.3, 20_000).clip(0, 10**9).astype(np.float64) ** 0.75
    np.testing.assert_allclose(masses(AliasTable.build(weights)), weights / weights.sum(), rtol=0, atol=1e-12)


def test_an_alias_table_draws_by_weight():
    weights = np.array([0, 5, 1, 0, 0.5, 3, 0.5])
    drawn = AliasTable.build(weights).draw(KEY, np.arange(MANY)[:, None], np.arange(3)[None, :])
    laws.assert_follows(drawn.reshape(-1, 1), laws.ordered_draws(weights, 1))


# --- weighted --------------------------------------------------------------------------------------------------------

WEIGHTS = np.array([3.0, 0.0, 2.0, 1.5, 1.0, 0.75, 1.25])
BARRED = {3}
PATHS = {"rejection": 0.0, "dense keys": np.inf}
every_path = pytest.mark.parametrize("path", PATHS)


def restricted(weights=WEIGHTS, barred=BARRED):
    left = weights.copy()
    left[list(barred)] = 0
    return left


def draw_weighted(path, k, monkeypatch, weights=WEIGHTS, barred=BARRED, units=MANY):
    monkeypatch.setattr(draws, "ENOUGH_WEIGHT", PATHS[path])
    table = AliasTable.build(weights)
    return weighted_distinct(KEY, np.arange(units), excluding(barred, units), table, k)


@every_path
@pytest.mark.parametrize("k", [1, 2, 3])
def test_weighted_follows_the_law(path, k, monkeypatch):
    """K = 1: w restricted to what is not excluded; K > 1: one after another, as enumerated."""
    drawn, log_q = draw_weighted(path, k, monkeypatch)
    laws.assert_follows(drawn, laws.ordered_draws(restricted(), k))
    laws.assert_unbiased(drawn, log_q, restricted() > 0)
    chance = laws.inclusion(restricted(), k)
    share = np.bincount(drawn.ravel(), minlength=7) / MANY
    np.testing.assert_allclose(share, chance, atol=5 * 0.5 / np.sqrt(MANY))
    if k == 1:
        np.testing.assert_allclose(chance, restricted() / restricted().sum())


@every_path
def test_weighted_sums_are_estimated_without_bias(path, monkeypatch):
    drawn, log_q = draw_weighted(path, 3, monkeypatch)
    values = np.array([0.3, 9.9, -2.0, 9.9, 5.0, 0.1, 1.0])
    totals = laws.estimates(drawn, log_q, 7) @ values
    error = totals.std(ddof=1) / np.sqrt(MANY)
    assert abs(totals.mean() - values[restricted() > 0].sum()) < laws.STANDARD_ERRORS * error


@every_path
def test_equal_weights_give_equal_inclusion_whatever_the_id(path, monkeypatch):
    drawn, _ = draw_weighted(path, 4, monkeypatch, weights=np.ones(20), barred={0, 7, 19})
    share = np.bincount(drawn.ravel(), minlength=20)[restricted(np.ones(20), {0, 7, 19}) > 0] / MANY
    np.testing.assert_allclose(share, 4 / 17, atol=5 * np.sqrt(4 / 17 * 13 / 17 / MANY))


@pytest.mark.parametrize("k", [5, 6, 9])
def test_all_that_may_be_drawn_is_drawn_for_certain(k):
    drawn, log_q = weighted_distinct(KEY, np.arange(50), excluding(BARRED, 50), AliasTable.build(WEIGHTS), k)
    for row, law in zip(drawn.tolist(), log_q.tolist(), strict=True):
        assert sorted(row[:5]) == [0, 2, 4, 5, 6]
        assert row[5:] == [-1] * (k - 5)
        assert law[:5] == [0.0] * 5
        assert np.isnan(law[5:]).all()


def weighted_reference(key, unit, barred, weights, k):
    """Draw for one unit by plain lists: [(item, log_q)], and whether by rejection."""
    if not any(weights):
        return [], False
    left = sum(weights) - sum(weights[item] for item in barred)
    if left - sum(sorted(weights)[-k:]) >= draws.ENOUGH_WEIGHT * sum(weights):
        candidates = AliasTable.build(np.array(weights)).draw(key, np.int64(unit), np.arange(3000)).tolist()
        drawn = list(dict.fromkeys(item for item in candidates if item not in barred))[:k]
        stage = key._replace(stage=key.stage + ".race")
        noise = _array.counter_uniform(stage, np.int64(unit), np.arange(k + 1)).tolist()
        time = 0.0
        for number in range(k + 1):
            time -= np.log(noise[number]) / (left - sum(weights[item] for item in drawn[:number]))
        return [(item, np.log(-np.expm1(-weights[item] * time))) for item in drawn], True
    stage = key._replace(stage=key.stage + ".dense")
    noise = _array.gumbel(stage, np.int64(unit), np.arange(len(weights))).tolist()
    keys = {item: np.log(w) + noise[item] for item, w in enumerate(weights) if w > 0 and item not in barred}
    ranked = sorted(keys, key=lambda item: -keys[item])
    if len(ranked) <= k:
        return [(item, 0.0) for item in ranked], False
    threshold = keys[ranked[k]]
    return [(item, np.log(-np.expm1(-np.exp(np.log(weights[item]) - threshold)))) for item in ranked[:k]], False


@st.composite
def weighted_problems(draw):
    weights = draw(st.lists(st.sampled_from([0.0, 0.01, 1.0, 1.0, 2.0, 2.5, 100.0]), min_size=1, max_size=40))
    rows = [draw(st.sets(st.integers(0, len(weights) - 1))) for _ in range(draw(st.integers(0, 4)))]
    return np.array(weights), rows, draw(st.integers(1, 8))


def test_weighted_equals_the_plain_reference():
    ways = set()

    @settings(max_examples=100, deadline=None)
    @given(weighted_problems())
    def check(problem):
        weights, barred, k = problem
        pairs = np.array([(row, item) for row, items in enumerate(barred) for item in items], np.int64).reshape(-1, 2)
        excluded = Relation.from_pairs(pairs[:, 0], pairs[:, 1], len(barred))
        units = 5 * np.arange(len(barred), dtype=np.int64)
        drawn, log_q = weighted_distinct(KEY, units, excluded, AliasTable.build(weights), k)
        for unit, items, found, law in zip(units, barred, drawn.tolist(), log_q.tolist(), strict=True):
            expected, by_rejection = weighted_reference(KEY, unit, items, weights.tolist(), k)
            assert found == [item for item, _ in expected] + [-1] * (k - len(expected))
            assert law[: len(expected)] == pytest.approx([chance for _, chance in expected], rel=1e-5, abs=1e-12)
            assert np.isnan(law[len(expected) :]).all()
            ways.add(by_rejection)

    check()
    assert ways == {True, False}


def test_weighted_without_weight_gives_nothing():
    for weights, barred in ((np.zeros(5), set()), (np.array([0, 0, 2.0]), {2})):
        drawn, log_q = weighted_distinct(KEY, np.arange(3), excluding(barred, 3), AliasTable.build(weights), 2)
        assert (drawn == -1).all()
        assert np.isnan(log_q).all()


def test_weights_of_any_size_are_drawn_from():
    weights = np.array([1e-280, 1.0, 1e-3, 1e250, 0.0, 1e249])
    drawn, log_q = weighted_distinct(KEY, np.arange(200), excluding({3}, 200), AliasTable.build(weights), 3)
    assert (drawn == [5, 1, 2]).mean() > 0.99
    assert (log_q <= 0).all()
    assert (log_q[:, 0] == 0).all()


def test_blocks_of_dense_keys_do_not_matter(monkeypatch):
    once = weighted_distinct(KEY, np.arange(9), excluding(BARRED, 9), AliasTable.build(WEIGHTS), 4)
    monkeypatch.setattr(draws, "DENSE_CELLS", 2 * len(WEIGHTS))
    again = weighted_distinct(KEY, np.arange(9), excluding(BARRED, 9), AliasTable.build(WEIGHTS), 4)
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first, second)


# --- the sources that use them ---------------------------------------------------------------------------------------


def test_popularity_counts_given_positives_to_the_power():
    inputs = problems.inputs()
    rows, items = inputs.positives.given().relation.coordinates()
    counts = [len({row for row, item in zip(rows, items, strict=True) if item == j}) for j in range(problems.N_ITEMS)]
    for alpha in (0.0, 0.75, 2.0):
        weights = Popularity(alpha=alpha).open(inputs).table.weights
        expected = np.where(inputs.mineable, np.array(counts, float) ** alpha, 0)
        np.testing.assert_allclose(weights, expected)
    assert counts[problems.EMPTY[0]] > 0  # a positive, and still not drawn


def test_popularity_without_a_power_is_uniform():
    inputs = problems.inputs()
    units = inputs.positives.units().take(np.repeat(4, MANY))
    units = type(units)(units.anchors, np.arange(MANY), units.indptr, units.positives)
    drawn = Popularity(alpha=0.0, k=1).open(inputs).retrieve(units, 1).items
    drawable = inputs.mineable.copy()
    drawable[inputs.positives.row(units.anchors[0])] = False
    laws.assert_follows(drawn, laws.ordered_draws(drawable.astype(float), 1))


def test_units_of_one_anchor_get_draws_of_their_own():
    inputs = problems.inputs()
    units = inputs.positives.units("pair")
    anchor = np.argmax(np.bincount(units.anchors) * (np.arange(problems.N_ANCHORS) > problems.FULL))
    crowd = units.take(np.flatnonzero(units.anchors == anchor))
    assert len(crowd) > 3
    drawn = Uniform().open(inputs).retrieve(crowd, 10).items
    assert len(np.unique(drawn, axis=0)) == len(crowd)
