"""A cheap score decides where it is sure, and the dear model is asked about the rest: in a mined result."""

import numpy as np
import pytest
from calibrating_world import world

from foils.calibrating import calibrate
from foils.errors import InputError
from foils.scorers.cross_encoder_model import CrossEncoderModel

TABLES = ("negatives.parquet", "candidates.parquet", "items.parquet")
RECIPE = """
source: {{dense: {{k: 20, max_depth: 20}}}}
scorers: [{{cross_encoder: {{model: {model}{band}}}}}]
rules:
  - mean_std: {{deviations: 1.5, column: dense}}
  - max_score: {{threshold: 0.5, column: cross_encoder, unscored: keep}}
sampler: {{top_k: {{column: dense}}}}
"""
BAND = ", band: {{column: dense, low: {}, high: {}, unit: deviations}}"


class Judge:
    """A model that knows the truth, noisily, and counts what it is asked."""

    def __init__(self, truth):
        self.truth, self.asked = truth, []

    def __call__(self, model, pairs):
        self.asked += pairs
        told = [(a.rpartition(" ")[2], b.rpartition(" ")[2]) in self.truth for a, b in pairs]
        noise = [((7 * len(a) + 13 * int(b.rpartition(" ")[2])) % 11 - 5) / 5 for a, b in pairs]
        return (4 * np.array(told) - 2 + np.array(noise)).astype(np.float32)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """A world, its judge, and how to mine with a band."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    this = world(tmp_path)
    judge = Judge(this.truth)
    monkeypatch.setattr(CrossEncoderModel, "logits", lambda model, pairs: judge(model, pairs))

    def mine(name, band=""):
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(RECIPE.format(model=folder, band=band))
        judge.asked.clear()
        return this.mine(tmp_path / name, recipe, cache=False)

    return this, judge, mine


def flat(mined, column):
    return mined.result.candidates([column])[column].combine_chunks().flatten().to_numpy(zero_copy_only=False)


def deviations(mined):
    """Say how far each candidate lies from its unit's mean."""
    rows = mined.result.candidates(["score.dense"])["score.dense"].to_pylist()
    return np.concatenate([(np.array(row) - np.mean(row)) / np.std(row, ddof=1) for row in rows])


def test_only_the_band_and_the_positives_are_put_to_the_model(judged):
    _, judge, mine = judged
    mined = mine("banded", BAND.format(0, 1.5))
    at = deviations(mined)
    inside = (at >= 0) & (at < 1.5)
    scores = flat(mined, "score.cross_encoder")
    np.testing.assert_array_equal(~np.isnan(scores), inside)
    positives = flat(mined, "positive_score.cross_encoder")
    assert not np.isnan(positives).any()
    assert len(judge.asked) == inside.sum() + len(positives)
    reasons = flat(mined, "reason")
    assert set(reasons[at >= 1.5]) == {"mean_std"}  # above: dropped unasked
    assert set(reasons[at < 0]) == {"kept"}  # below: kept unasked
    assert set(reasons[inside]) == {"kept", "max_score"}  # between: as the model says
    np.testing.assert_array_equal(reasons[inside] == "max_score", scores[inside] >= 0.5)


def test_a_band_saves_calls_and_loses_little(judged):
    this, judge, mine = judged
    every = mine("every")
    asked = len(judge.asked)
    banded = mine("banded", BAND.format(0, 1.5))
    positives = len(flat(every, "positive_score.cross_encoder"))
    assert len(judge.asked) - positives < 0.5 * (asked - positives)
    wrong = []
    for mined in (every, banded):
        drawn = zip(mined.negatives["anchor_id"].to_pylist(), mined.negatives["negative_ids"].to_pylist(), strict=True)
        wrong.append(np.mean([(anchor, item) in this.truth for anchor, items in drawn for item in items]))
    assert wrong[1] < wrong[0] + 0.02


def test_a_band_without_ends_is_no_band_and_one_without_width_asks_nothing(judged):
    _, judge, mine = judged
    plain, open_ended = mine("plain"), mine("open", ", band: {column: dense}")
    for name in TABLES:
        assert (plain.path / name).read_bytes() == (open_ended.path / name).read_bytes()
    shut = mine("shut", BAND.format(1, 1))
    assert np.isnan(flat(shut, "score.cross_encoder")).all()
    assert len(judge.asked) == len(flat(shut, "positive_score.cross_encoder"))


DEEPER = """
source: {{dense: {{k: 6, max_depth: 40}}}}
scorers: [{{cross_encoder: {{model: {model}, band: {{column: dense, low: -0.5, high: 1, unit: deviations}}}}}}]
rules:
  - max_score: {{threshold: 0.5, column: cross_encoder, unscored: {unscored}}}
sampler: {{top_k: {{column: dense}}}}
"""


def test_what_was_looked_at_deeper_is_judged_again_as_by_a_fresh_run(judged, tmp_path):
    this, _, _ = judged
    results = {}
    for unscored in ("reject", "keep"):
        recipe = tmp_path / f"{unscored}.yaml"
        recipe.write_text(DEEPER.format(model=tmp_path / "pairs", unscored=unscored))
        results[unscored] = this.mine(tmp_path / f"of-{unscored}", recipe, cache=False)
    depths = {name: mined.result.candidates(["searched_depth"])["searched_depth"] for name, mined in results.items()}
    assert depths["reject"].to_numpy().max() > depths["keep"].to_numpy().max()
    lenient = results["reject"].rethreshold(["rules.max_score.unscored=keep"])
    for name in TABLES:
        assert (lenient.path / name).read_bytes() == (results["keep"].path / name).read_bytes()


def test_that_every_candidate_is_read_is_only_said_where_it_is(judged, tmp_path):
    this, _, _ = judged
    text = DEEPER.format(model=tmp_path / "pairs", unscored="keep")
    band = ", band: {column: dense, low: -0.5, high: 1, unit: deviations}"
    assert band in text
    said = []
    for name, recipe in (("banded", text), ("plain", text.replace(band, ""))):
        path = tmp_path / f"{name}.yaml"
        path.write_text(recipe)
        mined = this.mine(tmp_path / f"of-{name}", path, cache=False)
        said.append(any("reads every candidate" in warning for warning in mined.stats["warnings"]))
    assert said == [False, True]


def test_a_cheap_score_learns_from_the_model_where_it_answered(judged):
    this, _, mine = judged
    mined = mine("banded", BAND.format(-0.5, 3))
    found = calibrate(mined, column="cross_encoder")
    assert (found.columns, found.learnt_from) == (("dense",), "cross_encoder")
    assert found.positives + found.negatives < len(flat(mined, "items"))
    assert found.after.calibration_error < 0.4 * found.before.calibration_error
    assert any("learnt from cross_encoder" in note for note in found.notes)
    cascade = calibrate(mined, this.labels(mined, 800), method="cascade", columns=["dense", "cross_encoder"])
    rejudged = mined.rethreshold([cascade.setting(), "rules=[]"])
    p, answered = flat(rejudged, "p_positive"), ~np.isnan(flat(mined, "score.cross_encoder"))
    assert not np.isnan(p).any()
    assert p[answered].std() > p[~answered].std()


def test_a_model_that_was_asked_nothing_teaches_nothing(judged):
    _, _, mine = judged
    with pytest.raises(InputError, match="cross_encoder scored no candidate"):
        calibrate(mine("shut", BAND.format(1, 1)), column="cross_encoder")
