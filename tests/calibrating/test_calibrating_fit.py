"""Fitted calibrators: exact values where they are known, and what must hold of any."""

import numpy as np
import pytest
from calibrating_world import pairs_of
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.calibrating.fit import fit, fit_isotonic, fit_platt, fit_stacker, logistic_regression
from foils.calibrators import Cascade, Input

AS_IT_STANDS = Input("s", None)


def log_loss(said, truth):
    said = np.clip(said, 1e-6, 1 - 1e-6)
    return float(np.mean(-truth * np.log(said) - (1 - truth) * np.log1p(-said)))


def said_by(fields, pairs):
    return np.asarray(fields(pairs.candidates), np.float64)[:, 0]


def test_isotonic_pools_what_falls():
    # Means by score 0, 0, 1, 0, 1, and half a positive at the lowest and half a negative at the highest.
    pairs = pairs_of({"s": [0, 1, 2, 3, 4]}, [0, 0, 1, 0, 1])
    fields = fit_isotonic(AS_IT_STANDS, pairs)
    assert fields.scores == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert fields.probabilities == pytest.approx((0.2, 0.2, 0.5, 0.5, 2 / 3), abs=1e-6)


def test_ties_are_one_point_and_weights_count():
    pairs = pairs_of({"s": [0, 0, 1, 1]}, [0, 1, 1, 0], weights=[3, 1, 3, 1])
    effective = 64 / 20  # (Σw)² / Σw²
    low, high = (0.25 * effective / 2 + 0.5) / (effective / 2 + 0.5), (0.75 * effective / 2) / (effective / 2 + 0.5)
    expected = (low, high) if low <= high else ((low + high) / 2,) * 2
    assert fit_isotonic(AS_IT_STANDS, pairs).probabilities == pytest.approx(expected, abs=1e-6)


def test_a_score_that_never_varies_gives_the_rate():
    pairs = pairs_of({"s": [2.0] * 10}, [1] * 3 + [0] * 7)
    fields = fit_isotonic(AS_IT_STANDS, pairs)
    assert (fields.scores, fields.probabilities) == ((2.0,), (pytest.approx(3.5 / 11, abs=1e-6),))
    assert said_by(fit_platt(AS_IT_STANDS, pairs), pairs) == pytest.approx([0.3] * 10, abs=0.05)


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans(), st.floats(0.1, 9)), min_size=1, max_size=40))
@settings(max_examples=40, deadline=None)
def test_isotonic_never_falls_and_is_never_sure(rows):
    scores, targets, weights = zip(*rows, strict=True)
    pairs = pairs_of({"s": scores}, targets, weights=weights)
    fields = fit_isotonic(AS_IT_STANDS, pairs)
    assert 0 < fields.probabilities[0] <= fields.probabilities[-1] < 1
    said = said_by(fields, pairs)
    assert (np.diff(said[np.argsort(scores, kind="stable")]) >= 0).all()


def test_platt_finds_the_curve_that_drew_the_labels():
    rng = np.random.default_rng(0)
    scores = rng.normal(0.4, 0.2, 20_000)
    truth = rng.random(20_000) < 1 / (1 + np.exp(-(12 * scores - 7)))
    fields = fit_platt(AS_IT_STANDS, pairs_of({"s": scores}, truth))
    assert (fields.slope, fields.intercept) == (pytest.approx(12, abs=0.6), pytest.approx(-7, abs=0.4))


def test_separable_labels_give_a_finite_curve():
    pairs = pairs_of({"s": np.r_[np.zeros(20), np.ones(20)]}, np.r_[np.zeros(20), np.ones(20)])
    # Platt's targets: 1 / 22 and 21 / 22.
    assert set(np.round(said_by(fit_platt(AS_IT_STANDS, pairs), pairs), 4)) == {0.0455, 0.9545}


def test_soft_targets_are_learnt_as_they_are():
    rng = np.random.default_rng(1)
    scores = rng.random(5_000)
    pairs = pairs_of({"s": scores}, scores**2)
    for method in ("isotonic", "platt", "stacker"):
        said = said_by(fit(method, [AS_IT_STANDS], pairs), pairs)
        assert np.abs(said - scores**2).mean() < (0.005 if method == "isotonic" else 0.05)


def test_designed_weights_undo_the_design():
    rng = np.random.default_rng(2)
    scores = rng.random(40_000)
    truth = rng.random(40_000) < 0.4 * scores
    kept = rng.random(40_000) < (pi := np.where(truth, 0.9, 0.1))  # far more positives are labelled
    chosen = pairs_of({"s": scores[kept]}, truth[kept], weights=1 / pi[kept])
    every = pairs_of({"s": scores}, truth)
    for method in ("isotonic", "platt", "stacker"):
        assert said_by(fit(method, [AS_IT_STANDS], chosen), every).mean() == pytest.approx(truth.mean(), abs=0.015)


def test_the_regression_is_at_its_minimum():
    rng = np.random.default_rng(3)
    design = np.c_[np.ones(200), rng.standard_normal((200, 3))]
    targets, weights, penalty = rng.random(200), rng.random(200), np.array([0, 1.0, 1.0, 1.0])
    found = logistic_regression(design, targets, weights, penalty)
    said = 1 / (1 + np.exp(-design @ found))
    assert np.abs(design.T @ (weights * (said - targets)) + penalty * found).max() < 1e-8


def two_judges(seed, count=1500):
    """Draw pairs with two independent clues, the second missing for some; a missing one is a hint of its own."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((2, count))
    truth = rng.random(count) < 1 / (1 + np.exp(-(1.5 * first + 1.5 * second - 2.5)))
    second = np.where(rng.random(count) < np.where(truth, 0.1, 0.4), np.nan, second)
    return pairs_of({"s": first, "t": second}, truth, anchors=np.arange(count) // 3)


@pytest.mark.parametrize("seed", range(5))
def test_a_stacker_beats_each_of_its_judges(seed):
    learnt, fresh = two_judges(2 * seed), two_judges(2 * seed + 1)
    both = (AS_IT_STANDS, Input("t", None))
    stacked = log_loss(said_by(fit_stacker(both, learnt), fresh), fresh.targets)
    answered = ~np.isnan(fresh.candidates.columns["t"].values[:, 0])
    some = fresh.take(np.flatnonzero(answered))
    for method in ("isotonic", "platt"):
        alone = log_loss(said_by(fit(method, both[:1], learnt), fresh), fresh.targets)
        assert stacked < alone - 0.02
        other = log_loss(said_by(fit(method, both[1:], learnt), some), some.targets)
        assert log_loss(said_by(fit_stacker(both, learnt), some), some.targets) < other - 0.02


def test_silence_has_a_coefficient_of_its_own():
    fields = fit_stacker((AS_IT_STANDS, Input("t", None)), two_judges(0, 4000))
    assert fields.terms[1].missing < -0.5  # what was not asked about is less often a positive
    assert fields.terms[0].missing == 0


def test_a_cascade_has_a_curve_for_each_column():
    pairs = two_judges(0)
    fields = fit("cascade", (AS_IT_STANDS, Input("t", None)), pairs)
    assert isinstance(fields, Cascade)
    assert fields.reads() == ("s", "t")
    answered = ~np.isnan(pairs.candidates.columns["t"].values[:, 0])
    last = said_by(fit_isotonic(Input("t", None), pairs), pairs)
    np.testing.assert_array_equal(said_by(fields, pairs)[answered], last[answered])


def test_margins_help_where_scores_differ_from_anchor_to_anchor():
    rng = np.random.default_rng(5)
    level = rng.normal(0, 3, 3000)
    margin = rng.normal(-1, 1, 3000)
    truth = rng.random(3000) < 1 / (1 + np.exp(-3 * margin))
    pairs = pairs_of({"s": level + margin}, truth, positives=level)
    losses = [log_loss(said_by(fit_platt(Input("s", one), pairs), pairs), pairs.targets) for one in ("min", None)]
    assert losses[0] < 0.7 * losses[1]
