"""The share of a loss's negative gradient on suspected false negatives: against PyTorch, and against known figures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import foils
from foils.auditing import gradients as section
from foils.auditing import loss_gradients as gradients_of
from foils.auditing.from_result import result_subject
from foils.auditing.gradients import all_gradients, gradients

LOGITS = np.array([-40.0, -9.0, -4.0, -3.0, -2.95, -1.0, 0.0, 0.7, 2.0, 6.0, 30.0])


def by_torch(loss):
    logits = torch.tensor(LOGITS, requires_grad=True)
    return torch.autograd.grad(loss(logits).sum(), logits)[0].numpy()


def log_rest(logits):
    return torch.nn.functional.logsigmoid(-logits)


def test_binary_cross_entropy():
    np.testing.assert_allclose(gradients_of.bce_gradients(LOGITS), by_torch(lambda g: -log_rest(g)), rtol=1e-12)


@pytest.mark.parametrize("gamma", [0, 1, 2, 4])
def test_focal_loss(gamma):
    expected = by_torch(lambda g: -(torch.sigmoid(g) ** gamma) * log_rest(g))
    np.testing.assert_allclose(gradients_of.focal_gradients(LOGITS, gamma), expected, rtol=1e-9, atol=1e-30)


@pytest.mark.parametrize("detached", [True, False])
@pytest.mark.parametrize(("gamma", "margin"), [(2, 0.05), (4, 0.05), (1, 0.0), (4, 0.2)])
def test_asymmetric_loss(gamma, margin, detached):
    def loss(logits):
        shifted = (torch.sigmoid(logits) - margin).clamp(min=0)
        weight = shifted**gamma
        rest = (torch.sigmoid(-logits) + margin).clamp(max=1)
        return -(weight.detach() if detached else weight) * torch.log(rest)

    expected = by_torch(loss)
    found = gradients_of.asl_gradients(LOGITS, gamma, margin, detached=detached)
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-14)
    np.testing.assert_array_equal(found[gradients_of.bce_gradients(LOGITS) < margin], 0)


def test_losses_meet_where_they_should():
    bce = gradients_of.bce_gradients(LOGITS)
    np.testing.assert_allclose(gradients_of.focal_gradients(LOGITS, 0), bce)
    np.testing.assert_allclose(gradients_of.asl_gradients(LOGITS, 0, 0.0, detached=False), bce, atol=1e-15)
    np.testing.assert_array_equal(gradients_of.ohem_gradients(LOGITS, 1.0), bce)
    focal = gradients_of.focal_gradients(LOGITS, 3)
    np.testing.assert_allclose(gradients_of.asl_gradients(LOGITS, 3, 0.0, detached=False), focal, rtol=1e-9, atol=1e-15)


def test_hard_example_mining_keeps_the_hardest():
    found = gradients_of.ohem_gradients(LOGITS, 0.2)
    assert np.flatnonzero(found).tolist() == [8, 9, 10]
    np.testing.assert_array_equal(found[8:], gradients_of.bce_gradients(LOGITS[8:]))


@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
def test_info_nce(temperature):
    rng = np.random.default_rng(0)
    scores, units = rng.uniform(-1, 1, 9), np.array([0, 0, 0, 1, 1, 3, 3, 3, 4])
    positives, owners = rng.uniform(-1, 1, 6), np.array([0, 0, 1, 2, 3, 3])
    found = gradients_of.info_nce_gradients(scores, units, positives, owners, temperature)
    logits = torch.tensor(scores / temperature, requires_grad=True)
    total = torch.zeros(())
    for unit in range(4):
        own = [torch.tensor(score / temperature) for score in positives[owners == unit]]
        negatives = logits[torch.tensor(units == unit)]
        for positive in own:
            row = torch.cat([positive[None], negatives])
            total = total - torch.log_softmax(row, dim=0)[0] / len(own)
    np.testing.assert_allclose(found, torch.autograd.grad(total, logits)[0].numpy(), rtol=1e-9, atol=1e-14)
    assert found[8] == 0  # a unit without a positive


def test_scores_far_apart_do_not_overflow():
    found = gradients_of.info_nce_gradients(
        np.array([500.0, -500.0]), np.zeros(2, int), np.array([-300.0, 300.0]), np.zeros(2, int), 0.01
    )
    np.testing.assert_allclose(found, [1, 0])


@pytest.fixture(scope="module")
def mixture():
    """99 % easy negatives, logits N(−3, 1.5), and 1 % false ones, N(2, 1.5): quantiles stand for a large draw."""
    from scipy.stats import norm

    easy, false = (norm.ppf((np.arange(n) + 0.5) / n) for n in (396_000, 4_000))
    logits = np.concatenate([-3 + 1.5 * easy, 2 + 1.5 * false])
    return logits, np.arange(400_000) >= 396_000


@pytest.mark.parametrize(
    ("pull", "expected"),
    [
        (gradients_of.bce_gradients, 0.08),
        (lambda g: gradients_of.focal_gradients(g, 1), 0.17),
        (lambda g: gradients_of.focal_gradients(g, 2), 0.27),
        (lambda g: gradients_of.focal_gradients(g, 4), 0.46),
        (lambda g: gradients_of.asl_gradients(g, 2, 0.05, detached=True), 0.29),
        (lambda g: gradients_of.asl_gradients(g, 4, 0.05, detached=True), 0.50),
        (lambda g: (gradients_of.ohem_gradients(g, 0.01) > 0).astype(float), 0.72),  # of those selected
    ],
)
def test_a_hundredth_of_the_negatives_is_a_large_share_of_the_gradient(mixture, pull, expected):
    logits, false = mixture
    pulls = pull(logits)
    assert pulls[false].sum() / pulls.sum() == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(("detached", "at", "most", "late"), [(True, 0.928, 0.325, 0.13), (False, 0.900, 0.733, 0.22)])
def test_the_asymmetric_loss_lets_go_of_what_is_certain(detached, at, most, late):
    logits = np.linspace(-8, 8, 100_001)
    found = gradients_of.asl_gradients(logits, 4, 0.05, detached=detached)
    peak = found.argmax()
    assert 1 / (1 + np.exp(-logits[peak])) == pytest.approx(at, abs=0.001)
    assert found[peak] == pytest.approx(most, abs=0.001)
    assert gradients_of.asl_gradients(np.log([99.0]), 4, 0.05, detached=detached)[0] == pytest.approx(late, abs=0.005)


# The section


def test_shares_of_a_result(world, mined):
    report = foils.audit(mined, truth=world.truth).report
    (found,) = report.gradients
    subject = result_subject(mined.result, mined.collection)
    pairs = world.truth.positives().examples()
    truth = set(zip(pairs.anchors.tolist(), pairs.positives.tolist(), strict=True))
    suspects = np.array(
        [(anchor, item) in truth for anchor, item in zip(subject.anchors[subject.units], subject.items, strict=True)],
        float,
    )
    assert found.evidence == "hidden positives"
    assert found.share_of_negatives.estimate == pytest.approx(suspects.mean())
    gaps = subject.gaps("mean").astype(float)
    assert found.unit == pytest.approx(gaps.std())
    pulls = gradients_of.bce_gradients(gaps / gaps.std())
    bce = found.of("BCE").share
    assert bce.estimate == pytest.approx((pulls * suspects).sum() / pulls.sum())
    assert 0 <= bce.low < bce.estimate < bce.high <= 1
    sharp = found.of("InfoNCE, t = 0.01").share.estimate
    assert found.of("OHEM, hardest 10%").share.estimate > bce.estimate
    assert sharp != found.of("InfoNCE, t = 1").share.estimate
    assert [one.loss for one in found.losses][:4] == ["BCE", "focal, γ = 1", "focal, γ = 2", "focal, γ = 4"]


def test_probabilities_count_by_their_size(mined):
    subject = result_subject(mined.result, mined.collection)
    assert all_gradients(subject, None) == []  # nobody said how likely anything is
    sure = np.zeros(len(subject.items))
    sure[::3] = 1
    whole = gradients(subject, sure, "p_positive")
    half = gradients(subject, sure / 2, "p_positive")
    for one, other in zip(whole.losses, half.losses, strict=True):
        assert other.share.estimate == pytest.approx(one.share.estimate / 2)
    even = gradients(subject, np.full(len(sure), 0.25), "p_positive")
    assert all(one.share.estimate == pytest.approx(0.25) for one in even.losses)
    given = replace(subject, p_positive=(sure / 2).astype(np.float32))
    (told,) = all_gradients(given, None)
    assert told.evidence == "p_positive"
    assert told.losses[0].share.estimate == pytest.approx(half.losses[0].share.estimate)


def test_what_nobody_can_say_is_left_out(mined):
    subject = result_subject(mined.result, mined.collection)
    suspects = np.full(len(subject.items), np.nan)
    suspects[:10] = np.arange(10) % 2
    found = gradients(subject, suspects, "p_positive")
    assert found.negatives == 10
    assert found.share_of_negatives.estimate == 0.5
    assert gradients(subject, np.where(suspects == 1, 0, suspects), "p_positive") is None
    assert gradients(replace(subject, score_name=None), suspects, "p_positive") is None


def test_it_stands_in_json_text_and_page(report, mined, world):
    assert [one["evidence"] for one in report.data()["gradients"]] == ["hidden positives"]
    audit = foils.audit(mined, truth=world.truth)
    assert "negative gradient on hidden positives, " in audit.summary()
    assert "InfoNCE, t = 0.01" in audit.summary()
    page = audit.html()
    assert "On what would training spend itself?" in page
    assert "gradient-hidden-positives-" in page
    assert "On what would training spend itself?" not in foils.audit(mined).html()
    assert len(section.TEMPERATURES) == 5
