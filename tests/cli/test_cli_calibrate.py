"""``foils calibrate``, ``foils rethreshold`` and ``foils mine --calibration``: from a file of labels to a result."""

import json

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_world import tables

import foils
from foils.calibrating import read_calibration
from foils.mining import Mined

RATE = "rules=[{max_false_negative_rate: {rate: 0.2}}]"


@pytest.fixture
def labels(label_every):
    """Label everything: what scores high is a positive, now and then."""

    def label_at(place):
        return "positive" if place < 6 and place % 3 != 1 else "unsure" if place == 9 else "negative"

    return label_every(label_at)


@pytest.fixture
def fitted(run, labels, out, tmp_path):
    """Calibrate by these labels."""
    path = tmp_path / "calibration.json"
    assert run("calibrate", out, "--labels", labels, "--out", path).code == 0
    return path


def test_it_says_what_was_fitted_and_how_well_it_does(run, labels, out, tmp_path):
    path, plot = tmp_path / "new" / "calibration.json", tmp_path / "new" / "reliability.svg"
    said = run("calibrate", out, "--labels", labels, "--method", "platt", "--out", path, "--plot", plot)
    assert said.code == 0, said.err
    assert said.out.startswith("platt of dense: 143 labels of 6 anchors (24 positive)")
    assert "calibration error" in said.out
    assert "left out: 6 unsure or skipped" in said.out
    assert f"written to {path} and {plot}" in said.out
    assert plot.read_text(encoding="utf-8").startswith("<svg")
    assert "next: foils rethreshold" in said.err
    found = read_calibration(path)
    assert found.method == "platt"
    assert [*found.p_positive] == ["platt"]


def test_as_json_it_is_the_file(run, labels, out, tmp_path):
    path = tmp_path / "calibration.json"
    data = run("calibrate", out, "--labels", labels, "--out", path, "--json").json()
    assert data["calibration"] == json.loads(path.read_text(encoding="utf-8"))


def test_rethreshold_judges_by_a_calibration(run, fitted, out, tmp_path):
    again = tmp_path / "again"
    said = run("rethreshold", out, "--calibration", fitted, "--set", RATE, "--out", again)
    assert said.code == 0, said.err
    assert f"written to {again}" in said.out
    assert "fitted to scores of another" not in said.err
    assert "next: foils audit" in said.err
    kept = Mined.open(again)
    p = kept.negatives["p_positive"].combine_chunks().flatten().to_numpy()
    assert 0 < p.mean() <= 0.2
    reasons = pq.read_table(again / "candidates.parquet")["reason"].combine_chunks().flatten().to_pylist()
    assert set(reasons) == {"kept", "max_false_negative_rate"}


def test_mine_takes_a_calibration_and_gives_the_same(run, data, fitted, out, tmp_path):
    options = ["--recipe", "naive-top-k", "--negatives", 4, *data.vectors, "--set", "source.dense.k=25"]
    fresh = tmp_path / "fresh"
    said = run("mine", data.path, *options, "--calibration", fitted, "--set", RATE, "--out", fresh)
    assert said.code == 0, said.err
    again = tmp_path / "again"
    assert run("rethreshold", out, "--calibration", fitted, "--set", RATE, "--out", again).code == 0
    assert not Mined.open(again).needs_deeper
    assert run("plan", data.path, *options, "--calibration", fitted, "--set", RATE).code == 0
    there, here = tables(fresh), tables(again)
    assert all(there[name] == here[name] for name in there if name != "identity.json")
    assert json.loads(there["identity.json"])["recipe"]["p_positive"].keys() == {"isotonic"}


def test_another_scorer_is_remarked_on(run, data, fitted, tmp_path):
    out = tmp_path / "other"
    options = ["--recipe", "naive-top-k", "--negatives", 2, *data.vectors, "--set", 'scorers=[{"vectors": {}}]']
    said = run("mine", data.path, *options, "--calibration", fitted, "--out", out)
    assert said.code == 0, said.err
    assert "fitted to scores of another source or of other scorers" in said.err


@pytest.fixture
def other_encoder(data):
    """Replace the vectors of both sides, as another encoder gives them."""

    def replace():
        for path in (data.queries, data.corpus):
            data.set_vectors(path, lambda vectors: np.random.default_rng(5).normal(size=vectors.shape).astype("f4"))

    return replace


def plainly(said):
    return " ".join(said.err.split())


def mined_again(run, data, fitted, out):
    options = ["--recipe", "naive-top-k", "--negatives", 4, *data.vectors, "--set", "source.dense.k=25", "--fresh"]
    said = run("mine", data.path, *options, "--calibration", fitted, "--out", out)
    assert said.code == 0, said.err
    return plainly(said)


def test_another_encoder_is_warned_of(run, data, fitted, other_encoder, tmp_path):
    out, told = tmp_path / "other", "vectors.model.anchors, vectors.model.items differ; the probabilities (p_positive)"
    assert "calibrate anew" not in mined_again(run, data, fitted, out)
    other_encoder()
    assert told in mined_again(run, data, fitted, out)
    said = run("rethreshold", out, "--calibration", fitted, "--out", tmp_path / "again")
    assert told in plainly(said)
    assert "may be wrong here: calibrate anew" in plainly(said)


def test_from_python_it_is_warned_of_alike(data, fitted, other_encoder, out, tmp_path):
    setting, collection = read_calibration(fitted).setting(), foils.Collection.from_beir(data.path)
    options = {"negatives": 4, "settings": ["source.dense.k=25", setting], "cache": False}

    def mined(recipe="naive-top-k", **further):
        vectors = {"query_vectors": data.queries, "item_vectors": data.corpus}
        return foils.mine(collection, recipe, **{**vectors, **options, **further})

    mined()
    Mined.open(out).rethreshold([setting], tmp_path / "same")
    with pytest.warns(UserWarning, match="^p_positive was fitted to scores of another source or of other scorers"):
        mined(settings=[setting, 'scorers=[{"vectors": {}}]'])
    other_encoder()
    with pytest.warns(UserWarning, match="other vectors or models: vectors.model.anchors, vectors.model.items") as told:
        other = mined()
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="may be wrong here: calibrate anew") as told:
        other.rethreshold([setting, RATE], tmp_path / "again")
    assert told[0].filename == __file__


def test_a_file_without_digests_is_taken_without_a_word(run, data, fitted, other_encoder, tmp_path):
    file = json.loads(fitted.read_text(encoding="utf-8"))
    assert file.pop("fitted_inputs")["vectors.model.items"]
    fitted.write_text(json.dumps(file), encoding="utf-8")
    other_encoder()
    assert "calibrate anew" not in mined_again(run, data, fitted, tmp_path / "other")


def test_on_other_data_the_encoder_cannot_be_told(run, data, fitted, other_encoder, tmp_path):
    lines = data.lines("corpus.jsonl")
    data.write("corpus.jsonl", [lines[0].replace('"text": "', '"text": "other '), *lines[1:]])
    assert "calibrate anew" not in mined_again(run, data, fitted, tmp_path / "same")  # the very vectors
    other_encoder()
    told = mined_again(run, data, fitted, tmp_path / "other")
    assert "whether vectors.model are of the same encoder cannot be told" in told
    assert "warning" not in told


def test_on_other_data_python_says_that_the_encoder_cannot_be_told(data, fitted, other_encoder):
    setting = read_calibration(fitted).setting()

    def mined():
        vectors = {"query_vectors": data.queries, "item_vectors": data.corpus}
        collection = foils.Collection.from_beir(data.path)
        return foils.mine(collection, "naive-top-k", negatives=4, settings=["source.dense.k=25", setting], **vectors)

    lines = data.lines("corpus.jsonl")
    data.write("corpus.jsonl", [lines[0].replace('"text": "', '"text": "other '), *lines[1:]])
    mined()  # the very vectors
    other_encoder()
    with pytest.warns(UserWarning, match="whether vectors.model are of the same encoder cannot be told") as told:
        other = mined()
    assert [one.filename for one in told] == [__file__]
    with pytest.warns(UserWarning, match="on other data, so whether vectors.model") as told:
        other.rethreshold([setting, RATE])
    assert [one.filename for one in told] == [__file__]


def test_another_reranker_is_found_on_any_data(fitted):
    file = read_calibration(fitted)
    inputs = {"collection": "one", "scorers.cross_encoder.model": "a", "vectors.model.anchors": "q"}
    one = msgspec.structs.replace(file, fitted_inputs=inputs)
    assert one.other_inputs(inputs) == ((), ())
    other = {**inputs, "collection": "two", "scorers.cross_encoder.model": "b"}
    assert one.other_inputs(other) == (("scorers.cross_encoder.model",), ())
    assert one.other_inputs({**other, "collection.given": "one", "vectors.model.anchors": "x"}).differ == (
        "vectors.model.anchors",
        "scorers.cross_encoder.model",
    )


def test_a_recipe_without_the_column_is_refused(run, data, fitted, tmp_path):
    out = tmp_path / "other"
    said = run("mine", data.path, "--recipe", "uniform", "--negatives", 2, "--calibration", fitted, "--out", out)
    assert "there is no column 'dense'" in said.error
    assert not out.exists()


def test_json_tells_how_many_need_more(run, fitted, out, tmp_path):
    data = run("rethreshold", out, "--calibration", fitted, "--out", tmp_path / "again", "--json").json()
    assert data["needs_deeper"] == 0
    assert data["identity"]["derived"] == "rethreshold"


def test_what_cannot_be_done_is_refused_before_anything_is_written(run, labels, fitted, out, tmp_path):
    new = tmp_path / "x.json"
    refused = {
        ("calibrate", out, "--labels", tmp_path / "no.csv", "--out", new): "no.csv",
        ("calibrate", out, "--labels", labels, "--by", "dense", "--out", new): "give one of them",
        (
            "calibrate",
            out,
            "--by",
            "dense",
            "--columns",
            "dense",
            "--out",
            new,
        ): "a calibrator learns from probabilities",
        ("calibrate", out, "--labels", labels, "--out", new, "--plot", "x.png"): "written as .svg",
        ("calibrate", out, "--labels", labels, "--out", new.with_suffix(".yaml")): "give a name that ends in .json",
        ("calibrate", out, "--labels", labels, "--out", new, "--columns", "dens"): "did you mean 'dense'",
        ("calibrate", out, "--out", new): "labelled",
        ("calibrate", tmp_path, "--labels", labels, "--out", new): "is not a result of foils mine",
        ("rethreshold", out, "--out", new): "nothing is to be changed",
        ("rethreshold", out, "--set", RATE, "--out", new): "needs a calibrated p_positive",
        ("rethreshold", out, "--calibration", labels, "--out", new): "give the file that foils calibrate --out named",
        ("rethreshold", out, "--set", "source.dense.k=3", "--out", new): "mine again",
    }
    for command, problem in refused.items():
        assert problem in run(*command).error, command
        assert not new.exists()
    assert not new.with_suffix(".yaml").exists()
