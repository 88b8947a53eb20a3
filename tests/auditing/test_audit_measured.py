"""The measured rate in an audit: which labels it rests on, what is said of it, and what is left unsaid."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from label_world import record_all

import foils
from foils.auditing import Audit
from foils.auditing.from_result import result_subject
from foils.auditing.measured import labels_of, measured
from foils.auditing.measured_text import look_words, rate_words
from foils.auditing.scorer_quality import thresholds
from foils.estimating import Label, at_look, estimate_rate, scorer_quality
from foils.labelling import LabelStore, stored_or_drawn
from foils.labelling.events import Event
from foils.mining.stored import Result
from foils.reporting.text import percent

ASKED = 96
LOOKS = (60, 96)


def positives_of(world):
    """List (anchor id, item id) of all positives there are."""
    truth = world.truth
    anchors, items = truth.anchors.ids.to_pylist(), truth.items.ids.to_pylist()
    judged = truth.judgements
    return {(anchors[a], items[i]) for a, i in zip(judged.anchors.tolist(), judged.items.tolist(), strict=True)}


def label(result, labels, n=ASKED, seed=0):
    """Draw a design and label its first pairs; ``labels`` maps a pair, or lists labels."""
    drawn, _ = stored_or_drawn(result, n=n, seed=seed)
    given = labels if isinstance(labels, list) else [labels(pair) for pair in drawn.pairs]
    events = [Event(f"{place}", *drawn.pairs[place], Label(one)) for place, one in enumerate(given)]
    record_all(LabelStore.of(result.path), events)
    return drawn


@pytest.fixture
def truth(world):
    known = positives_of(world)
    return lambda pair: int(pair in known)


def measure(result):
    found, unused = labels_of(result)
    assert unused is None
    return measured(result, result_subject(result, None), found), found


def audit(result, world=None, **options):
    return foils.audit(foils.Mined.open(result.path, None if world is None else world.data), **options)


def test_no_labels(mined):
    report = foils.audit(mined).report
    assert report.measured is None
    assert report.data()["measured"] is None
    assert not any("label" in note for note in report.notes)


def test_the_rate_is_that_of_the_last_look(result, truth):
    drawn = label(result, [truth(pair) for pair in stored_or_drawn(result, n=ASKED)[0].pairs[:70]])
    found, counted = measure(result)
    population, labels = counted.negatives.population, counted.labels
    assert (found.labels, found.asked, found.looks, found.shown, found.next_look) == (70, ASKED, list(LOOKS), 60, 96)
    for target in ("file", "recipe"):
        one = getattr(found.mined_false_negative_rate, target)
        assert one.look == at_look(population, drawn.design, labels, target=target)
        assert one.fixed == estimate_rate(population, drawn.design, labels, target=target)
        assert one.look.labels == 60 < one.fixed.labels == 70
    assert found.counts["positive"] == int(labels.sum()) > 0


def test_every_negative_labelled_gives_the_true_rate(result, truth, world):
    everything, negatives = stored_or_drawn(result, n=10_000)
    label(result, truth, n=10_000)
    found, _ = measure(result)
    pairs = zip(negatives.anchor_ids.to_pylist(), negatives.item_ids.to_pylist(), strict=True)
    true = np.mean([truth(pair) for pair in pairs])
    look = found.mined_false_negative_rate.file.look
    assert (look.low, look.estimate, look.high) == pytest.approx((true, true, true))
    hidden = audit(result, world, truth=world.truth).report.hidden
    assert hidden.rate_of_all.estimate == pytest.approx(true, abs=0.02)  # but for copies, which are counted elsewhere
    assert len(everything) == len(negatives)


def test_labels_after_the_look_do_not_show(result, truth):
    first = [truth(pair) for pair in stored_or_drawn(result, n=ASKED)[0].pairs[:60]]
    label(result, first)
    before = measure(result)[0]
    drawn, _ = stored_or_drawn(result)
    more = [Event(f"more {place}", *drawn.pairs[place], Label.POSITIVE) for place in range(60, 80)]
    record_all(LabelStore.of(result.path), more)
    after = measure(result)[0]
    assert rate_words(after) == rate_words(before)
    assert (after.bands, after.scorers) == (before.bands, before.scorers)
    assert after.mined_false_negative_rate.file.fixed.estimate > before.mined_false_negative_rate.file.fixed.estimate
    assert "20 later labels are not in it; they count from 96 labels on." in look_words(after)
    assert "does not hold for whoever stopped because of what it says" in look_words(after)[-1]


def test_after_the_last_look_more_labels_need_a_new_design(result, truth, world):
    label(result, truth, n=60)
    audited = audit(result, world)
    found = audited.report.measured
    assert found.shown == found.asked == 60 < 60 + found.mined_false_negative_rate.file.to_halve
    assert "they need a new, larger design, as this one of 60 cannot grow" in rate_words(found)[-1]
    more = 60 + found.mined_false_negative_rate.file.to_halve
    assert f"(foils review {result.path} --labels {more} says how" in audited.summary()
    assert "more, in a new, larger design" in audited.html()


def test_nothing_is_shown_before_the_first_look(result):
    label(result, [1] * 59)
    audited = audit(result)
    found = audited.report.measured
    assert (found.shown, found.rate, found.bands, found.sources, found.scorers, found.predicted) == (
        None, None, [], [], [], None,
    )  # fmt: skip
    said = next(one for one in audited.report.findings if "59 of 96" in one.text)
    assert said.level == "fine"
    assert "%" not in said.text
    assert "really positives" not in audited.report.headline
    assert not any(one.evidence == "labels" for one in audited.report.gradients)


def test_parts_hold_together(result, truth):
    label(result, truth)
    found, counted = measure(result)
    population = counted.negatives.population
    assert sum(part.negatives for part in found.bands) == population.size
    assert sum(part.labels for part in found.bands) == ASKED
    assert len(found.bands) > 1
    for code, part in enumerate(found.bands):
        inside = population.bands == code
        level = 1 - 0.05 / len(found.bands)
        alone = estimate_rate(population, counted.drawn.design, counted.labels, within=inside, level=level)
        assert (part.rate.low, part.rate.high, part.rate.level) == (alone.low, alone.high, 0.95)
    assert [(part.label, part.labels) for part in found.sources] == [("dense", ASKED)]


def test_scorers(result, truth):
    label(result, truth)
    found, counted = measure(result)
    population = counted.negatives.population
    (dense,) = found.scorers
    expected = scorer_quality(
        population, counted.drawn.design, counted.labels, population.scores, thresholds(population.scores),
        target="recipe",
    )  # fmt: skip
    assert (dense.column, dense.guided, dense.scored, dense.quality) == ("dense", True, 1.0, expected)
    assert [round(one.called, 2) for one in dense.quality.thresholds] == [0.05, 0.1, 0.2]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        (np.arange(40.0), [38.0, 36.0, 32.0]),
        (np.repeat([0.0, 1.0], [35, 5]), [1.0]),  # 5 of 40: too many for 5 %, near enough to 10 %
        (np.repeat([np.nan, 1.0], [38, 2]), [1.0]),
        (np.zeros(40), []),
    ],
)
def test_thresholds(scores, expected):
    assert thresholds(scores) == expected


@pytest.mark.parametrize(("shift", "fits"), [(0.0, True), (0.6, False)])
def test_predicted_beside_measured(result, truth, shift, fits):
    label(result, truth)
    found, _ = labels_of(result)
    subject = result_subject(result, None)
    rate = measured(result, subject, found).rate.estimate
    p = np.full(len(subject.items), rate + shift, np.float32)
    p[:5] = np.nan
    predicted = measured(result, replace(subject, p_positive=p), found).predicted
    assert predicted.negatives == len(p) - 5
    assert predicted.mean == pytest.approx(rate + shift, abs=1e-6)
    assert predicted.rate.size == len(p) - 5
    assert predicted.fits == fits
    nobody = np.zeros(len(p), np.float32)  # judged non-relevant, not calibrated
    assert measured(result, replace(subject, p_positive=nobody), found).predicted is None


def test_the_headline(result, truth, world):
    label(result, truth)
    report = audit(result).report
    rate = report.measured.rate
    assert rate.estimate > 0.02
    assert report.headline.startswith("Measured on 96 labels: ")
    assert report.headline.endswith("] of the negatives are really positives")
    assert report.findings[0].level == "look"
    assert report.findings[0].text.startswith(report.headline)
    with_faults = audit(result, world).report
    assert with_faults.findings[0].level == "fault"
    assert "Measured" not in with_faults.headline


def test_no_positive_found(result):
    label(result, [0] * ASKED)
    report = audit(result).report
    high = report.measured.rate.high
    assert report.measured.rate.estimate == 0 < high
    assert report.headline.startswith("Measured on 96 labels: at most ")
    assert next(one for one in report.findings if "Measured" in one.text).level == "fine"
    assert not any(one.evidence == "labels" for one in report.gradients)


def test_unsure_and_skipped(result):
    labels = [1, 0, 0, 0, 0, -1, 0, -2] * 12
    label(result, labels)
    found, counted = measure(result)
    rate = found.rate
    assert (rate.unsure, rate.skipped) == (12, 12)
    least = estimate_rate(counted.negatives.population, counted.drawn.design, (counted.labels > 0).astype(np.int8))
    most = estimate_rate(counted.negatives.population, counted.drawn.design, (counted.labels != 0).astype(np.int8))
    assert (rate.best, rate.worst) == pytest.approx((least.estimate, most.estimate))
    assert rate.low < rate.best < rate.estimate < rate.worst < rate.high
    assert "24 of the labels are unsure or skipped: with all of these taken as negative" in rate_words(found)[1]


def test_one_label_is_singular(result):
    drawn = label(result, [1])
    found, _ = measure(result)
    assert rate_words(found)[0] == "1 of 96 pairs drawn to be labelled has a label."
    assert "settled beforehand to give 1 label, the rate" in look_words(found)[-1]
    assert "1 of the 96 pairs drawn has a label." in audit(result).html()
    more = [Event(f"{place}", *drawn.pairs[place], Label(-(place == 1))) for place in range(1, 62)]
    record_all(LabelStore.of(result.path), more[:60])
    found, _ = measure(result)
    assert rate_words(found)[1].startswith("1 of the labels is unsure or skipped: with it taken as negative the rate")
    assert look_words(found)[1] == "1 later label is not in it; it counts from 96 labels on."
    record_all(LabelStore.of(result.path), more[60:])
    assert look_words(measure(result)[0])[1] == "2 later labels are not in it; they count from 96 labels on."


def test_nobody_could_decide(result, tmp_path):
    label(result, [-1] * ASKED)
    audited = audit(result, out=tmp_path / "report")
    written = json.loads((tmp_path / "report/report.json").read_text(), parse_constant=pytest.fail)
    assert written["measured"]["mined_false_negative_rate"]["file"]["look"]["estimate"] is None
    assert "at most 100 %" in audited.report.headline
    assert "nan" not in audited.summary()
    assert ">nan" not in audited.html()


def test_labels_without_a_design(result):
    LabelStore.of(result.path).create()
    notes = audit(result).report.notes
    assert any("belong to no design" in note and "foils review" in note for note in notes)


def test_a_design_without_labels(result):
    stored_or_drawn(result, n=ASKED)
    report = audit(result).report
    assert report.measured is None
    assert any("the first has no label yet" in note for note in report.notes)


def test_labels_of_other_negatives(result, truth):
    label(result, truth)
    path = result.path / "manifest.json"
    path.write_text(path.read_text().replace('"negatives": "', '"negatives": "0'))
    audited = audit(Result(result.path))
    assert audited.report.measured is None
    assert any("The labels were not used" in note and "have changed" in note for note in audited.report.notes)
    assert "The labels were not used" in audited.summary()


def test_a_result_without_scores(world, tmp_path, truth):
    plain = world.mine("uniform", tmp_path / "uniform").result
    label(plain, truth)
    found, _ = measure(plain)
    assert (found.scorer, found.scorers) == (None, [])
    assert found.shown == 96
    assert "really positives" in audit(plain).report.headline


def test_the_page(result, truth, hostile):
    label(result, truth)
    report = audit(result).report
    html = Audit(report).html()
    for part in (
        "How many are really positives?",
        "By rank",
        "Which score finds them?",
        'id="measured-',
        "by the labels",
        "of parts and of scores, hold for a number of labels fixed beforehand",
        "Intervals by the labels hold for a number of labels fixed beforehand.",
    ):
        assert part in html
    rate = report.measured.rate
    assert f'{percent(rate.estimate)} <span class="interval range">[{percent(rate.low)}, {percent(rate.high)}]' in html
    found = report.measured
    named = msgspec.structs.replace(
        found,
        scorer=hostile,
        scorers=[msgspec.structs.replace(one, column=hostile) for one in found.scorers],
        bands=[msgspec.structs.replace(one, label=hostile) for one in found.bands],
    )
    audited = Audit(msgspec.structs.replace(report, measured=named))
    html = audited.html()
    assert "<script" not in html.replace("&lt;script", "")
    assert "<img" not in html
    for control in ("\x1b", "\x07", "\u202e"):
        assert control not in html
        assert control not in audited.summary()


def test_the_page_before_the_first_look(result):
    label(result, [1] * 30)
    html = audit(result).html()
    assert "The rate is shown from 60 labels on." in html
    assert "Which score finds them?" not in html
    assert "really positive, measured" not in html
