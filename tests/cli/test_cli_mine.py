"""``foils mine``: what it says, what it writes, and how it treats the folder."""

import filelock
import numpy as np
import pytest
from cli_world import contents, tables

from foils.collection import Collection
from foils.mining import Mined
from foils.mining.folder import Folder

SHARD = 2
"""Units of a shard: three shards for six units."""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", SHARD)


@pytest.fixture
def written(monkeypatch) -> list[str]:
    """Note the shards that are written."""
    names = []
    original = Folder.write_shard

    def write_shard(folder, name, *rest):
        names.append(name)
        return original(folder, name, *rest)

    monkeypatch.setattr(Folder, "write_shard", write_shard)
    return names


def stop_after(monkeypatch, shards: int, error: type[BaseException]) -> None:
    original = Folder.write_shard

    def write_shard(folder, name, *rest):
        if int(name) == shards:
            raise error
        return original(folder, name, *rest)

    monkeypatch.setattr(Folder, "write_shard", write_shard)


def test_a_run_says_what_was_mined_and_where_it_is(mine, out):
    said = mine()
    assert said.code == 0
    assert said.out.startswith("19 negatives for 6 anchors (asked: 4 each)")
    assert f"written to {out}" in said.out
    log = said.err.splitlines()
    assert log[0].endswith("data: 12 queries, 30 items; splits: train, test")
    assert log[1].startswith("mining: 6 of 6 in ")
    assert "\x1b" not in said.out + said.err


def test_the_result_can_be_opened_and_holds_ids(mine, data, out):
    mine("naive-top-k")
    collection = Collection.from_beir(data.path)
    rows = Mined.open(out, collection).to("triplet", columns="id").to_pylist()
    assert {row["anchor"] for row in rows} == {f"q{i}" for i in range(6)}
    assert not {(row["anchor"], row["negative"]) for row in rows} & {(row["anchor"], row["positive"]) for row in rows}
    assert "d7" not in {row["negative"] for row in rows}


def test_json_holds_counts_and_identity_and_nothing_else_is_printed(mine, data, out):
    said = mine("nv-retriever", "--json", "--seed", "3", "--set", "rules.relative_margin.margin=0.1")
    result = said.json()
    assert result["out"] == str(out)
    assert result["stats"]["units"] == 6
    assert result["stats"]["negatives"] == Mined.open(out).stats["negatives"]
    assert result["identity"]["seed"] == 3
    assert result["identity"]["split"] == "train"
    assert result["identity"]["recipe"]["rules"][0]["relative_margin"]["margin"] == 0.1
    assert f"{data.path}: 12 queries" in said.err


def test_set_may_be_repeated_and_the_last_of_equal_ones_counts(mine):
    options = ("--set", "source.dense.k=3", "--set=source.dense.max_depth=3", "--set", "source.dense.k=2")
    identity = mine("naive-top-k", *options, "--json").json()["identity"]
    assert identity["recipe"]["source"]["dense"] | {"k": 2, "max_depth": 3} == identity["recipe"]["source"]["dense"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("rules.relative_margin.margn=0.1", "did you mean 'margin'"),
        ("rules.relative_margins.margin=0.1", "did you mean 'relative_margin'"),
        ("rules.relative_margin.margin=5", "<= 1"),
        ("source.dense.similarity=cosin", "did you mean 'cosine'"),
        ("source.dense.k", "expected part.name.field=value"),
        ("sampler={}", "one part by name"),
    ],
)
def test_a_wrong_setting_is_explained(mine, out, setting, expected):
    error = mine("nv-retriever", "--set", setting).error
    assert f"--set {setting}" in error
    assert expected in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("recipe", "options", "expected"),
    [
        ("nv-retriver", [], ["'nv-retriver'", "did you mean 'nv-retriever'"]),
        ("missing.yaml", [], ["missing.yaml", "cannot be read"]),
        ("uniform", ["--set", 'rules=[{"relative_margin":{}}]'], ["needs a column of kind", "add a scorer"]),
        ("uniform", ["--set", 'source={"dens":{}}'], ["dens", "did you mean 'dense'"]),
    ],
)
def test_a_wrong_recipe_is_refused_before_the_data_is_read(run, out, recipe, options, expected):
    error = run("mine", "no-data", "--recipe", recipe, "--negatives", 4, "--out", out, *options).error
    assert [part for part in expected if part not in error] == []
    assert not out.exists()


def test_a_recipe_of_ones_own(mine, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "summary: Two.\nsource: {dense: {k: 5}}\nrules: [{max_score: {threshold: 0.9}}]\nsampler: {top_k: {}}\n"
    )
    identity = mine(str(path), "--json").json()["identity"]
    assert identity["recipe"]["rules"] == [
        {"max_score": {"threshold": 0.9, "column": None, "unscored": "reject", "otherwise": None}}
    ]
    path.write_text("source: {dense: {k: 5}}\nsampler: {top_kk: {}}\n")
    assert f"{path}:2: sampler.top_kk: no such part; did you mean 'top_k'" in mine(str(path)).error


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
def test_recipes_without_vectors_need_none(run, data, out, recipe):
    command = ("mine", data.path, "--recipe", recipe, "--negatives", 3, "--out", out)
    assert run(*command, "--json").json()["stats"]["negatives"] == 18
    said = run(*command, *data.vectors)
    assert said.code == 0, "the same run: vectors that are not compared do not identify it"
    assert f"the recipe {recipe} compares no vectors; those given are not used" in said.err


def test_dot_product_takes_zero_vectors(mine, data):
    data.set_vectors(data.corpus, lambda vectors: vectors.__setitem__(3, 0))
    assert "zero" in mine("naive-top-k").error
    said = mine("naive-top-k", "--set", "source.dense.similarity=dot")
    assert said.code == 0


@pytest.mark.parametrize(
    "options", [("--threads", "1"), ("--memory", "20MB"), ("--threads", "3", "--memory", "1.5GiB")]
)
def test_memory_and_threads_do_not_change_the_result(run, data, out, tmp_path, options):
    command = ("mine", data.path, "--recipe", "simans", "--negatives", 4, *data.vectors, "--out")
    assert run(*command, out).code == 0
    assert run(*command, tmp_path / "other", *options).code == 0
    assert tables(out) == tables(tmp_path / "other")


def test_a_finished_run_is_not_repeated(mine, out, written):
    first, files = mine(), contents(out)
    assert written == ["00000", "00001", "00002"]
    again = mine()
    assert (again.code, again.out) == (0, first.out)
    assert len(written) == 3
    assert contents(out) == files
    assert f"{out} is finished already" in again.err
    assert "is finished already" not in first.err


def test_an_interrupted_run_goes_on(mine, out, tmp_path, written, monkeypatch):
    with monkeypatch.context() as patched:
        stop_after(patched, 2, KeyboardInterrupt)
        said = mine()
    assert (said.code, said.out) == (130, "")
    assert said.err.splitlines()[-1].startswith("error: interrupted; what was finished is kept; run the same command")
    assert written == ["00000", "00001"]
    assert mine().code == 0
    assert written == ["00000", "00001", "00002"]
    resumed = tables(out)
    assert mine("nv-retriever", "--fresh").code == 0
    assert len(written) == 6
    assert tables(out) == resumed


def test_a_full_disk_is_explained_and_the_next_run_goes_on(mine, monkeypatch, written):
    def full(path):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        stop_after(patched, 2, KeyboardInterrupt)
        mine()
    with monkeypatch.context() as patched:
        patched.setattr("foils._durable.sync", full)
        error = mine().error
    assert "No space left on device" in error
    assert "free some space" in error
    assert mine().code == 0
    assert written == ["00000", "00001", "00002", "00002"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--seed", "1"], "seed: 0 there, 1 now"),
        (["--negatives", "5"], "negatives: 4 there, 5 now"),
        (["--split", "test"], "split: 'train' there, 'test' now"),
        (["--set", "rules.relative_margin.margin=0.1"], "relative_margin.margin: 0.05 there, 0.1 now"),
    ],
)
def test_another_run_in_the_folder_is_explained_and_refused(run, data, out, options, expected):
    def command(*changed):
        pairs = {"--recipe": "nv-retriever", "--negatives": "4", **dict([changed] if changed else [])}
        return run("mine", data.path, "--out", out, *data.vectors, *(word for pair in pairs.items() for word in pair))

    assert command().code == 0
    files = contents(out)
    error = command(*options).error
    assert str(out) in error
    assert expected in error
    assert "--fresh" in error
    assert contents(out) == files


def test_other_data_is_another_run(mine, data, out):
    mine()
    files = contents(out)
    data.change("corpus.jsonl", 3, text="another text")
    assert "inputs.collection" in mine().error
    data.set_vectors(data.queries, lambda vectors: vectors + 1)
    error = mine().error
    assert "inputs.vectors.model.anchors" in error
    assert contents(out) == files
    assert mine("nv-retriever", "--fresh").code == 0


def test_fresh_discards_another_run_and_what_a_killed_one_left(mine, out, monkeypatch):
    stop_after(monkeypatch, 1, KeyboardInterrupt)
    assert mine("nv-retriever", "--seed", 1).code == 130
    monkeypatch.undo()
    said = mine("nv-retriever", "--fresh", "--json")
    assert said.json()["identity"]["seed"] == 0
    assert mine("naive-top-k", "--fresh", "--json").json()["stats"]["recipe"] == "naive-top-k"


@pytest.mark.parametrize("options", [[], ["--fresh"]])
def test_a_foreign_folder_is_refused_before_the_data_is_read(run, out, options):
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    error = run("mine", "no-data", "--recipe", "uniform", "--negatives", 4, "--out", out, *options).error
    assert f"{out} is not empty and not a result of foils (it holds 'thesis.tex')" in error
    assert contents(out) == {"thesis.tex": b"years of work"}


def test_an_empty_folder_is_used(mine, out):
    out.mkdir()
    assert mine().code == 0


@pytest.mark.parametrize(
    ("place", "expected"),
    [("file", "is a file"), ("file/inside", "is a file"), ("n" * 300, "File name too long"), ("\udcff", "Unicode")],
)
def test_a_place_where_nothing_can_be_written_is_refused_before_the_data_is_read(run, tmp_path, place, expected):
    (tmp_path / "file").write_text("mine")
    error = run("mine", "no-data", "--recipe", "uniform", "--negatives", 4, "--out", tmp_path / place).error
    assert expected in error
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_folder_in_use_is_refused_before_the_data_is_read(run, mine, out):
    mine()
    with filelock.FileLock(out / ".foils.lock", timeout=0):
        error = run("mine", "no-data", "--recipe", "uniform", "--negatives", 4, "--out", out).error
    assert f"{out}: another run is writing here" in error
    assert mine().code == 0


def test_a_corpus_smaller_than_what_is_asked_for_is_a_shortfall(mine):
    said = mine("naive-top-k", negatives=50)
    assert said.code == 0
    assert "short: 6 of 6 anchors" in said.out
    stats = mine("naive-top-k", "--json", negatives=50).json()["stats"]
    assert stats["missing_negatives"] == 6 * 50 - stats["negatives"]


def test_the_loss_is_spoken_of_where_it_was_given(mine, tmp_path):
    assert "is for training" not in mine("nv-retriever", "--fresh").err
    assert "(info_nce) is for training" in mine("nv-retriever", "--fresh", "--set", "loss.info_nce.temperature=0.1").err


def test_what_was_left_out_is_said(mine):
    said = mine()
    assert "6 anchors without a positive in this split got none" in said.out
    assert "1 items with empty text were never mined" in said.out


def test_a_split_without_positives_or_unknown_is_refused(mine, data, out):
    data.write_qrels("dev", [("q0", "d0", 0)])
    error = mine("uniform", "--split", "dev").error
    assert "'dev'" in error
    assert "train, dev, test" in error
    assert "did you mean 'test'" in mine("uniform", "--split", "tests").error
    assert not out.exists()


def test_only_the_positives_of_the_split_are_excluded(mine, data, out):
    data.write_qrels("test", [(f"q{i}", f"d{j}", 1) for i in range(2) for j in range(8, 30)])
    stats = mine("naive-top-k", "--json", negatives=28).json()["stats"]
    assert stats["missing_negatives"] == 1  # 30 items less the empty one and the positives, of which q0 has two


@pytest.fixture
def before(mine, data, out):
    """Mine, then append three items; gives the result's folder, which is not ``out``."""
    assert mine().code == 0
    records = [f'{{"_id": "new{number}", "text": "red cat {number}"}}' for number in range(3)]
    data.write("corpus.jsonl", [*data.lines("corpus.jsonl"), *records])
    data.set_vectors(data.corpus, lambda vectors: np.concatenate([vectors, vectors[:3] + 0.5]))
    return out.rename(out.with_name("before"))


def test_a_result_is_extended_by_appended_items(mine, out, before):
    said = mine("nv-retriever", "--extend", before)
    assert said.code == 0
    assert "mining: 6 of 6 in " in said.err
    assert f"written to {out}" in said.out
    extended = out.rename(out.with_name("extended"))
    assert mine().code == 0
    assert tables(extended) == tables(out)


@pytest.mark.parametrize(
    ("recipe", "options", "complaint"),
    [
        ("nv-retriever", ["--seed", 1], "seed: 0 there, 1 now"),
        ("naive-top-k", [], "recipe.rules: "),
        ("nv-retriever", ["--set", "source.dense.k=50"], "recipe.source.dense.k: 100 there, 50 now"),
    ],
)
def test_a_result_that_was_mined_otherwise_is_not_extended(mine, out, before, recipe, options, complaint):
    error = mine(recipe, "--extend", before, *options).error
    assert error.startswith(f"--extend {before} was mined otherwise:")
    assert complaint in error
    assert not out.exists()


def test_what_cannot_be_extended_is_said_before_long_work(mine, out, before, tmp_path):
    assert "is not a result of foils mine" in mine("nv-retriever", "--extend", tmp_path).error
    assert mine("uniform").code == 0
    other = out.rename(tmp_path / "other")
    assert "only dense can be extended" in mine("uniform", "--extend", other).error
    assert not out.exists()
