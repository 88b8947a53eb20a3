"""Two results with labels: both rates and their difference, and when there is none to give."""

import shutil

import msgspec
import numpy as np
import pytest
from label_world import record_all

import foils
from foils.auditing.compared_rates import _occurrences, _union, compare_measured
from foils.auditing.measured_text import compared_words
from foils.estimating import Label
from foils.labelling import LabelStore, negatives_of, stored_or_drawn
from foils.labelling.events import Event
from foils.mining.stored import Result


def pairs_of(result):
    negatives = negatives_of(result)
    return list(zip(negatives.anchor_ids.to_pylist(), negatives.item_ids.to_pylist(), strict=True))


def label(result, labels, n=None, given=None):
    drawn, _ = stored_or_drawn(result, n=n)
    pairs = drawn.pairs[:given]
    record_all(
        LabelStore.of(result.path),
        [Event(f"{place}", *pair, Label(int(labels(pair)))) for place, pair in enumerate(pairs)],
    )


def odd(pair):
    """Call about a third of all pairs positive."""
    return (sum(map(ord, pair[0] + pair[1])) % 3) == 0


@pytest.fixture(scope="module")
def mined_ones(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return {
        "wide": world.mine("naive-top-k", folder / "wide", negatives=8),
        "narrow": world.mine("naive-top-k", folder / "narrow", negatives=4),
        "shifted": world.mine("nv-retriever", folder / "shifted", negatives=8),
    }


@pytest.fixture
def ones(mined_ones, tmp_path, monkeypatch):
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    for name, mined in mined_ones.items():
        shutil.copytree(mined.result.path, tmp_path / name)
    return {name: Result(tmp_path / name) for name in mined_ones}


def true_rate(result):
    return np.mean([odd(pair) for pair in pairs_of(result)])


def test_all_labelled_on_both_sides(ones):
    now, before = ones["shifted"], ones["wide"]
    for one in (now, before):
        label(one, odd, n=10_000)
    found = compare_measured(now, before)
    rates = true_rate(now), true_rate(before)
    assert rates[0] != rates[1]
    assert (found.now.estimate, found.before.estimate) == pytest.approx(rates)
    for difference in (found.of_files, found.of_recipes):
        assert difference.estimate == pytest.approx(rates[0] - rates[1])
    assert (found.of_files.low, found.of_files.high) == pytest.approx((rates[0] - rates[1],) * 2)
    assert found.of_recipes.low < found.of_files.low
    both = set(pairs_of(now)) & set(pairs_of(before))
    assert (found.labels, found.labels_shared) == (len({*pairs_of(now), *pairs_of(before)}), len(both))
    assert (found.why, found.disagreeing) == (None, 0)


def test_some_labelled_on_both_sides(ones):
    now, before = ones["shifted"], ones["wide"]
    for one in (now, before):
        label(one, odd, n=96, given=70)
    found = compare_measured(now, before)
    assert found.now.labels + found.before.labels - found.labels_shared == found.labels <= 120  # 60 + 60, not 70 + 70
    assert found.of_files.low <= true_rate(now) - true_rate(before) <= found.of_files.high
    back = compare_measured(before, now)
    ends = (-found.of_files.high, -found.of_files.low)
    assert (back.of_files.low, back.of_files.high) == pytest.approx(ends, abs=0.02)  # bands are the first's


def test_designs_of_two_results_are_independent(ones):
    first, second = (stored_or_drawn(ones[name], n=96)[0] for name in ("wide", "shifted"))
    same = sum(one == other for one, other in zip(first.design.order, second.design.order, strict=True))
    assert same < 10


def test_one_design_speaks_for_what_it_covers(ones):
    label(ones["wide"], odd, n=10_000)
    found = compare_measured(ones["narrow"], ones["wide"])  # nobody labelled there, but all its negatives are here too
    assert found.now.estimate == pytest.approx(true_rate(ones["narrow"]))
    assert found.of_files.estimate == pytest.approx(true_rate(ones["narrow"]) - true_rate(ones["wide"]))


def test_one_design_cannot_speak_for_others(ones):
    label(ones["narrow"], odd, n=10_000)
    found = compare_measured(ones["narrow"], ones["wide"])
    outside = len(set(pairs_of(ones["wide"])) - set(pairs_of(ones["narrow"])))
    wide = ones["wide"]
    assert f"too few of the negatives of {wide.path} are labelled, and {outside:,} of its " in found.why
    assert f"foils review {ones['wide'].path}" in found.why
    assert (found.now, found.before, found.of_files, found.of_recipes) == (None,) * 4
    assert f"too few of the negatives of {wide.path}" in compare_measured(wide, ones["narrow"]).why


def test_labels_of_other_negatives_are_named(ones):
    stale = ones["wide"].path / "manifest.json"
    label(ones["wide"], odd, n=96)
    stale.write_text(stale.read_text().replace('"negatives": "', '"negatives": "0'))
    before = Result(stale.parent)
    assert "the labels were not used. " in compare_measured(ones["shifted"], before).why
    label(ones["shifted"], odd, n=96)
    why = compare_measured(ones["shifted"], before).why
    assert why.startswith("the labels were not used. ")
    assert "have changed since" in why
    assert "are none of the other folder's" in why


def test_nothing_to_compare(ones):
    assert compare_measured(ones["narrow"], ones["wide"]) is None
    label(ones["wide"], odd, n=96, given=59)
    assert "neither folder has as many labels as its first look" in compare_measured(ones["narrow"], ones["wide"]).why
    shutil.copytree(ones["wide"].path, ones["wide"].path.parent / "twin")
    twin = Result(ones["wide"].path.parent / "twin")
    drawn, _ = stored_or_drawn(twin)
    events = [Event(f"more {n}", *drawn.pairs[n], Label.NEGATIVE) for n in range(59, 96)]
    record_all(LabelStore.of(twin.path), events)
    assert "both hold the same negatives" in compare_measured(twin, ones["wide"]).why


def test_labels_that_disagree(ones):
    now, before = ones["shifted"], ones["wide"]
    label(now, odd, n=10_000)
    label(before, lambda pair: not odd(pair), n=10_000)
    found = compare_measured(now, before)
    assert found.disagreeing == found.labels_shared > 0
    assert found.now.estimate == pytest.approx(true_rate(now))  # the label here counts
    assert f"{found.disagreeing:,} pairs are labelled differently" in compared_words(found)
    assert "do not allow for stopping at a look" in compared_words(found)
    one = msgspec.structs.replace(found, disagreeing=1)
    assert "; 1 pair is labelled differently in the two folders, and the label here counts" in compared_words(one)


def test_repeated_uses_stay_apart(ones):
    negatives = negatives_of(ones["narrow"])
    assert _occurrences(np.array([5, 3, 5, 5, 3, 9])).tolist() == [0, 0, 1, 2, 1, 0]
    union = _union(negatives, negatives)
    assert union.population.size == len(negatives)
    np.testing.assert_array_equal(union.now, union.before)
    union = _union(negatives, negatives_of(ones["wide"]))
    assert union.population.size == len(negatives_of(ones["wide"]))
    assert set(union.now.tolist()) < set(union.before.tolist())


def test_in_the_report(ones):
    for name in ("shifted", "wide"):
        label(ones[name], odd, n=96)
    now, before = (foils.Mined.open(ones[name].path) for name in ("shifted", "wide"))
    audited = foils.audit(now, compare_with=before)
    rates = audited.report.comparison.rates
    assert audited.data()["comparison"]["rates"]["of_files"]["estimate"] == pytest.approx(rates.of_files.estimate)
    assert "Really positive, measured: " in audited.summary()
    assert "difference of the two recipes, in percentage points: " in audited.summary()
    html = audited.html()
    assert "really positive, measured" in html
    assert f"Measured on {rates.labels} labels, of both folders" in html
    LabelStore.of(ones["wide"].path).path.unlink()
    alone = foils.audit(now, compare_with=before)
    for shown in (alone.summary(), alone.html()):
        assert f"The measured rates are not compared: too few of the negatives of {ones['wide'].path}" in shown
