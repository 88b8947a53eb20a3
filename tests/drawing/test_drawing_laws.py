"""The laws of draws, by χ² with fixed seeds; rows with nearly everything excluded; row and item numbers up to 2³¹."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from foils._array import Key
from foils.drawing import Exclusions, Urns, contains, independent, sides, with_replacement
from foils.positives import Relation

laws = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "laws.py")))

KEY = Key(3, "test", 1)
ERROR_RATE = 1e-4
N = 200
WEIGHTS = (1.0 + np.arange(N) % 17) ** 0.75


@pytest.fixture(params=["numba", "numpy"])
def body(request, monkeypatch):
    """Compute by either body."""
    if request.param == "numpy":
        monkeypatch.setattr("foils._compiled.is_available", lambda: False)
    return request.param


def rows_without(excluded, urns):
    return Exclusions.of(urns, np.zeros(len(excluded), np.int64), Relation(
        np.cumsum([0, *map(len, excluded)]), np.concatenate([np.sort(items) for items in excluded])))  # fmt: skip


def draw(exclusions, row, count, m=8):
    """Draw m each for many examples of one row."""
    rows = np.full((count, 1), row)
    return independent(exclusions, KEY, np.arange(count), rows, np.zeros((count, m), np.int8), np.zeros((count, 1)))


def test_the_law_is_that_of_the_tickets(body):
    rng = np.random.default_rng(0)
    for urns, weights in ((Urns.whole(N), np.ones(N)), (Urns.weighted(WEIGHTS), WEIGHTS)):
        excluded = [rng.choice(N, 40, replace=False), rng.choice(N, 198, replace=False)]  # 20 % and 99 %
        exclusions = rows_without(excluded, urns)
        for row, out in enumerate(excluded):
            left = weights.copy()
            left[out] = 0
            items, log_q = draw(exclusions, row, 12_500)
            counts = np.bincount(items.ravel(), minlength=N)
            assert not counts[out].any()
            expected = left / left.sum() * items.size
            chosen = expected > 0
            assert stats.chisquare(counts[chosen], expected[chosen]).pvalue > ERROR_RATE
            np.testing.assert_allclose(log_q, np.log(left[items] / left.sum()), rtol=1e-5)


def test_draws_of_a_row_and_of_neighbours_do_not_depend_on_each_other(body):
    """Pairs of draws, within an example and between examples, are spread evenly over all pairs of items."""
    items, _ = draw(rows_without([np.array([2, 3])], Urns.whole(12)), 0, 20_000, m=2)
    for first, second in ((items[:, 0], items[:, 1]), (items[:-1, 0], items[1:, 0])):
        pairs = np.bincount(12 * first + second, minlength=144).reshape(12, 12)
        assert stats.chisquare(np.delete(np.delete(pairs, (2, 3), 0), (2, 3), 1).ravel()).pvalue > ERROR_RATE


def test_sides_follow_their_share(body):
    chosen = sides(KEY, np.arange(4_000), np.repeat([0.1, 0.5, 0.99, 0.0], 1_000), 50)
    for share, part in zip((0.1, 0.5, 0.99, 0.0), np.split(chosen, 4), strict=True):
        assert abs((part == 0).mean() - share) <= 5 * np.sqrt(share * (1 - share) / part.size)


def test_rows_and_items_may_number_two_to_the_31(body):
    """Their product, and an array of all items, would not fit; the few that are excluded do."""
    n, span = 2**31, 5
    excluded = [np.array([0, 1, 2**30, n - 2, n - 1]), np.arange(n - 100_000, n), np.zeros(0, np.int64)]
    exclusions = rows_without(excluded, Urns.whole(n))
    units = (np.int64(n - 1) << 32) + n - 1 - np.arange(3_000)
    rows = np.arange(3_000)[:, None] % 3
    items, log_q = independent(exclusions, KEY, units, rows, np.zeros((3_000, 40), np.int8), np.zeros((3_000, 1)))
    for row, out in enumerate(excluded):
        found = items[rows[:, 0] == row].ravel()
        assert not np.isin(found, out).any()
        assert 0 <= found.min() < n // 1_000
        assert n - n // 1_000 - 100_000 < found.max() < n
        assert (
            stats.chisquare(np.bincount(found * span // (n - len(out) * (row == 1)), minlength=span)).pvalue
            > ERROR_RATE
        )
    np.testing.assert_allclose(log_q[0], -np.log(n - 5), rtol=1e-6)


def test_a_row_with_all_but_a_few_of_two_to_the_20_excluded(body):
    n, left = 1 << 20, np.array([0, 77, 500_000, (1 << 20) - 1])
    exclusions = rows_without([np.setdiff1d(np.arange(n), left)], Urns.whole(n))
    items, log_q = draw(exclusions, 0, 1_000)
    assert stats.chisquare(np.bincount(np.searchsorted(left, items.ravel()), minlength=4)).pvalue > ERROR_RATE
    assert set(items.ravel().tolist()) == set(left.tolist())
    np.testing.assert_allclose(log_q, -np.log(4), rtol=1e-6)


def test_threads_and_chunks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    exclusions = rows_without([rng.choice(N, 50, replace=False) for _ in range(30)], Urns.weighted(WEIGHTS))
    units, rows = np.arange(700), rng.integers(0, 30, (700, 2))
    shares, log_weights = rng.random(700), rng.random((700, 2))

    def whole():
        chosen = sides(KEY, units, shares, 9)
        return chosen, *independent(exclusions, KEY, units, rows, chosen, log_weights)

    first = whole()
    for chunk in (9, 1_000):
        for cores in (1, 2, 5):
            monkeypatch.setattr(with_replacement, "CHUNK", chunk)
            monkeypatch.setattr(with_replacement, "_cores", lambda cores=cores: cores)
            for one, other in zip(first, whole(), strict=True):
                np.testing.assert_array_equal(one, other)


def test_an_error_on_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(with_replacement, "CHUNK", 1)
    monkeypatch.setattr(with_replacement, "_cores", lambda: 2)

    def fail(part):
        raise ZeroDivisionError(part)

    with pytest.raises(ZeroDivisionError):
        with_replacement._in_chunks(fail, 5, 1)


def test_known_pairs_are_found(body):
    known = Relation(np.array([0, 2, 2, 5]), np.array([1, 4, 0, 2, 3]))
    assert contains(known, np.array([0, 0, 1, 2, 2]), np.array([4, 0, 1, 3, 4])).tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_tickets_stand_for_weights():
    urns = Urns.weighted(np.array([0, 3.0, 0, 1.0, 1e-30]))
    assert urns.items.tolist() == [1, 3, 4]
    np.testing.assert_allclose(urns.tickets[:2] / urns.edges[-1], [0.75, 0.25])
    assert urns.tickets[2] == 1  # what may be drawn can be drawn


def test_what_a_row_must_not_get_can_be_read_back():
    rng = np.random.default_rng(4)
    excluded = [np.sort(rng.choice(N, size, replace=False)) for size in (0, 1, 30, N)]
    for urns in (Urns.whole(N), Urns.weighted(WEIGHTS), Urns.allowed(np.arange(N) % 3 > 0)):
        rows = np.array([3, 1, 2, 0, 2])
        found = rows_without(excluded, urns).places(rows)
        for number, row in enumerate(rows):
            places = found.items[found.indptr[number] : found.indptr[number + 1]]
            held = np.arange(N) if not len(urns.items) else urns.items
            assert urns.items_at(places).tolist() == [item for item in excluded[row].tolist() if item in set(held)]
