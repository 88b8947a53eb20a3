"""From labels of a result to p_positive in a result: found, fitted, measured on other anchors, applied, refused."""

import json

import msgspec
import numpy as np
import pytest
from calibrating_world import candidate_ids, labels_of, world

import foils
from foils.calibrating import calibrate, read_calibration, write_plot
from foils.calibrating.calibrate import folds_of, out_of_fold
from foils.calibrating.pairs import labelled_pairs
from foils.calibrators import Input
from foils.errors import InputError, RecipeError

TABLES = ("negatives.parquet", "candidates.parquet", "items.parquet")
RATE = 'rules=[{"max_false_negative_rate": {"rate": 0.1}}]'


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """One world, mined without rules, and 600 labels."""
    folder = tmp_path_factory.mktemp("planted")
    this = world(folder)
    mined = this.mine(folder / "mined")
    return this, mined, this.labels(mined, 600)


def truth_of(this, mined):
    anchors, items = candidate_ids(mined)
    return np.array([pair in this.truth for pair in zip(anchors, items, strict=True)])


def flat(mined, column):
    return mined.result.candidates([column])[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)


def test_labelled_pairs_are_found_with_their_scores(planted):
    _, mined, labels = planted
    pairs = labelled_pairs(mined.result, labels)
    wanted = dict(zip(zip(*candidate_ids(mined), strict=True), flat(mined, "score.second"), strict=True))
    named = dict(
        zip(
            zip(labels.anchor_ids.to_pylist(), labels.item_ids.to_pylist(), strict=True),
            labels.labels.tolist(),
            strict=True,
        )
    )
    trusted = int((flat(mined, "p_positive") == 0).sum())
    assert trusted
    assert 600 - trusted <= len(pairs) <= 600
    assert pairs.left_out == {"not a candidate, or a trusted negative": 600 - len(pairs)}
    for row in range(len(pairs)):
        pair = str(pairs.candidates.units.anchors[row]), str(pairs.candidates.items[row, 0])
        assert pairs.targets[row] == named[pair]
        assert pairs.candidates.columns["second"].values[row, 0] == np.float32(wanted[pair])
    again = labelled_pairs(mined.result, labels_of([("0", "no such item"), *named], [1, *named.values()]))
    assert len(again) == len(pairs)


def test_margins_of_pairs_are_those_of_their_units(planted):
    _, mined, labels = planted
    pairs = labelled_pairs(mined.result, labels)
    table = mined.result.candidates(["anchor", "positive_score.second"]).to_pylist()
    positive = {row["anchor"]: row["positive_score.second"][0] for row in table}
    expected = [
        score - np.float64(np.float32(positive[anchor]))
        for score, anchor in zip(
            pairs.candidates.columns["second"].values[:, 0].astype(np.float64), pairs.anchors.tolist(), strict=True
        )
    ]
    assert Input("second", "min").values(pairs.candidates)[:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("isotonic", {}),
        ("platt", {"columns": ["dense"]}),
        ("isotonic", {"measure": "margin", "reference": "mean"}),
        ("stacker", {"measure": "both"}),
        ("cascade", {}),
    ],
)
def test_a_calibration_is_far_better_than_the_score_as_it_stands(planted, method, options):
    this, mined, labels = planted
    found = calibrate(mined, labels, method=method, **options)
    assert found.after.calibration_error < 0.5 * found.before.calibration_error
    assert found.after.brier < found.before.brier
    assert found.after.said == pytest.approx(found.after.found, abs=0.03)
    # And on all candidates, of which it has seen a third.
    rejudged = mined.rethreshold([found.setting()])
    p, truth = flat(rejudged, "p_positive"), truth_of(this, mined)
    assert p.mean() == pytest.approx(truth.mean(), abs=0.04)
    assert (p[flat(mined, "p_positive") == 0] == 0).all()
    assert not np.isnan(p).any()
    assert np.mean((p - truth) ** 2) < 0.9 * np.mean((truth.mean() - truth) ** 2)


def test_a_stacker_of_both_encoders_beats_each(planted):
    _, mined, labels = planted
    losses = {
        columns: calibrate(mined, labels, method="stacker", columns=list(columns)).after.log_loss
        for columns in (("dense",), ("second",), ("dense", "second"))
    }
    assert losses[("dense", "second")] < min(losses[("dense",)], losses[("second",)])


@pytest.mark.parametrize("method", ["isotonic", "platt", "stacker", "cascade"])
def test_no_anchor_is_judged_by_a_fit_that_has_seen_it(planted, method):
    _, mined, labels = planted
    pairs = labelled_pairs(mined.result, labels)
    inputs = [Input("second", None)]
    said = out_of_fold(method, inputs, pairs, 0)
    anchor = pairs.anchors[0]
    own = pairs.anchors == anchor
    assert own.sum() > 1
    turned = pairs.take(np.arange(len(pairs)))
    turned.targets[own] = 1 - turned.targets[own]  # which must change nothing of what is said of the anchor
    after = out_of_fold(method, inputs, turned, 0)
    np.testing.assert_array_equal(after[own], said[own])
    assert (after[~own] != said[~own]).any()


def test_folds_keep_an_anchor_together_and_are_even():
    anchors = np.repeat(np.random.default_rng(0).permutation(103), np.arange(103) % 7 + 1)
    folds = folds_of(anchors, 0)
    of = {anchor: set(folds[anchors == anchor].tolist()) for anchor in range(103)}
    assert all(len(one) == 1 for one in of.values())
    sizes = np.bincount([one.pop() for one in of.values()])
    assert sizes.tolist() in ([21, 21, 21, 20, 20],)
    assert (folds_of(anchors, 1) != folds).any()


def test_a_design_is_undone(planted):
    this, mined, _ = planted
    anchors, items = candidate_ids(mined)
    truth, rng = truth_of(this, mined), np.random.default_rng(0)
    pi = np.where(truth, 0.5, 0.1)
    chosen = np.flatnonzero(rng.random(len(pi)) < pi)
    labels = labels_of([(anchors[place], items[place]) for place in chosen], truth[chosen], pi[chosen])
    found = calibrate(mined, labels)
    assert found.weighted
    assert found.after.found == pytest.approx(truth.mean(), abs=0.04)
    assert flat(mined.rethreshold([found.setting()]), "p_positive").mean() == pytest.approx(truth.mean(), abs=0.04)
    assert not any("design" in note for note in found.notes)
    alike = calibrate(mined, labels_of([(anchors[place], items[place]) for place in chosen], truth[chosen]))
    assert alike.after.found > 1.5 * truth.mean()
    assert any("not all pairs were drawn by a design" in note for note in alike.notes)


def test_a_column_that_is_no_probability_teaches_nothing(planted):
    with pytest.raises(InputError, match="second gives a ratio, and a calibrator learns from probabilities"):
        calibrate(planted[1], column="second", columns=["dense"])


def test_rethreshold_by_a_calibration_is_a_fresh_run(planted, tmp_path):
    this, mined, labels = planted
    setting = calibrate(mined, labels, method="stacker", measure="both").setting()
    rejudged = mined.rethreshold([setting, RATE], tmp_path / "rejudged")
    fresh = this.mine(tmp_path / "fresh", settings=[setting, RATE])
    for name in TABLES:
        assert (rejudged.path / name).read_bytes() == (fresh.path / name).read_bytes()
    assert msgspec.structs.replace(rejudged.identity, derived=None) == fresh.identity
    assert fresh.identity.recipe["p_positive"]["stacker"]["terms"][0]["column"] == "dense"
    assert "p_positive" not in mined.identity.recipe
    # And back again: without a calibrator nothing is left of it.
    back = rejudged.rethreshold(["p_positive=null", "rules=[]"], tmp_path / "back")
    for name in TABLES:
        assert (back.path / name).read_bytes() == (mined.path / name).read_bytes()


def test_the_rate_is_kept_and_explained(planted):
    this, mined, labels = planted
    rejudged = mined.rethreshold([calibrate(mined, labels, columns=["second"]).setting(), RATE])
    reasons, p = flat(rejudged, "reason"), flat(rejudged, "p_positive")
    assert set(reasons) == {"kept", "max_false_negative_rate"}
    assert p[reasons == "kept"].mean() <= 0.1 < p[reasons != "kept"].mean()
    truth = truth_of(this, mined)
    assert truth[reasons == "kept"].mean() < 0.15 < truth.mean()
    explanation = mined.rethreshold([calibrate(mined, labels).setting(), RATE]).explain("0")
    assert all(pair.p_positive is not None for pair in explanation.candidates)
    assert "max_false_negative_rate" in str(explanation)
    assert " p  0." in str(explanation)
    assert " p  0." not in str(mined.explain("0"))
    assert rejudged.negatives["p_positive"].combine_chunks().flatten().to_numpy().mean() <= 0.1


def test_one_rate_serves_both_encoders_where_one_threshold_does_not(tmp_path):
    """The second encoder's scores lie elsewhere: the same cut gives another rate, the same rate the same."""
    this = world(tmp_path, anchors=400)
    stretched = {"model": this.vectors["second"], "second": this.vectors["model"]}
    for name, (queries, items) in stretched.items():  # a constant part, which squeezes all cosines towards 1
        stretched[name] = np.c_[queries, np.full(len(queries), 4.0)], np.c_[items, np.full(len(items), 4.0)]
    there = type(this)(this.collection, stretched, this.truth, this.recipe)
    rates: dict[str, list[float]] = {"rate": [], "threshold": []}
    threshold = None
    for one in (there, this):
        mined = one.mine()
        labels = one.labels(mined, 800)
        truth, score = truth_of(one, mined), flat(mined, "score.dense")
        rejudged = mined.rethreshold([calibrate(mined, labels, columns=["dense"]).setting(), RATE])
        rates["rate"].append(truth[flat(rejudged, "reason") == "kept"].mean())
        if threshold is None:
            order = np.argsort(score)
            running = np.cumsum(truth[order]) / np.arange(1, len(order) + 1)
            threshold = score[order][np.flatnonzero(running <= rates["rate"][0])[-1]]
        below = score <= threshold
        rates["threshold"].append(truth[below].mean() if below.any() else 0.0)
    assert abs(rates["rate"][0] - rates["rate"][1]) < 0.03
    assert abs(rates["threshold"][0] - rates["threshold"][1]) > 0.05


def test_a_file_of_it_is_read_again_and_a_plot_stands_alone(planted, tmp_path):
    _, mined, labels = planted
    found = calibrate(mined, labels, method="stacker")
    path = found.write(tmp_path / "new" / "calibration.json")
    assert read_calibration(path) == found
    assert found.setting().startswith('p_positive={"stacker": {"terms": [')
    assert json.loads(path.read_text())["after"]["bins"]
    plot = write_plot(found, tmp_path / "reliability.svg").read_text()
    assert plot.startswith("<svg")
    assert "--paper" in plot
    assert "% found to be positive" in plot
    with pytest.raises(InputError, match=r"the plot is written as \.svg"):
        write_plot(found, tmp_path / "reliability.png")
    text = str(found)
    assert "before, the score as it stands" in text
    assert "calibration error" in text


DEEP = '{"p_positive": {"platt": ' + "[" * 100_000


@pytest.mark.parametrize("content", ["", "{}", '{"p_positive": {}}', "[1]", DEEP])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(InputError, match="give the file that foils calibrate --out named"):
        read_calibration(path)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "isotonik"}, "no method 'isotonik'; did you mean 'isotonic'"),
        ({"columns": ["sekond"]}, "no score column 'sekond'; did you mean 'second'"),
        ({"columns": "second"}, r"expected a list, as in columns=\['second'\]"),
        ({"columns": ["dense", "second"]}, "isotonic needs exactly one column to calibrate, and 2 are given"),
        ({"measure": "both"}, "measure 'both' is for a stacker"),
        ({"measure": "margins"}, "no measure 'margins'; did you mean 'margin'"),
        ({"reference": "pair"}, "reference 'pair' is for results mined per pair"),
        ({"column": "second"}, "give labels, or column="),
    ],
)
def test_what_cannot_be_is_refused(planted, options, problem):
    _, mined, labels = planted
    with pytest.raises(InputError, match=problem):
        calibrate(mined, labels, **options)


def test_scores_that_nobody_labelled_are_remarked_on(planted):
    this, mined, labels = planted
    assert not any("score lower by" in note for note in calibrate(mined, labels).notes)
    table, ids = mined.result.candidates(["unit_id", "items"]), mined.result.names.items.to_pylist()
    top = [(row["unit_id"], ids[item]) for row in table.to_pylist() for item in row["items"][:3]]
    nearest = labels_of(top, [pair in this.truth for pair in top])
    notes = calibrate(mined, nearest, columns=["dense"]).notes
    assert any("of the candidates score lower by dense than any labelled pair" in note for note in notes)
    assert not any("score lower by" in note for note in calibrate(mined, nearest, method="platt").notes)


def test_nothing_to_learn_from_is_refused(planted):
    with pytest.raises(InputError, match="give labels, or column="):
        calibrate(planted[1])


def test_too_few_labels_are_refused_with_what_it_takes(planted):
    this, mined, _ = planted
    anchors, items = candidate_ids(mined)
    truth = truth_of(this, mined)
    few = np.r_[np.flatnonzero(truth)[:4], np.flatnonzero(~truth)[::9][:96]]
    with pytest.raises(InputError, match=r"4 are positive and .*too few positives.*about 1\d\d more labels"):
        calibrate(mined, labels_of([(anchors[place], items[place]) for place in few], truth[few]))
    with pytest.raises(InputError, match="none of the 1 labelled pairs is a clear label of a candidate"):
        calibrate(mined, labels_of([("0", "nowhere")], [1]))
    unsure = labels_of([(anchors[0], items[0])], [-1])
    with pytest.raises(InputError, match="none of the 1 labelled pairs is a clear label"):
        calibrate(mined, unsure)


def test_a_result_without_scores_has_nothing_to_calibrate(tmp_path):
    this = world(tmp_path)
    mined = this.mine(recipe="uniform")
    with pytest.raises(InputError, match="isotonic needs exactly one column to calibrate, and 0 are given"):
        calibrate(mined, this.labels(mined, 100))


def test_pairs_of_several_units_share_their_weight(tmp_path):
    this = world(tmp_path)
    this.recipe.write_text("per: pair\n" + this.recipe.read_text())
    collection = this.collection
    pairs = [(int(anchor), int(item)) for anchor, item in sorted(this.truth)][::3]
    double = foils.Collection.from_arrays(
        pairs, anchors=collection.anchors.full_texts(0, 100), items=collection.items.full_texts(0, 600)
    )
    mined = type(this)(double, this.vectors, this.truth, this.recipe).mine()
    anchors, items = candidate_ids_of_pairs(mined)
    unique = sorted(set(zip(anchors, items, strict=True)))[:300]
    found = labelled_pairs(mined.result, labels_of(unique, [int(pair in this.truth) for pair in unique]))
    assert len(found) > 300
    assert found.weights.sum() == pytest.approx(300)


def candidate_ids_of_pairs(mined):
    table = mined.result.candidates(["anchor", "items"])
    rows = [
        (str(anchor), str(item))
        for anchor, items in zip(table["anchor"].to_pylist(), table["items"].to_pylist(), strict=True)
        for item in items
    ]
    return [anchor for anchor, _ in rows], [item for _, item in rows]


def test_a_rule_of_rates_without_a_calibrator_is_refused(planted):
    _, mined, _ = planted
    with pytest.raises(RecipeError, match=r"needs a calibrated p_positive.*foils calibrate RESULT --out"):
        mined.rethreshold([RATE])
