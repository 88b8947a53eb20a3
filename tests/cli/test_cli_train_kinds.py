"""``foils train`` of adapters and whole models, and what ``foils eval`` and ``foils mine`` do with them."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_world import contents

from foils.encoders.adapted import load_adapter
from foils.training import fit_adapter


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOILS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def base(run, data, tmp_path) -> Path:
    folder = tmp_path / "base"
    assert run("train", data.path, "--kind", "static", "--dim", 16, "--epochs", 0, "--out", folder).code == 0
    return folder


@pytest.fixture
def mined(run, data, tmp_path) -> Path:
    folder = tmp_path / "mined"
    assert run("mine", data.path, "--recipe", "uniform", "--negatives", 4, "--out", folder).code == 0
    return folder


@pytest.fixture
def adapt(run, data, out):
    def run_train(*options: object, model: object = out):
        return run("train", data.path, "--kind", "adapter", "--epochs", 3, "--out", model, *options)

    return run_train


def test_an_adapter_is_trained_evaluated_and_mined_with(run, data, base, mined, adapt, out, tmp_path):
    said = adapt("--model", base, "--mined", mined)
    assert said.code == 0, said.err
    assert "3 epochs with mined and in-batch negatives" in said.out
    assert f"written to {out} (an adapter behind {base})" in said.out
    assert f"next: foils eval {data.path} --model {out}" in said.err
    assert not list(out.parent.glob(".*training"))
    assert load_adapter(out)[0].dim == 16
    compared = run("eval", data.path, "--model", out, "--against", base, "--metric", "ndcg@10", "--json").json()
    assert compared["metrics"]["ndcg@10"]["against"] > 0
    command = ("mine", data.path, "--recipe", "naive-top-k", "--negatives", 2, "--model")
    assert run(*command, out, "--out", tmp_path / "again").code == 0


def test_the_command_trains_what_the_function_trains(run, data, adapt, out):
    told = adapt(*data.vectors, "--seed", 3, "--learning-rate", 0.01, "--sides", "both", "--json").json()
    assert told["held_out"] == 0, "five queries say nothing"
    assert [epoch["number"] for epoch in told["epochs"]] == [0, 1, 2, 3]
    from foils import Collection
    from foils.training import AdapterSettings

    settings = AdapterSettings(epochs=3, learning_rate=0.01, sides="both", negatives="in_batch")
    fitted = fit_adapter(Collection.from_beir(data.path), data.queries, data.corpus, seed=3, settings=settings)
    assert told["digest"] == fitted.adapter.digest == load_adapter(out)[0].digest


def test_bare_vectors_are_evaluated_alone_and_with_an_adapter(run, data, adapt, out):
    assert adapt(*data.vectors, "--learning-rate", 0.1).code == 0
    alone = run("eval", data.path, *data.vectors, "--metric", "map", "--json").json()["metrics"]["map"]["model"]
    both = run("eval", data.path, "--model", out, "--against", "vectors", *data.vectors, "--metric", "map", "--json")
    assert both.json()["metrics"]["map"]["against"] == pytest.approx(alone["estimate"])
    assert both.json()["metrics"]["map"]["difference"]["estimate"] != 0
    assert "trained on bare vectors" in run("eval", data.path, "--model", out).error


def test_an_interrupted_adapter_goes_on(run, data, base, adapt, out, tmp_path, monkeypatch):
    whole = adapt("--model", base, "--json", model=tmp_path / "whole").json()
    module = sys.modules["foils.cli.train_adapter"]
    original = module._say_epoch

    def interrupted(epoch):
        original(epoch)
        if epoch.number == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "_say_epoch", interrupted)
        said = adapt("--model", base)
    assert said.code == 130
    assert "the same command goes on from the last checkpoint" in said.err
    assert not out.exists()
    error = adapt("--model", base, "--seed", 1).error
    assert "is the checkpoint of another training" in error
    resumed = adapt("--model", base, "--json").json()
    assert resumed["digest"] == whole["digest"]
    assert contents(out)["adapter.safetensors"] == contents(tmp_path / "whole")["adapter.safetensors"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--kind", "adapter"], "an adapter stands behind vectors: give --model, or"),
        (["--kind", "adapter", "--model", "m", "--query-vectors", "q"], "not both"),
        (["--kind", "adapter", "--query-vectors", "q.npy"], "--query-vectors is given without --corpus-vectors"),
        (["--kind", "adapter", "--query-vectors", "q.npy", "--corpus-vectors", "c.npy"], "there is no such file"),
        (["--kind", "adapter", "--model", "no-model"], "'no-model': there is no such folder"),
        (["--kind", "adapter", "--steps", 3], "--steps is for --kind full and reranker, not for adapter"),
        (["--kind", "adapter", "--dim", 3], "--dim is for --kind static, not for adapter"),
        (
            ["--kind", "static", "--model", "minilm"],
            "--model is for --kind adapter and full and reranker, not for static",
        ),
        (["--kind", "static", "--dev", "dev"], "--dev is for"),
        (["--kind", "full"], "give the model to begin with"),
        (["--kind", "full", "--epochs", 2, "--model", "m"], "--epochs is for --kind static and adapter, not for full"),
        (["--kind", "full", "--model", "no-model"], "there is no such folder"),
        (["--kind", "full", "--steps", 0, "--model", "m"], "steps is 0"),
        (["--kind", "reranker", "--model", "m"], "--kind reranker needs --mined"),
        (["--kind", "reranker", "--model", "m", "--mined", "m", "--temperature", 1], "--temperature is for"),
    ],
)
def test_wrong_options_are_refused_before_the_data_is_read(run, out, options, expected):
    assert expected in run("train", "no-data", "--out", out, *options).error
    assert not out.exists()


def test_a_static_encoder_is_not_fine_tuned(run, data, base, out):
    error = run("train", data.path, "--kind", "full", "--model", base, "--out", out).error
    assert "is a static encoder, which has no layers to fine-tune" in error


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "give what to rank by: --model, or --query-vectors and --corpus-vectors"),
        (["--query-vectors", "q.npy"], "without --corpus-vectors"),
        (["--query-vectors", "q.npy", "--corpus-vectors", "c.npy"], "there is no such file"),
    ],
)
def test_eval_says_what_it_needs(run, options, expected):
    assert expected in run("eval", "no-data", *options).error


def test_only_an_adapter_goes_with_vectors(run, data, base):
    error = run("eval", data.path, "--model", base, *data.vectors).error
    assert "is no adapter: only one goes with" in error


def test_vectors_of_other_data_are_refused(run, data, tmp_path):
    np.save(tmp_path / "few.npy", np.ones((3, 6), np.float32))
    error = run("eval", data.path, "--query-vectors", tmp_path / "few.npy", "--corpus-vectors", data.corpus).error
    assert "3 rows for 12 entries of the queries" in error


def test_a_card_names_the_base(data, base, adapt, out):
    assert adapt("--model", base).code == 0
    card = json.loads((out / "adapter.json").read_text())
    assert card["base"]["model"] == "base"
    assert len(card["base"]["digest"]) == 32
