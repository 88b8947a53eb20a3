"""The kernels of both bodies against plain lists, and against each other: the same bits, whatever the blocks are."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import _array
from foils.drawing import Exclusions, Urns, kernels_numpy
from foils.positives import Relation

BODIES = ("numpy", "numba")
BITS = -123456789012345678
every_body = pytest.mark.parametrize("body", BODIES)


def kernels(body):
    return import_module(f"foils.drawing.kernels_{body}")


def relation(rows):
    """Make a CSR of lists of items."""
    pairs = [(row, item) for row, items in enumerate(rows) for item in items]
    pairs = np.array(pairs, np.int64).reshape(-1, 2)
    return Relation.from_pairs(pairs[:, 0], pairs[:, 1], len(rows))


@st.composite
def problems(draw):
    """Give urns as plain lists of (item, tickets), the urn of each row, what rows must not get, and the same packed."""
    n, kind = draw(st.integers(1, 30)), draw(st.sampled_from(["whole", "some", "several", "weighted"]))
    subset = st.sets(st.integers(0, n - 1))
    of_rows = np.zeros(draw(st.integers(1, 5)), np.int64)
    if kind == "whole":
        urns, lists = Urns.whole(n), [[(item, 1) for item in range(n)]]
    elif kind == "weighted":
        weights = np.array(draw(st.lists(st.sampled_from([0, 0, 1, 2, 5.5, 1e-9, 300]), min_size=n, max_size=n)), float)
        urns = Urns.weighted(weights)
        lists = [list(zip(urns.items.tolist(), urns.tickets.tolist(), strict=True))]
    else:
        sets = [sorted(draw(subset)) for _ in range(1 if kind == "some" else draw(st.integers(1, 4)))]
        urns, lists = Urns.equal(relation(sets)), [[(item, 1) for item in items] for items in sets]
        of_rows = np.array([draw(st.integers(0, len(sets) - 1)) for _ in of_rows])
    barred = [sorted(draw(subset)) for _ in of_rows]
    return lists, of_rows, barred, Exclusions.of(urns, of_rows, relation(barred))


def answer(lists, barred, noise):
    """Draw from one urn by the definition: the item and its tickets, and how many tickets are left."""
    free = [(item, tickets) for item, tickets in lists if item not in barred]
    left = sum(tickets for _, tickets in free)
    ticket, ends = int(noise * left), np.cumsum([tickets for _, tickets in free])
    return (*next((pair for pair, end in zip(free, ends.tolist(), strict=True) if ticket < end), (-1, 0)), left)


def drawn(body, exclusions, units, rows, chosen, base):
    items, log_q = np.empty(chosen.shape, np.int64), np.empty(chosen.shape, np.float32)
    kernels(body).draw(exclusions.tables, BITS, units, rows, chosen, base, items, log_q)
    return items, log_q


@every_body
def test_draws_equal_plain_lists(body):
    @settings(max_examples=60, deadline=None)
    @given(problems(), st.integers(1, 6), st.integers(1, 2), st.integers(0, 2**31))
    def check(problem, m, width, seed):
        lists, of_rows, barred, exclusions = problem
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, len(of_rows), (7, width))
        units, chosen = rng.integers(-(2**63), 2**63, 7), rng.integers(0, width, (7, m)).astype(np.int8)
        base = rng.random((7, width)) - exclusions.log_left[rows]
        items, log_q = drawn(body, exclusions, units, rows, chosen, base)
        noise = _array.uniform_of_bits(BITS, units[:, None], np.arange(m))
        for place in np.ndindex(7, m):
            column = chosen[place]
            row = rows[place[0], column]
            item, tickets, left = answer(lists[of_rows[row]], barred[row], noise[place])
            assert items[place] == item
            assert left == exclusions.tables.left[row]
            expected = np.float32(base[place[0], column] + np.log(tickets)) if left else np.nan
            np.testing.assert_allclose(log_q[place], expected, rtol=1e-6, atol=1e-6)

    check()


@every_body
@pytest.mark.parametrize("k", [1, 3, 5])
def test_distinct_draws_equal_plain_lists(body, k):
    @settings(max_examples=40, deadline=None)
    @given(problems(), st.integers(0, 2**31))
    def check(problem, seed):
        lists, of_rows, barred, exclusions = problem
        free = [len({item for item, _ in lists[urn]} - set(out)) for urn, out in zip(of_rows, barred, strict=True)]
        # tickets of one in 10^12 are not drawn in any test's life
        rows = [row for row in np.flatnonzero(np.array(free) >= k) if min(t for _, t in lists[of_rows[row]]) > 1e6
                or exclusions.urns.is_equal]  # fmt: skip
        rows, rng = np.array(rows, np.int64), np.random.default_rng(seed)
        units, places = rng.integers(-(2**63), 2**63, len(rows)), np.empty((len(rows), k), np.int64)
        kernels(body).distinct(exclusions.tables, BITS, units, rows, places)
        for unit, row, found in zip(units, rows, exclusions.urns.items_at(places).tolist(), strict=True):
            noise = _array.uniform_of_bits(BITS, unit, np.arange(20_000)).tolist()
            expected = {}
            for number in noise:
                expected[answer(lists[of_rows[row]], barred[row], number)[0]] = True
                if len(expected) == k:
                    break
            assert found == list(expected)

    check()


@every_body
@settings(max_examples=40, deadline=None)
@given(st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=5))
def test_contains_is_set_membership(body, sets):
    known = relation(sets)
    rows, items = (side.ravel() for side in np.mgrid[0 : len(sets), -1:11])
    found = np.empty(len(rows), np.bool_)
    kernels(body).contains(known.indptr, known.items, rows, items, found)
    assert found.tolist() == [item in sets[row] for row, item in zip(rows.tolist(), items.tolist(), strict=True)]


@every_body
def test_sides_are_the_noise_against_the_share(body):
    units, shares = np.arange(-3, 6) * 2**58, np.array([0, 1, 0.5, 0.25, 0.9, 0.5, 0, 1, 0.01])
    chosen = np.empty((9, 50), np.int8)
    kernels(body).sides(BITS, units, shares, chosen)
    np.testing.assert_array_equal(
        chosen, _array.uniform_of_bits(BITS, units[:, None], np.arange(50)) >= shares[:, None]
    )


def crowd(kind, rng):
    """Make 300 rows of 0 to 400 excluded items of 500: short ones, and such as are halved before they are counted."""
    sets = [rng.choice(500, rng.integers(0, 400) if row % 3 else row % 5, replace=False) for row in range(300)]
    urns = {
        "whole": Urns.whole(500),
        "some": Urns.allowed(np.arange(500) % 7 > 0),
        "weighted": Urns.weighted(rng.zipf(1.5, 500).clip(0, 10**6) ** 0.75),
    }[kind]
    return Exclusions.of(urns, np.zeros(300, np.int64), relation([items.tolist() for items in sets])), sets


@pytest.mark.parametrize("kind", ["whole", "some", "weighted"])
def test_both_bodies_and_all_blocks_give_the_same_bits(kind, monkeypatch):
    rng = np.random.default_rng(1)
    exclusions, sets = crowd(kind, rng)
    rows, units = rng.integers(0, 300, (500, 1)), rng.integers(-(2**63), 2**63, 500)
    chosen, base = np.zeros((500, 6), np.int8), -exclusions.log_left[rows]
    items, log_q = drawn("numba", exclusions, units, rows, chosen, base)
    places = np.empty((500, 6), np.int64)
    kernels("numba").distinct(exclusions.tables, BITS, units, rows[:, 0], places)
    for row, found, others in zip(rows[:, 0], items.tolist(), exclusions.urns.items_at(places).tolist(), strict=True):
        assert not {*found, *others} & set(sets[row].tolist())
        assert len(set(others)) == 6
    for cells in (1, 77, 1 << 14):
        monkeypatch.setattr(kernels_numpy, "CELLS", cells)
        other_items, other_log_q = drawn("numpy", exclusions, units, rows, chosen, base)
        np.testing.assert_array_equal(items, other_items)
        np.testing.assert_array_equal(log_q, other_log_q)
        other = np.empty_like(places)
        kernels("numpy").distinct(exclusions.tables, BITS, units, rows[:, 0], other)
        np.testing.assert_array_equal(places, other)


@every_body
def test_nothing_at_all_is_drawn_from_nothing(body):
    for urns in (Urns.whole(0), Urns.weighted(np.zeros(3)), Urns.allowed(np.zeros(3, bool))):
        exclusions = Exclusions.of(urns, np.zeros(2, np.int64), relation([[], [1]] if len(urns.items) else [[], []]))
        items, log_q = drawn(body, exclusions, np.arange(4), np.array([[0], [1], [0], [1]]),
                             np.zeros((4, 2), np.int8), np.full((4, 1), np.nan))  # fmt: skip
        assert (items == -1).all()
        assert np.isnan(log_q).all()


@every_body
def test_no_requests_give_no_draws(body):
    exclusions = Exclusions.of(Urns.whole(5), np.zeros(2, np.int64), relation([[1], [2]]))
    none = np.zeros(0, np.int64)
    items, _ = drawn(body, exclusions, none, none.reshape(0, 1), np.zeros((0, 3), np.int8), np.zeros((0, 1)))
    assert items.shape == (0, 3)
    places = np.empty((0, 3), np.int64)
    kernels(body).distinct(exclusions.tables, BITS, none, none, places)
