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
from foils.drawing import TICKETS, Exclusions, Urns
from foils.positives import Relation
from foils.sources import Popularity, Uniform, draws
from foils.sources.draws import uniform_distinct, weighted_distinct

CONTRACT = Path(__file__).parents[1] / "contract"
laws = SimpleNamespace(**runpy.run_path(str(CONTRACT / "laws.py")))
problems = SimpleNamespace(**runpy.run_path(str(CONTRACT / "problems.py")))

KEY = Key(0, "test", 0)
MANY = 40_000


def excluding(items, rows=1):
    """Exclude the same items in every row."""
    return Relation(np.arange(rows + 1) * len(items), np.tile(np.array(sorted(items), np.int64), rows))


def draw(urns, excluded, k, units=None):
    """Draw for every row of what is excluded."""
    rows = np.arange(len(excluded.indptr) - 1)
    draws_of = uniform_distinct if urns.is_equal else weighted_distinct
    return draws_of(Exclusions.of(urns, 0 * rows, excluded), KEY, rows if units is None else units, rows, k)


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
    drawn, log_q = draw(Urns.allowed(allowed), excluded, k, units)
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
    urns = Urns.allowed(~np.isin(np.arange(14), [5, 9]))
    assert (12 - n_barred > draws.SMALL * 2) is (n_barred == 3)
    drawn, log_q = draw(urns, excluding(barred, MANY), 2)
    drawable = ~np.isin(np.arange(14), [5, 9, *barred])
    laws.assert_follows(drawn, laws.ordered_draws(drawable.astype(float), 2))
    laws.assert_unbiased(drawn, log_q, drawable)
    assert np.exp(log_q[0, 0]) == pytest.approx(2 / (12 - n_barred))


def test_uniform_serves_a_row_with_almost_everything_excluded():
    n = 10_000
    left = [17, 3333, 9998, 9999]
    drawn, log_q = draw(Urns.whole(n), excluding(set(range(n)) - set(left), 3), 6)
    for row in drawn.tolist():
        assert sorted(row[:4]) == left
        assert row[4:] == [-1, -1]
    assert not log_q.any()  # what must be drawn is drawn with probability 1


def test_uniform_favours_no_part_of_the_catalogue():
    """Taking the first of a set difference, which is sorted, gives the smallest ids instead."""
    rng = np.random.default_rng(0)
    pairs = np.concatenate([rng.choice(1000, 50, replace=False) for _ in range(1000)])
    excluded = Relation.from_pairs(np.repeat(np.arange(1000), 50), pairs, 1000)
    drawn, _ = draw(Urns.whole(1000), excluded, 50)
    share = np.bincount(drawn.ravel() // 100, minlength=10) / drawn.size
    assert np.abs(share - 0.1).max() < 0.006  # 4.5 standard errors
    faulty = [np.setdiff1d(np.arange(1000), excluded.take(np.array([row])).items)[:50] for row in range(1000)]
    assert np.concatenate(faulty).max() < 100


# --- weighted --------------------------------------------------------------------------------------------------------

WEIGHTS = np.array([3.0, 0.0, 2.0, 1.5, 1.0, 0.75, 1.25])
BARRED = {3}
PATHS = {"by turns": 0.0, "dense keys": np.inf}
every_path = pytest.mark.parametrize("path", PATHS)


def restricted(weights=WEIGHTS, barred=BARRED):
    left = weights.copy()
    left[list(barred)] = 0
    return left


def draw_weighted(path, k, monkeypatch, weights=WEIGHTS, barred=BARRED, units=MANY):
    monkeypatch.setattr(draws, "ENOUGH_WEIGHT", PATHS[path])
    return draw(Urns.weighted(weights), excluding(barred, units), k)


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
    drawn, log_q = draw(Urns.weighted(WEIGHTS), excluding(BARRED, 50), k)
    for row, law in zip(drawn.tolist(), log_q.tolist(), strict=True):
        assert sorted(row[:5]) == [0, 2, 4, 5, 6]
        assert row[5:] == [-1] * (k - 5)
        assert law[:5] == [0.0] * 5
        assert np.isnan(law[5:]).all()


def weighted_reference(key, unit, barred, weights, k):
    """Draw for one unit by plain lists: [(item, log_q)], and whether one after another."""
    if not any(weights):
        return [], False
    tickets = [max(1, round(w / np.sum(weights) * TICKETS)) if w else 0 for w in weights]
    free = [item for item, count in enumerate(tickets) if count and item not in barred]
    left = sum(tickets[item] for item in free)
    enough = left - sum(sorted(tickets)[-k:]) > draws.ENOUGH_WEIGHT * left
    if enough and left >= draws.ENOUGH_TICKETS:
        noise, drawn = iter(_array.counter_uniform(key, np.int64(unit), np.arange(3000)).tolist()), {}
        while len(drawn) < k:
            ticket = int(next(noise) * left)
            drawn[next(item for n, item in enumerate(free) if sum(tickets[i] for i in free[: n + 1]) > ticket)] = True
        stage = key._replace(stage=key.stage + ".race")
        noise = _array.counter_uniform(stage, np.int64(unit), np.arange(k + 1)).tolist()
        time, drawn = 0.0, list(drawn)
        for number in range(k + 1):
            time -= np.log(noise[number]) / (left - sum(tickets[item] for item in drawn[:number]))
        return [(item, np.log(-np.expm1(-tickets[item] * time))) for item in drawn], True
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
        drawn, log_q = draw(Urns.weighted(weights), excluded, k, units)
        for unit, items, found, law in zip(units, barred, drawn.tolist(), log_q.tolist(), strict=True):
            expected, by_turns = weighted_reference(KEY, unit, items, weights.tolist(), k)
            assert found == [item for item, _ in expected] + [-1] * (k - len(expected))
            assert law[: len(expected)] == pytest.approx([chance for _, chance in expected], rel=1e-5, abs=1e-12)
            assert np.isnan(law[len(expected) :]).all()
            ways.add(by_turns)

    check()
    assert ways == {True, False}


def test_weighted_without_weight_gives_nothing():
    for weights, barred in ((np.zeros(5), set()), (np.array([0, 0, 2.0]), {2})):
        drawn, log_q = draw(Urns.weighted(weights), excluding(barred, 3), 2)
        assert (drawn == -1).all()
        assert np.isnan(log_q).all() or not weights.any()


def test_weights_of_any_size_are_drawn_from():
    weights = np.array([1e-280, 1.0, 1e-3, 1e250, 0.0, 1e249])
    drawn, log_q = draw(Urns.weighted(weights), excluding({3}, 200), 3)
    assert (drawn == [5, 1, 2]).mean() > 0.99
    assert (log_q <= 0).all()
    assert (log_q[:, 0] == 0).all()


def test_blocks_of_dense_keys_do_not_matter(monkeypatch):
    once = draw(Urns.weighted(WEIGHTS), excluding(BARRED, 9), 4)
    monkeypatch.setattr(draws, "DENSE_CELLS", 2 * len(WEIGHTS))
    again = draw(Urns.weighted(WEIGHTS), excluding(BARRED, 9), 4)
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first, second)


# --- the sources that use them ---------------------------------------------------------------------------------------


def test_popularity_counts_given_positives_to_the_power():
    inputs = problems.inputs()
    rows, items = inputs.positives.given().relation.coordinates()
    counts = [len({row for row, item in zip(rows, items, strict=True) if item == j}) for j in range(problems.N_ITEMS)]
    for alpha in (0.0, 0.75, 2.0):
        urns = Popularity(alpha=alpha).open(inputs).drawer.urns
        expected = np.where(inputs.mineable, np.array(counts, float) ** alpha, 0)
        assert urns.items.tolist() == np.flatnonzero(expected).tolist()
        np.testing.assert_allclose(urns.tickets / urns.edges[-1], expected[urns.items] / expected.sum())
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
