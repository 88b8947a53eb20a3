"""What a calibrated p_positive says beside what the labels say, bin by bin."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_world import record_all

import foils
from foils.auditing import Audit
from foils.auditing.from_result import result_subject
from foils.auditing.measured import labels_of, measured
from foils.auditing.measured_text import bins_words
from foils.auditing.reliability import BINS, bins_of
from foils.estimating import Label, estimate_rate
from foils.labelling import LabelStore, stored_or_drawn
from foils.labelling.events import Event

ASKED = 96


def probabilities(n, values=(0.0625, 0.125, 0.25, 0.5, 0.75)):
    """Give each negative one of the values, mixed."""
    return np.random.default_rng(5).permutation(np.resize(np.array(values, np.float32), n))


def measure(result, truth, said, n=ASKED):
    """Label so that of each value of ``truth`` that share is positive; measure beside what is ``said``."""
    drawn, _ = stored_or_drawn(result, n=n)
    positive, mixed = np.zeros(len(truth), bool), np.random.default_rng(1).permutation(len(truth))
    for share in np.unique(truth):
        having = mixed[truth[mixed] == share]
        positive[having[: round(float(share) * len(having))]] = True
    labels = positive[drawn.design.order]
    pairs = zip(drawn.pairs, labels.tolist(), strict=True)
    record_all(LabelStore.of(result.path), [Event(f"{i}", *pair, Label(one)) for i, (pair, one) in enumerate(pairs)])
    found, _ = labels_of(result)
    subject = replace(result_subject(result, None), p_positive=said)
    return measured(result, subject, found), found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.51, 0.9, 1.0, float("nan")]) | st.floats(0, 1, width=32)))
def test_bins_partition(p):
    p = np.array(p, np.float64)
    found = bins_of(p)
    said = ~np.isnan(p)
    assert ((found >= 0) == said).all()
    assert set(found[said].tolist()) == set(range(found.max(initial=-1) + 1))  # none is empty
    assert found.max(initial=-1) < BINS
    order = np.argsort(p[said], kind="stable")
    assert (np.diff(found[said][order]) >= 0).all()
    assert all(len(set(found[p == value].tolist())) == 1 for value in p[said])


@pytest.mark.parametrize(
    ("p", "sizes"),
    [
        (np.linspace(0, 1, 100), [20] * 5),
        (np.repeat([0.1, 0.9], [90, 10]), [90, 10]),
        (np.repeat([0.1, 0.9], [10, 90]), [10, 90]),
        (np.repeat([0.1, 0.2, 0.3], [5, 5, 5]), [5, 5, 5]),
        (np.full(7, 0.5), [7]),
        (np.array([np.nan, 0.5]), [1]),
    ],
)
def test_sizes_of_bins(p, sizes):
    found = bins_of(p)
    assert np.bincount(found[found >= 0]).tolist() == sizes


def test_bins_hold_all_that_have_one(result):
    n = len(result_subject(result, None).items)
    said = probabilities(n)
    said[:7] = np.nan
    found, counted = measure(result, np.nan_to_num(said), said)
    predicted, bins = found.predicted, found.predicted.bins
    assert [one.low for one in bins] == [one.high for one in bins] == [0.0625, 0.125, 0.25, 0.5, 0.75]
    assert sum(one.negatives for one in bins) == predicted.negatives == n - 7
    assert sum(one.labels for one in bins) == predicted.rate.labels
    assert np.average([one.mean for one in bins], weights=[one.negatives for one in bins]) == pytest.approx(
        predicted.mean
    )
    level = 1 - 0.05 / len(bins)
    for one in bins:
        inside = said == np.float32(one.low)
        design, population = counted.drawn.design, counted.negatives.population
        alone = estimate_rate(population, design, counted.labels[: found.shown], within=inside, level=level)
        assert (one.rate.low, one.rate.estimate, one.rate.high, one.rate.level) == (
            alone.low, alone.estimate, alone.high, 0.95,
        )  # fmt: skip


def test_calibrated_truth_agrees(result):
    said = probabilities(len(result_subject(result, None).items))
    predicted = measure(result, said, said)[0].predicted
    assert [one.beyond for one in predicted.bins] == [0.0] * 5
    assert bins_words(predicted) == "said and measured agree in all 5 bins of p_positive"


def test_a_mean_that_fits_hides_no_disagreement(result):
    truth = probabilities(len(result_subject(result, None).items), (0.05, 0.95))
    predicted = measure(result, truth, (1 - truth).astype(np.float32))[0].predicted
    assert predicted.fits
    low, high = predicted.bins
    assert low.rate.low > low.mean + 0.3
    assert high.rate.high < high.mean - 0.3
    assert (low.beyond, high.beyond) == (low.rate.low - low.mean, high.mean - high.rate.high)
    said = bins_words(predicted)
    assert said.startswith("said and measured disagree in 2 of 2 bins of p_positive, most where it says ")


def test_the_largest_disagreement_is_named(result):
    truth = probabilities(len(result_subject(result, None).items), (0.0625, 0.125, 0.25, 0.75))
    said = truth.copy()
    said[truth == 0.0625] = 0.9
    predicted = measure(result, truth, said)[0].predicted
    assert "disagree in 1 of 4 bins of p_positive, most where it says 90 %: on average 90 %, and" in bins_words(
        predicted
    )


def test_a_bin_without_labels(result):
    said = probabilities(len(result_subject(result, None).items), (0.125,))
    drawn, _ = stored_or_drawn(result, n=ASKED)
    rest = np.setdiff1d(np.arange(len(said)), drawn.design.order)
    said[rest[::2]] = 0.5
    predicted = measure(result, np.full(len(said), 0.125), said)[0].predicted
    known, unknown = predicted.bins
    assert (known.labels, unknown.labels, unknown.rate, unknown.beyond) == (ASKED, 0, None, 0.0)
    assert bins_words(predicted) == "said and measured agree in the only bin of p_positive that has labels"


def test_where_it_is_shown(result):
    truth = probabilities(len(result_subject(result, None).items), (0.05, 0.95))
    found, _ = measure(result, truth, (1 - truth).astype(np.float32))
    bare = foils.audit(foils.Mined.open(result.path, None))
    assert "Is p_positive right?" not in bare.html()
    audited = Audit(msgspec.structs.replace(bare.report, measured=found))
    assert audited.summary().count(f"\n  {bins_words(found.predicted)}\n") == 1
    page = audited.html()
    assert "<h3>Is p_positive right?</h3>" in page
    assert page.count("<td>no</td>") == 2
    written = json.loads(json.dumps(audited.report.data(), allow_nan=False))["measured"]["predicted"]["bins"]
    assert [set(one) for one in written] == [{"low", "high", "negatives", "labels", "mean", "rate"}] * 2
    assert [one["negatives"] for one in written] == [one.negatives for one in found.predicted.bins]
