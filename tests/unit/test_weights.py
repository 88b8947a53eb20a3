"""Weights of suspected false negatives: formulas, limits, what is refused, and that hidden positives are found."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from foils import _array
from foils.candidates import Candidates, Column, Kind
from foils.errors import InputError
from foils.mining.settle import take_rows
from foils.positives import Units
from foils.weights import CET, NoiseTransition, Soft, effective_sample_size, listwise_ipw, pointwise_ipw
from foils.weights.coupled import fit_coupled
from foils.weights.features import features_of

shares = st.floats(0, 1).filter(lambda p: p == 0 or p > 1e-12)


def negatives(p_positive):
    values = np.asarray(p_positive, np.float32)
    items = np.where(np.isnan(values), -1, np.arange(values.size).reshape(values.shape))
    none = np.zeros(len(values), np.int64)
    units = Units(none, none, np.zeros(len(values) + 1, np.int64), np.zeros(0, np.int64))
    return Candidates(units, items, {"p_positive": Column(values)})


# Soft and noise transition


def test_soft_is_one_minus_p_and_absent_cells_are_out():
    found = Soft()(negatives([[0.0, 0.25, 1.0], [0.5, np.nan, np.nan]]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.exp(found), [[1, 0.75, 0], [0.5, 0, 0]], rtol=1e-6)
    assert np.isneginf(found[1, 1:]).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(shares, min_size=1, max_size=6), shares)
def test_noise_transition_is_bayes(q, rho):
    q = np.float32(q).astype(np.float64)
    found = np.exp(NoiseTransition(label_miss_rate=rho)(negatives([q])).astype(np.float64))[0]
    kept = (1 - q) + rho * q
    expected = np.divide(1 - q, kept, out=np.ones_like(q), where=kept > 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(q, kind="stable")]) <= 1e-7).all()  # falls in q


def test_the_limits_of_the_noise_transition():
    found = negatives([[0.0, 0.3, 0.9, 1.0]])
    np.testing.assert_array_equal(NoiseTransition(label_miss_rate=0)(found), np.zeros((1, 4), np.float32))
    np.testing.assert_array_equal(NoiseTransition(label_miss_rate=1)(found), Soft()(found))


def test_resampling_by_the_weights_has_the_weighted_loss():
    """RENT: the mean loss of a batch drawn in proportion to w is Σ w·L / Σ w."""
    rng = np.random.default_rng(0)
    losses = rng.random(6)
    weights = np.exp(NoiseTransition(label_miss_rate=0.4)(negatives([rng.random(6)])).astype(float))[0]
    law = weights / weights.sum()
    pairs = itertools.product(range(6), repeat=2)
    expected = sum(law[a] * law[b] * (losses[a] + losses[b]) / 2 for a, b in pairs)
    assert expected == pytest.approx((weights * losses).sum() / weights.sum())


@pytest.mark.parametrize("weight", [Soft(), NoiseTransition()])
def test_what_is_not_calibrated_is_refused(weight):
    found = negatives([[0.5, 0.5, 0.5]])
    found.columns["p_positive"].values[0, 1] = np.nan
    with pytest.raises(InputError, match=r"need p_positive, and 1 of 3 negatives have none: .* not calibrated"):
        weight(found)
    with pytest.raises(InputError, match="between 0 and 1; this column holds other numbers"):
        weight(negatives([[0.5, 1.5]]))


@pytest.mark.parametrize("weight", [Soft(), NoiseTransition(label_miss_rate=0.3), NoiseTransition(label_miss_rate=0)])
def test_tensors_give_the_same(weight):
    found = negatives([[0.0, 0.3, 1.0], [0.9, np.nan, np.nan]])
    columns = {"p_positive": Column(torch.from_numpy(found.columns["p_positive"].values))}
    tensors = Candidates(found.units, torch.from_numpy(found.items), columns)
    np.testing.assert_allclose(_array.to_numpy(weight(tensors)), weight(found), rtol=1e-6)


# Inverse propensities


def losses_of(seed, count=5):
    rng = np.random.default_rng(seed)
    relevant = rng.random((1, count)) < 0.5
    return rng, relevant, rng.uniform(0.2, 1.0, (1, count)), rng.random((1, count)), rng.random((1, count))


@pytest.mark.parametrize("seed", range(5))
def test_the_pointwise_loss_is_unbiased_exactly(seed):
    """Over all that selection may do, its mean is the loss of full labels; that of observed labels is not."""
    _, relevant, chances, positive, negative = losses_of(seed)
    full = np.where(relevant, positive, negative).sum()
    mean = naive = 0.0
    for selected in itertools.product([False, True], repeat=relevant.shape[1]):
        selected = np.array([selected])
        probability = np.where(selected, chances, 1 - chances).prod()
        labels = relevant & selected
        mean += probability * pointwise_ipw(labels, chances, positive, negative)[0]
        naive += probability * pointwise_ipw(labels, np.ones_like(chances), positive, negative)[0]
    assert mean == pytest.approx(full, rel=1e-12)
    assert abs(naive - full) > 1e-3 or not relevant.any()


def test_the_listwise_loss_is_unbiased_too_up_to_its_reference():
    _, relevant, chances, scores, _ = losses_of(1)
    log_shares = scores - np.log(np.exp(scores).sum())
    full = -(relevant * log_shares).sum() * chances.max()
    mean = 0.0
    for selected in itertools.product([False, True], repeat=relevant.shape[1]):
        probability = np.where(selected, chances, 1 - chances).prod()
        mean += probability * listwise_ipw(relevant & np.array([selected]), chances, scores)[0]
    assert mean == pytest.approx(full, rel=1e-12)


def test_propensities_of_one_give_the_ordinary_losses():
    _, labels, _, positive, negative = losses_of(3)
    ones = np.ones_like(positive)
    assert pointwise_ipw(labels, ones, positive, negative)[0] == np.where(labels, positive, negative).sum()
    plain = torch.log_softmax(torch.tensor(positive), dim=1).numpy()
    assert listwise_ipw(labels, ones, positive)[0] == pytest.approx(-(labels * plain).sum())


def test_a_common_scale_cancels_in_the_listwise_loss_and_a_clip_of_one_ignores_propensities():
    _, labels, chances, scores, other = losses_of(4)
    assert listwise_ipw(labels, chances / 7, scores)[0] == pytest.approx(listwise_ipw(labels, chances, scores)[0])
    ones = np.ones_like(chances)
    assert listwise_ipw(labels, chances, scores, clip=1)[0] == listwise_ipw(labels, ones, scores)[0]
    assert pointwise_ipw(labels, chances, scores, other, clip=1)[0] == pytest.approx(
        pointwise_ipw(labels, ones, scores, other)[0]
    )


def test_the_variance_falls_with_the_clip():
    rng = np.random.default_rng(0)
    chances = rng.uniform(0.02, 1, (1, 8)).repeat(4000, axis=0)
    labels = rng.random(chances.shape) < chances
    positive, negative = np.ones_like(chances), np.zeros_like(chances)
    spread = [pointwise_ipw(labels, chances, positive, negative, clip=clip).var() for clip in (0.02, 0.1, 0.3, 1.0)]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.5 * spread[0]


def test_the_effective_sample_size():
    assert effective_sample_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_sample_size(np.array([5.0, 0.0, 0.0])) == 1
    assert effective_sample_size(np.zeros(3)) == 0
    assert 1 < effective_sample_size(np.array([1.0, 2.0, 3.0])) < 3


# Coupled estimation


def pooled(n=20_000, seed=0):
    """Pairs that were selected by some features and are relevant by others, which are correlated."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    z = rng.standard_normal((n, 2)) + 0.5 * x
    selected, relevant = expit(0.3 + 1.5 * x[:, 0]), expit(-1.5 + 2 * z[:, 0])
    is_relevant = rng.random(n) < relevant
    return x, z, selected, relevant, is_relevant, is_relevant & (rng.random(n) < selected)


def test_what_is_relevant_and_what_was_looked_at_are_told_apart():
    x, z, selected, relevant, is_relevant, labels = pooled()
    models = fit_coupled(x, z, labels, None)
    found, chance = models.relevance(z), models.selection(x)
    assert np.corrcoef(found, relevant)[0, 1] > 0.99
    assert np.corrcoef(chance, selected)[0, 1] > 0.99
    open_ones = ~labels
    weights = (1 - found) / (1 - found * chance)
    truth = (1 - relevant) / (1 - relevant * selected)
    assert np.abs(weights - truth)[open_ones].mean() < 0.02
    # Calibrated: of what is not labelled, the weights add up to what is not relevant.
    assert weights[open_ones].sum() == pytest.approx((~is_relevant)[open_ones].sum(), rel=0.02)


def test_a_known_miss_rate_sets_the_level():
    x, z, _, _, is_relevant, labels = pooled()
    missed = 1 - labels.sum() / is_relevant.sum()
    for rate in (0.1, missed):
        models = fit_coupled(x, z, labels, rate)
        assert 1 - labels.sum() / models.relevance(z).sum() == pytest.approx(rate, abs=1e-3)


def test_labels_that_can_be_separated_do_not_diverge():
    labels = np.arange(200) >= 150
    values = labels[:, None] * 2.0 + np.linspace(0, 1, 200)[:, None]
    models = fit_coupled(np.ones((200, 1)), values, labels, None)
    assert np.isfinite([*models.relevance.slopes, *models.selection.slopes]).all()
    assert (models.relevance(values)[labels] > 0.9).all()


def lists(seed=0, anchors=150, width=20):
    """Units with a retriever's and another's score; half of the relevant were labelled, those the retriever ranks high.

    Gives candidates and whether each is a hidden positive.
    """
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal((anchors, width))
    first = quality + rng.standard_normal((anchors, width))
    second = 2 * quality + 0.5 * rng.standard_normal((anchors, width))
    relevant = rng.random((anchors, width)) < expit(4 * quality - 4)
    labels = relevant & (rng.random((anchors, width)) < expit(2 * first - 2))
    order = np.argsort(np.where(labels, np.inf, -first), axis=1, kind="stable")
    present = np.sort(~labels, axis=1)[:, ::-1]

    def moved(values, absent):
        return np.where(present, np.take_along_axis(values, order, axis=1), absent)

    indptr = np.concatenate([[0], np.cumsum(labels.sum(axis=1))])
    units = Units(np.arange(anchors), np.arange(anchors), indptr, np.arange(indptr[-1]) + 10_000)
    items = moved(np.arange(anchors * width).reshape(anchors, width), -1)
    columns = {
        "p_positive": Column(np.full(items.shape, np.nan, np.float32)),
        "dense": Column(moved(first, np.nan).astype(np.float32), Kind.RATIO, first[labels].astype(np.float32)),
        "reader": Column(moved(second, np.nan).astype(np.float32), Kind.SCORE, second[labels].astype(np.float32)),
    }
    return Candidates(units, items, columns), moved(relevant, False) & present


def test_cet_weighs_hidden_positives_low():
    found, hidden = lists()
    fitted = CET().fit([found])
    weights = np.exp(fitted(found))
    assert weights[hidden].mean() < 0.6
    assert weights[found.valid & ~hidden].mean() > 0.9
    assert (weights[~found.valid] == 0).all()
    assert 1 < fitted.effective_labelled <= fitted.labelled
    assert fitted.pairs == found.valid.sum() + fitted.labelled
    assert 0 < fitted.label_miss_rate < 1


def test_cet_does_not_depend_on_how_the_result_is_cut():
    found, _ = lists()
    whole = CET().fit([found])
    parts = [take_rows(found, np.arange(start, start + 50)) for start in (0, 50, 100)]
    fitted = CET().fit(parts)
    np.testing.assert_allclose(np.concatenate([fitted(part) for part in parts]), whole(found), atol=1e-5)


def test_a_clip_of_one_says_that_all_was_looked_at():
    found, _ = lists()
    weights = CET(clip=1).fit([found])(found)
    np.testing.assert_array_equal(weights, np.where(found.valid, 0, -np.inf).astype(np.float32))


def test_trusted_negatives_and_unscored_ones_count_fully():
    found, _ = lists()
    fitted = CET().fit([found])
    found.columns["p_positive"].values[0, 0] = 0
    found.columns["reader"].values[1, 0] = np.nan
    assert (fitted(found)[[0, 1], [0, 0]] == 0).all()


def test_ranks_are_counted_among_the_candidates():
    found, _ = lists(anchors=6, width=5)
    features = features_of(found, "dense", "reader")
    lowest = np.nanmin(found.columns["dense"].values, axis=1)
    owners = np.repeat(np.arange(6), np.diff(found.units.indptr))
    positives = found.columns["dense"].positives
    reached = positives >= lowest[owners]
    rows = np.nonzero(features.cells)[0].tolist() + owners[reached].tolist()
    scores = [*found.columns["dense"].values[features.cells], *positives[reached]]
    for row, score, log_rank in zip(rows, scores, features.selection[:, 0], strict=True):
        others = found.columns["dense"].values[row][features.cells[row]]
        assert np.exp(log_rank) == pytest.approx(1 + (others > score).sum())
    assert features.labels.sum() == reached.sum()


def test_positives_below_all_candidates_are_not_fitted_to():
    found, _ = lists()
    fitted = CET().fit([found])
    found.columns["dense"].positives[:20] = -99
    fewer = CET().fit([found])
    assert fewer.labelled == fitted.labelled - 20


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (CET(scorer="reeder"), "no score column 'reeder'; did you mean 'reader'"),
        (CET(scorer="dense"), "need two scores, one of the retriever and one of something else"),
        (CET(retriever="reader"), "there is only 'reader'"),
    ],
)
def test_columns_that_are_not_there_are_refused(weight, message):
    with pytest.raises(InputError, match=message):
        weight.fit([lists(anchors=3)[0]])


def test_a_result_without_scored_positives_is_refused():
    found, _ = lists(anchors=5)
    found.columns["reader"].positives[:] = np.nan
    with pytest.raises(InputError, match=r"no positive among the ranks .* by both 'dense' and 'reader'"):
        CET().fit([found])
