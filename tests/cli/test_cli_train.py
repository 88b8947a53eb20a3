"""``foils train``: from pairs, with mined negatives or without, to a model that others read."""

import sys

import model2vec
import numpy as np
import pytest
from cli_world import contents

from foils.encoders import StaticEncoder


@pytest.fixture
def train(run, data, out):
    def run_train(*options: object, model: object = out):
        return run("train", data.path, "--kind", "static", "--dim", 16, "--out", model, *options)

    return run_train


@pytest.fixture
def mined(run, data, tmp_path):
    folder = tmp_path / "mined"
    assert run("mine", data.path, "--recipe", "uniform", "--negatives", 4, "--out", folder).code == 0
    return folder


def test_without_mined_negatives(train, out):
    said = train()
    assert said.code == 0
    assert "5 steps with in-batch negatives; loss at the end " in said.out
    assert f"written to {out} (model2vec format)" in said.out
    assert "\x1b" not in said.out + said.err
    assert "5 steps: the model has hardly moved; give --epochs or a smaller --batch-size" in said.err
    vectors = model2vec.StaticModel.from_pretrained(out).encode(["red cat"])
    np.testing.assert_allclose(vectors, StaticEncoder.load(out).encode(["red cat"]), atol=1e-6)


@pytest.mark.parametrize("mode", ["both", "mined"])
def test_with_mined_negatives(train, mined, tmp_path, mode):
    result = train("--mined", mined, "--negatives", mode, "--json").json()
    assert result["negatives"] == mode
    assert result["steps"] == 5
    assert result["loss"] > 0
    other = train("--json", model=tmp_path / "in-batch").json()
    assert result["digest"] != other["digest"]
    default = train("--mined", mined, "--json", model=tmp_path / "default").json()
    assert (default["negatives"], default["digest"] == result["digest"]) == ("both", mode == "both")


def test_equal_seeds_give_equal_models(train, mined, tmp_path):
    runs = [
        train("--mined", mined, "--seed", seed, "--json", model=tmp_path / f"m{i}") for i, seed in enumerate((3, 3, 4))
    ]
    first, second, third = (said.json()["digest"] for said in runs)
    assert first == second != third
    assert contents(tmp_path / "m0") == contents(tmp_path / "m1")


def test_a_result_with_a_row_for_each_pair(run, data, train, tmp_path):
    folder = tmp_path / "pairs"
    command = (
        "mine",
        data.path,
        "--recipe",
        "uniform",
        "--negatives",
        4,
        "--out",
        folder,
        "--set",
        "per=pair",
        "--json",
    )
    assert run(*command).json()["stats"]["units"] == 7
    assert train("--mined", folder).code == 0


def test_a_result_that_is_short_or_empty(run, data, train, tmp_path):
    folder = tmp_path / "short"
    command = ("mine", data.path, "--recipe", "naive-top-k", "--negatives", 50, "--out", folder, *data.vectors)
    assert run(*command).code == 0
    assert train("--mined", folder).code == 0
    command = ("mine", data.path, "--recipe", "max-score", "--negatives", 3, "--out", folder, "--fresh", *data.vectors)
    stats = run(*command, "--json", "--set", "rules.max_score.threshold=-1").json()["stats"]
    assert stats["negatives"] == 0
    assert "short holds no negatives at all" in train("--mined", folder, model=tmp_path / "other").error
    assert not (tmp_path / "other").exists()


def test_a_result_of_another_split(train, run, data, out, tmp_path):
    folder = tmp_path / "mined"
    command = ("mine", data.path, "--recipe", "uniform", "--negatives", 4, "--out", folder, "--split", "test")
    said = run(*command)
    assert f"--mined {folder} --split test" in said.err
    error = train("--mined", folder).error
    assert f"{folder} was mined for the split 'test'; train with --split test" in error
    assert not out.exists()
    assert train("--mined", folder, "--split", "test").code == 0


def test_a_result_of_other_data(train, data, mined, out):
    data.change("corpus.jsonl", 3, text="changed")
    error = train("--mined", mined).error
    assert f"{mined} was mined from other data than this; give the data that it was mined from" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--mined", "no-result"], "no-result is not a result of foils mine"),
        (["--negatives", "mined"], "--negatives mined needs --mined"),
        (["--negatives", "both"], "--negatives both needs --mined"),
        (["--mined", "m", "--negatives", "in_batch"], "--negatives in_batch makes no use of --mined"),
        (["--dim", "0"], "dim is 0; expected a number from 1"),
        (["--epochs", "-1"], "epochs is -1"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--temperature", "nan"], "temperature is nan"),
        (["--temperature", "hot"], "--temperature hot: expected a number"),
        (["--seed", "-1"], "--seed"),
    ],
)
def test_wrong_options_are_refused_before_the_data_is_read(run, out, options, expected):
    assert expected in run("train", "no-data", "--kind", "static", "--out", out, *options).error
    assert not out.exists()


def test_a_result_that_is_not_finished(run, data, train, mined, out):
    (mined / "manifest.json").unlink()
    assert f"{mined}: the run is not finished" in train("--mined", mined).error


def test_an_existing_model_is_not_overwritten(run, train, out):
    assert train().code == 0
    files = contents(out)
    error = run("train", "no-data", "--kind", "static", "--out", out).error
    assert f"{out} is there already" in error
    assert contents(out) == files


@pytest.mark.parametrize(
    ("place", "expected"), [("file", "is a file"), ("file/inside", "is a file"), ("n" * 300, "too long")]
)
def test_a_place_where_nothing_can_be_written(run, tmp_path, place, expected):
    (tmp_path / "file").write_text("mine")
    assert expected in run("train", "no-data", "--kind", "static", "--out", tmp_path / place).error
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_split_without_a_pair_of_texts(train, data, out):
    data.write_qrels("dev", [("q0", "d0", 0)])
    data.write_qrels("empty", [("q0", "d7", 1)])
    for split in ("dev", "empty"):
        error = train("--split", split).error
        assert f"'{split}'" in error
        assert "positives" in error
    assert "did you mean 'train'" in train("--split", "trian").error
    assert not out.exists()


def test_nothing_is_left_when_interrupted(train, out, monkeypatch):
    def interrupted(*arguments, **named):
        named["progress"](1, 5, 0.5)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["foils.cli.train_static"], "fit_static", interrupted)
    said = train()
    assert (said.code, said.out) == (130, "")
    assert said.err.endswith("(a static encoder begins anew)\n")
    assert not out.exists()


def test_a_full_disk_leaves_no_half_of_a_model(train, out, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("foils._durable.sync", full)
        error = train().error
    assert "No space left on device" in error
    assert not list(out.parent.glob(f"*{out.name}*"))
    assert train().code == 0
