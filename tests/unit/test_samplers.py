"""What the papers and the faults of others say about the samplers, and their exact laws by enumeration."""

import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import _array
from foils._array import Key
from foils.candidates import Candidates, Column, Kind
from foils.drawing import Exclusions, Urns
from foils.positives import Relation, Units
from foils.rules import AbsoluteMargin, judge
from foils.samplers import SimANS, Softmax, TopK, UniformWindow, draw, gumbel_top_k
from foils.sources.draws import uniform_distinct, weighted_distinct

laws = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "laws.py")))

KEY = Key(0, "test", 0)
MANY = 40_000


def candidates(scores, positive=0.0, *, rows=1, ids=None):
    """Make the same candidates for every unit, by falling score as a search gives them unless they are not."""
    scores = np.array(scores, np.float64)
    units = Units(np.arange(rows), np.arange(rows), np.arange(rows + 1), np.full(rows, 10**6))
    items = np.tile(np.arange(len(scores)) if ids is None else np.array(ids, np.int64), (rows, 1))
    found = Candidates.listed(units, items, "dense", 0.0)
    return found.with_column("dense", Column(np.tile(scores, (rows, 1)), Kind.RATIO, np.full(rows, float(positive))))


def drawn(sampler, found, m, keep=None, key=KEY):
    keep = found.valid if keep is None else keep
    return draw(sampler, found, sampler.weigh(found, keep), m, key)


# --- the kernel -------------------------------------------------------------------------------------------------------


def kernel_reference(weights, noise, m):
    """Take the m largest of one row by sorting, and the chance of each given the next."""
    keys = [w if noise is None or w == -math.inf else w + g for w, g in zip(weights, noise or weights, strict=True)]
    ranked = sorted((-key, place) for place, key in enumerate(keys) if key > -math.inf)
    threshold = -ranked[m][0] if len(ranked) > m else -math.inf
    places = [place for _, place in ranked[:m]]
    if noise is None:
        return places, [math.nan] * len(places)
    with np.errstate(over="ignore"):
        return places, [float(np.log(-np.expm1(-np.exp(np.float64(weights[p]) - threshold)))) for p in places]


@st.composite
def kernels(draw):
    rows, width = draw(st.integers(0, 4)), draw(st.integers(0, 8))
    weight = st.sampled_from([-math.inf, -math.inf, -2.0, 0.0, 0.0, 1.5]) | st.floats(-900, 900)
    noise = st.sampled_from([-1.0, 0.0, 0.0, 2.0]) | st.floats(-3, 36)

    def cells(values):
        return [draw(st.lists(values, min_size=width, max_size=width)) for _ in range(rows)]

    return cells(weight), cells(noise) if draw(st.booleans()) else None, width, draw(st.integers(1, 10))


@settings(max_examples=150, deadline=None)
@given(kernels())
def test_the_kernel_equals_the_plain_reference(problem):
    weights, noise, width, m = problem
    shape = (len(weights), width)
    arrays = [None if cells is None else np.array(cells, np.float64).reshape(shape) for cells in (weights, noise)]
    positions, log_q = gumbel_top_k(*arrays, m)
    for row, cells in enumerate(weights):
        places, law = kernel_reference(cells, None if noise is None else noise[row], m)
        assert positions[row].tolist() == places + [-1] * (m - len(places))
        np.testing.assert_allclose(log_q[row, : len(law)], law, rtol=1e-5, atol=1e-12)
        assert np.isnan(log_q[row, len(law) :]).all()


WEIGHTS = np.array([0.9, 0.1, 0.4, -0.5, 0.0, 0.6])


@pytest.mark.parametrize("m", [1, 2, 3])
def test_draws_follow_the_law(m):
    """The first is softmax, what is among the m drawn is not m times as likely: both as enumerated."""
    found = candidates(WEIGHTS, rows=MANY)
    chosen = drawn(Softmax(temperature=0.5), found, m)
    weights = np.exp(WEIGHTS / 0.5)
    laws.assert_follows(chosen.items, laws.ordered_draws(weights, m))
    laws.assert_unbiased(chosen.items, chosen.log_q, np.ones(6, bool))
    share = np.bincount(chosen.items.ravel(), minlength=6) / MANY
    np.testing.assert_allclose(share, laws.inclusion(weights, m), atol=5 * 0.5 / np.sqrt(MANY))
    if m > 1:
        assert np.abs(share - m * weights / weights.sum()).max() > 0.05


def test_the_law_is_conditional_on_the_key_that_was_just_missed():
    """With the m-th key instead of the (m + 1)-th, 1/q_j is biased, and this test of the law sees it."""
    weights = np.tile(WEIGHTS / 0.5, (MANY, 1))
    noise = _array.gumbel(KEY, np.arange(MANY)[:, None], np.arange(6)[None, :])
    positions, log_q = gumbel_top_k(weights, noise, 3)
    last_drawn = np.sort(weights + noise, axis=1)[:, -3, None]
    excess = np.take_along_axis(weights, positions, axis=1) - last_drawn
    faulty = np.log(-np.expm1(-np.exp(excess)))
    assert np.abs(laws.deviations(positions, faulty, np.ones(6, bool))).max() > 3 * laws.STANDARD_ERRORS
    laws.assert_unbiased(positions, log_q, np.ones(6, bool))


@pytest.mark.parametrize("source", ["uniform", "popularity"])
@pytest.mark.parametrize("sampler", [UniformWindow(), SimANS(a=1.0), Softmax(temperature=0.5)])
def test_the_laws_of_source_and_sampler_multiply(source, sampler):
    """A pool of 4 is drawn from 7 items that are not excluded, and 2 of the pool: 1/q is unbiased for both together."""
    excluded, units = Relation(2 * np.arange(MANY + 1), np.tile([2, 5], MANY)), np.arange(MANY)
    weights = np.array([3.0, 1.0, 9.0, 2.0, 1.0, 9.0, 1.5, 1.0, 2.0])
    urns, draw = (
        (Urns.whole(9), uniform_distinct) if source == "uniform" else (Urns.weighted(weights), weighted_distinct)
    )
    items, log_q = draw(Exclusions.of(urns, np.zeros(MANY, np.int64), excluded), KEY, units, np.arange(MANY), 4)
    scores = np.linspace(1, -1, 9)
    listed = Candidates.listed(candidates(scores, rows=MANY).units, items, source, log_q)
    found = listed.with_column("dense", Column(scores[items], Kind.RATIO, np.zeros(MANY)))
    chosen = drawn(sampler, found, 2, key=KEY._replace(stage="sampler"))
    laws.assert_unbiased(chosen.items, chosen.log_q, ~np.isin(np.arange(9), [2, 5]))


def test_when_all_are_drawn_all_were_certain():
    chosen = drawn(Softmax(), candidates(WEIGHTS, rows=50), 6)
    assert not chosen.log_q.any()
    assert not drawn(Softmax(), candidates(WEIGHTS, rows=50), 9).log_q[:, :6].any()


def test_a_constant_changes_nothing():
    weights, noise = np.array([[0.5, -1.0, 2.0, 0.25]]), np.array([[0.5, 3.0, 0.125, 1.0]])
    once, again = gumbel_top_k(weights, noise, 2), gumbel_top_k(weights - 1024, noise, 2)
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_allclose(once[1], again[1], rtol=1e-6)


@pytest.mark.parametrize("sampler", [UniformWindow(), SimANS(), SimANS(kernel="laplace"), Softmax()])
def test_equal_weights_give_equal_inclusion_whatever_the_id(sampler):
    """Cutting a set of integers keeps the small ids more often (SimANS' code for MS MARCO)."""
    ids = [0, 1, 2, 7, 63, 64, 1000, 10**6, 2**31, 2**40]
    found = candidates([0.5] * 10, positive=0.75, rows=MANY, ids=ids)
    chosen = drawn(sampler, found, 4)
    share = np.bincount(chosen.positions.ravel(), minlength=10) / MANY
    np.testing.assert_allclose(share, 0.4, atol=5 * np.sqrt(0.24 / MANY))
    laws.assert_unbiased(chosen.positions, chosen.log_q, np.ones(10, bool))


def test_epochs_give_other_negatives_of_the_same_law():
    found = candidates(WEIGHTS, rows=MANY)
    first, second = (drawn(Softmax(temperature=0.5), found, 1, key=KEY._replace(epoch=epoch)).items for epoch in (0, 1))
    independent = (np.bincount(first[:, 0]) / MANY) @ (np.bincount(second[:, 0]) / MANY)
    assert (first == second).mean() == pytest.approx(independent, abs=0.015)


# --- uniform in a window ----------------------------------------------------------------------------------------------


def test_a_window_is_drawn_from_uniformly():
    found = candidates(np.linspace(1, 0, 9), rows=MANY)
    keep = np.tile(np.arange(9) != 4, (MANY, 1))
    chosen = drawn(UniformWindow(skip_ranks=2, max_rank=7), found, 2, keep)
    inside = np.isin(np.arange(9), [2, 3, 5, 6])
    laws.assert_follows(chosen.items, laws.ordered_draws(inside.astype(float), 2))
    laws.assert_unbiased(chosen.items, chosen.log_q, inside)


# --- SimANS (Zhou et al., 2022) ---------------------------------------------------------------------------------------

EIGHTHS = np.array([1.0, 0.875, 0.5, 0.375, -0.25, -1.0])


@pytest.mark.parametrize(("kernel", "power"), [("gaussian", 2), ("laplace", 1)])
def test_simans_weighs_by_the_distance_to_the_positive(kernel, power):
    found = candidates(EIGHTHS, positive=0.5)
    weights = SimANS(a=3.0, b=0.25, kernel=kernel).weigh(found, found.valid)
    np.testing.assert_array_equal(weights[0], -3.0 * np.abs(EIGHTHS - 0.5 - 0.25) ** power)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_simans_with_a_of_zero_is_uniform(kernel):
    found = candidates(EIGHTHS, positive=0.5, rows=50)
    sampler = SimANS(a=0.0, b=0.25, kernel=kernel)
    np.testing.assert_array_equal(drawn(sampler, found, 3).items, drawn(UniformWindow(), found, 3).items)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_simans_with_a_huge_takes_the_nearest(kernel):
    found = candidates(EIGHTHS, positive=0.5, rows=50)
    chosen = drawn(SimANS(a=1e12, b=0.0625, kernel=kernel), found, 4).items
    nearest = np.argsort(np.abs(EIGHTHS - 0.5625))[:4]
    assert (chosen == nearest).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_simans_with_its_peak_far_off_is_a_softmax(sign):
    """b → ∞ with a·b fixed is softmax with inverse temperature 2ab (the hardest), b → −∞ the easiest."""
    found = candidates(EIGHTHS, positive=0.5, rows=200)
    far = sign * 2.0**20
    sampler, limit = SimANS(a=3.0 / abs(far), b=far), Softmax(temperature=1 / 6)
    weights, expected = sampler.weigh(found, found.valid)[0], sign * limit.weigh(found, found.valid)[0]
    np.testing.assert_allclose(weights - weights[0], expected - expected[0], atol=1e-4)
    if sign > 0:
        np.testing.assert_array_equal(drawn(sampler, found, 3).items, drawn(limit, found, 3).items)


@settings(max_examples=40, deadline=None)
@given(st.integers(-8, 8), st.sampled_from(["gaussian", "laplace"]), st.sampled_from([0.0, 0.25]))
def test_simans_does_not_see_a_shift_of_all_scores(offset, kernel, b):
    sampler = SimANS(a=4.0, b=b, kernel=kernel)
    here, there = candidates(EIGHTHS, positive=0.5), candidates(EIGHTHS + offset, positive=0.5 + offset)
    np.testing.assert_array_equal(sampler.weigh(here, here.valid), sampler.weigh(there, there.valid))


@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_simans_follows_its_law(kernel):
    found = candidates(EIGHTHS, positive=0.5, rows=MANY)
    sampler = SimANS(a=1.5, b=0.25, kernel=kernel)
    chosen = drawn(sampler, found, 2)
    laws.assert_follows(chosen.items, laws.ordered_draws(np.exp(sampler.weigh(found, found.valid)[0]), 2))
    laws.assert_unbiased(chosen.items, chosen.log_q, np.ones(6, bool))


@pytest.mark.parametrize("scale", [30.0, 1e3, 1e9, 1e36])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_simans_survives_weights_that_vanish(kernel, scale):
    """As exp(−a·Δ²) all weights would be 0 and there would be nothing to choose from."""
    found = candidates((EIGHTHS - 3) * scale, positive=0.0, rows=20)
    chosen = drawn(SimANS(a=1e12, kernel=kernel), found, 3)
    assert (chosen.items == [0, 1, 2]).all()
    assert (chosen.log_q <= 0).all()


def test_simans_without_a_scored_positive_draws_nothing():
    """Not the easiest of the list, and a score of 0 is a score."""
    unknown = candidates(EIGHTHS, positive=np.nan)
    assert (drawn(SimANS(), unknown, 3).items == -1).all()
    zero = candidates([0.0, 0.0, 0.0], positive=0.0)
    assert (drawn(SimANS(), zero, 3).items >= 0).all()


@pytest.mark.parametrize(("reference", "nearest"), [("min", 3), ("max", 0), ("mean", 1)])
def test_simans_peaks_at_the_reference(reference, nearest):
    found = candidates([0.8, 0.5, 0.3, 0.2])
    units = Units(np.array([0]), np.array([0]), np.array([0, 2]), np.array([10, 11]))
    column = Column(found.columns["dense"].values, Kind.RATIO, np.array([0.2, 0.8]))
    found = Candidates(units, found.items, {**found.columns, "dense": column}, found.sources)
    assert drawn(SimANS(a=1e12, reference=reference), found, 1).items.tolist() == [[nearest]]


# --- softmax and top-k ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e36])
def test_softmax_goes_from_top_k_to_uniform(scale):
    scores = np.linspace(1, -1, 12) * scale
    found = candidates(scores, rows=50)
    cold, hot = Softmax(temperature=1e-12), Softmax(temperature=1e12 * scale)
    np.testing.assert_array_equal(drawn(cold, found, 5).items, drawn(TopK(), found, 5).items)
    np.testing.assert_array_equal(drawn(hot, found, 5).items, drawn(UniformWindow(), found, 5).items)


def test_top_k_breaks_ties_by_rank():
    found = candidates([0.5, 0.5, 0.5, 0.25, 0.25], ids=[9, 4, 7, 1, 0])
    assert drawn(TopK(), found, 4).items.tolist() == [[9, 4, 7, 1]]


def test_top_k_orders_by_the_column_added_last_or_named():
    found = candidates([0.9, 0.8, 0.7, 0.6])
    found = found.with_column("judge", Column(np.array([[0.1, np.nan, 0.9, 0.5]]), Kind.SCORE))
    assert drawn(TopK(), found, 4).items.tolist() == [[2, 3, 0, -1]]  # what was not scored has no place
    assert drawn(TopK(column="dense"), found, 4).items.tolist() == [[0, 1, 2, 3]]
    assert drawn(TopK(column="rank"), found, 4).items.tolist() == [[0, 1, 2, 3]]


def test_top_k_without_scores_keeps_the_order_of_the_source():
    units = Units(np.array([0]), np.array([0]), np.array([0, 0]), np.array([], np.int64))
    found = Candidates.listed(units, np.array([[5, 2, 9, -1]]), "uniform", 0.0)
    assert drawn(TopK(), found, 3).items.tolist() == [[5, 2, 9]]
    assert drawn(TopK(skip_ranks=1), found, 3).items.tolist() == [[2, 9, -1]]


# --- ranks before the rules, survivors after them ---------------------------------------------------------------------


def shifted(n_rejected):
    """Give 30 candidates of which the first few violate the margin."""
    scores = np.linspace(0.9, 0.3, 30)
    found = candidates(scores, positive=(scores[n_rejected - 1] + scores[n_rejected]) / 2 if n_rejected else 1.0)
    keep = judge([AbsoluteMargin(margin=0.0)], found).keep
    assert keep[0].tolist() == [False] * n_rejected + [True] * (30 - n_rejected)
    return found, keep


@pytest.mark.parametrize("n_rejected", [0, 3, 5, 8])
def test_skipped_ranks_are_ranks_and_skipped_survivors_are_survivors(n_rejected):
    """A window that counts survivors starts at 8 + 5 = 13 and loses the five hardest safe negatives."""
    found, keep = shifted(n_rejected)
    first = drawn(TopK(skip_ranks=5), found, 3, keep).items[0, 0]
    assert first == max(5, n_rejected)
    assert drawn(TopK(skip_survivors=5), found, 3, keep).items[0, 0] == n_rejected + 5
    both = drawn(TopK(skip_ranks=2, skip_survivors=5), found, 3, keep).items[0, 0]
    assert both == max(2, n_rejected) + 5


@pytest.mark.parametrize("sampler", [UniformWindow(skip_ranks=5, max_rank=9), Softmax(skip_ranks=5, temperature=1.0)])
def test_windows_of_the_other_samplers_count_ranks_too(sampler):
    found, keep = shifted(8)
    chosen = {
        item for epoch in range(200) for item in drawn(sampler, found, 1, keep, KEY._replace(epoch=epoch)).items[0]
    }
    assert min(chosen) == 8
    assert chosen <= ({8} if isinstance(sampler, UniformWindow) else set(range(8, 30)))


def test_ranks_are_those_of_the_source_and_not_positions():
    """A column of another source begins at 1 again."""
    found = candidates([0.9, 0.8, 0.7, 0.6])
    columns = {**found.columns, "rank": Column(np.array([[1, 2, 1, 2]]))}
    found = Candidates(found.units, found.items, columns, ("dense", "lexical"))
    assert drawn(TopK(skip_ranks=1), found, 4).items.tolist() == [[1, 3, -1, -1]]


@pytest.mark.parametrize("sampler", [TopK(), UniformWindow(), Softmax(), SimANS(), TopK(skip_survivors=1)])
def test_what_was_rejected_does_not_come_back_where_too_little_survives(sampler):
    """Setting rejected scores to −∞ and taking the k best returns them when fewer than k survive."""
    found, keep = shifted(28)
    chosen = drawn(sampler, found, 4, keep).items[0].tolist()
    assert set(chosen) <= {28, 29, -1}
    assert chosen[-2:] == [-1, -1]


def test_skipping_more_than_there_is_leaves_nothing():
    found, keep = shifted(3)
    for sampler in (
        TopK(skip_ranks=30),
        TopK(skip_survivors=27),
        TopK(skip_survivors=99),
        UniformWindow(skip_ranks=30),
    ):
        assert (drawn(sampler, found, 4, keep).items == -1).all()
