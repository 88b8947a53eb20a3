"""The share of a quantity that falls on positives, measured by labels."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils._array import Key
from foils.auditing import Audit
from foils.auditing.from_result import result_subject
from foils.auditing.gradients import Gradients, LossShare, all_gradients
from foils.auditing.intervals import Estimate
from foils.auditing.measured_gradients import labelled_gradients
from foils.auditing.text import TOLD, summarise
from foils.errors import InputError
from foils.estimating import Population, draw_design, estimate_rate, weighted_share
from foils.labelling import Counted, negatives_of
from foils.labelling.drawn import draw

N = 600


def population(seed=0, scores=None):
    anchors = np.repeat(np.arange(N // 4), 4)
    return Population(anchors, np.tile(np.arange(4), N // 4), scores, None)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_all_labelled_is_the_share_itself(seed):
    rng = np.random.default_rng(seed)
    pairs, loads = population(), rng.exponential(size=N) * (rng.random(N) < 0.7)
    positive = rng.random(N) < 0.1
    design = draw_design(pairs, N, Key(seed, "test", 0))
    found = weighted_share(pairs, design, positive[design.order].astype(np.int8), loads)
    share = loads[positive].sum() / loads.sum()
    assert (found.low, found.estimate, found.high) == pytest.approx((share, share, share), abs=1e-9)


@pytest.mark.parametrize("target", ["file", "recipe"])
def test_equal_loads_are_the_rate(target):
    rng = np.random.default_rng(1)
    pairs = population(scores=rng.standard_normal(N))
    design = draw_design(pairs, 150, Key(1, "test", 0))
    labels = (rng.random(150) < 0.2).astype(np.int8)
    rate = estimate_rate(pairs, design, labels, target=target)
    found = weighted_share(pairs, design, labels, np.full(N, 3.0), target=target)
    assert (found.estimate, found.low, found.high) == pytest.approx((rate.estimate, rate.low, rate.high), abs=0.01)


def test_it_covers():
    rng = np.random.default_rng(2)
    covered, estimates, pairs = [], [], population()
    loads = rng.exponential(size=N)
    positive = rng.random(N) < 0.1 * (1 + (loads > 1))
    true = loads[positive].sum() / loads.sum()
    for seed in range(120):
        design = draw_design(pairs, 150, Key(seed, "test", 0))
        found = weighted_share(pairs, design, positive[design.order].astype(np.int8), loads)
        covered.append(found.low <= true <= found.high)
        estimates.append(found.estimate)
    assert np.mean(covered) >= 0.9
    assert np.mean(estimates) == pytest.approx(true, abs=4 * np.std(estimates) / np.sqrt(120))
    assert np.mean(positive) < true - 0.02  # the plain rate would be another number


def test_few_pairs_with_all_the_load_leave_it_open():
    pairs, loads = population(), np.full(N, 1e-9)
    design = draw_design(pairs, 150, Key(0, "test", 0))
    loads[np.setdiff1d(np.arange(N), design.order)[:3]] = 1.0  # none of them labelled
    labels = np.zeros(150, np.int8)
    labels[:10] = 1
    assert weighted_share(pairs, design, labels, loads).high > 0.5


def test_undecided_labels_widen_it():
    rng = np.random.default_rng(3)
    pairs, loads = population(), rng.exponential(size=N)
    design = draw_design(pairs, 150, Key(0, "test", 0))
    labels = (rng.random(150) < 0.2).astype(np.int8)
    plain = weighted_share(pairs, design, labels, loads)
    labels[labels == 0] = np.where(rng.random((labels == 0).sum()) < 0.2, -1, 0)
    wider = weighted_share(pairs, design, labels, loads)
    assert (wider.estimate, wider.low) == pytest.approx((plain.estimate, plain.low))
    assert wider.high > plain.high + 0.05


@pytest.mark.parametrize("loads", [np.zeros(N), np.full(N, -1.0), np.full(N, np.nan), np.ones(3)])
def test_loads_that_are_none(loads):
    pairs = population()
    design = draw_design(pairs, 20, Key(0, "test", 0))
    with pytest.raises(InputError, match="loads must be 600 numbers from 0 on"):
        weighted_share(pairs, design, np.zeros(20, np.int8), loads)


def test_gradients_of_all_labelled_are_those_of_the_truth(mined):
    subject = result_subject(mined.result, None)
    rng = np.random.default_rng(0)
    subject = replace(subject, scores=np.where(rng.random(len(subject.items)) < 0.1, np.nan, subject.scores))
    negatives = negatives_of(mined)
    positive = rng.random(len(negatives)) < 0.3
    drawn = draw(negatives, len(negatives), 0)
    counted = Counted(drawn, negatives, positive[drawn.design.order].astype(np.int8))
    found = labelled_gradients(subject, counted, len(negatives))
    (true,) = all_gradients(replace(subject, p_positive=None), (positive, np.ones(len(positive), bool)))
    assert (found.evidence, found.negatives) == ("labels", true.negatives)
    assert found.share_of_negatives.estimate == pytest.approx(true.share_of_negatives.estimate)
    for one, other in zip(found.losses, true.losses, strict=True):
        assert one.loss == other.loss
        assert one.share.estimate == pytest.approx(other.share.estimate, abs=1e-9)
        assert one.share.low <= one.share.estimate <= one.share.high
    assert labelled_gradients(subject, counted, None) is None
    nothing = Counted(drawn, negatives, np.zeros(len(negatives), np.int8))
    assert labelled_gradients(subject, nothing, len(negatives)) is None


def told(report, *shares):
    """Give a report whose gradients are of the losses that the terminal tells, with these shares."""
    found = Gradients(
        evidence="labels",
        negatives=96,
        share_of_negatives=Estimate(0.05, 0.021, 0.1),
        score="dense",
        unit=1.0,
        losses=[LossShare(name, Estimate(*share)) for name, share in zip(TOLD, shares, strict=True)],
    )
    return msgspec.structs.replace(report, gradients=[found])


NARROW, EDGE, WIDE = (0.078, 0.03, 0.15), (0.2, 0.1, 0.6), (0.015, 0.0, 1.0)


def test_shares_are_told_with_their_intervals(report):
    lines = summarise(told(report, NARROW, EDGE, NARROW, NARROW)).splitlines()
    (line,) = (line for line in lines if "negative gradient" in line)
    assert line == (
        "  negative gradient on positives by the labels, 5.0 % [2.1, 10] of the negatives: 7.8 % [3.0, 15] for BCE; "
        "20 % [10, 60] for OHEM, hardest 10%; 7.8 % [3.0, 15] for InfoNCE, t = 0.05; 7.8 % [3.0, 15] for "
        "InfoNCE, t = 0.01"
    )
    assert not any("not shown" in line for line in lines)


def test_shares_of_which_nothing_is_known_are_named_without_a_figure(report):
    open_report = told(report, NARROW, EDGE, WIDE, WIDE)
    text = summarise(open_report)
    assert "20 % [10, 60] for OHEM, hardest 10%\n" in text
    left_out = "InfoNCE, t = 0.05; InfoNCE, t = 0.01"
    assert f"    not shown, with an interval over more than half of the scale: {left_out}\n" in text
    assert "1.5 %" not in text
    assert open_report.data()["gradients"][0]["losses"][3]["share"] == {"estimate": 0.015, "low": 0.0, "high": 1.0}
    assert "of the negatives: too uncertain to say\n" in summarise(told(report, WIDE, WIDE, WIDE, WIDE))


def test_the_page_has_every_interval(report):
    unknown = "A share whose interval spans more than half of the scale is as good as unknown."
    page = Audit(told(report, NARROW, EDGE, NARROW, WIDE)).html().replace("\N{NO-BREAK SPACE}", " ")
    assert '5.0 % <span class="interval">(2.1 % to 10.0 %)</span> of 96 negatives' in page
    assert '1.5 %<br> <span class="interval">0 % to 100 %</span></td><td>–</td>' in page
    assert unknown in page
    assert unknown not in Audit(told(report, NARROW, EDGE, NARROW, NARROW)).html()
