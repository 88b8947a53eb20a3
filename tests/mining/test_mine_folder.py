"""Whose a folder is: the same run resumes, another is explained and refused, a foreign one is never touched."""

import gc
import json
import warnings
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from mining_problem import contents, file_bytes, problem

from foils import recipes
from foils.collection import Collection
from foils.errors import DataError, FolderError, InputError, RecipeError
from foils.mining import Mined, mine

DEEP = Path(__file__).with_name("deep.yaml")


def test_the_same_run_is_taken_up(tmp_path):
    this, out = problem(), tmp_path / "out"
    first = this.mine(DEEP, out)
    stats = (out / "stats.json").read_bytes()
    copied = replace(this, queries=this.queries.copy(), corpus=this.corpus.copy())  # equal data, not the same objects
    again = copied.mine(recipes.load(DEEP), str(out))
    assert (out / "stats.json").read_bytes() == stats
    assert contents(again.negatives) == contents(first.negatives)


def other_vectors(this):
    corpus = this.corpus.copy()
    corpus[3, 0] += 1
    return replace(this, corpus=corpus)


OTHERS = {
    "recipe": (
        lambda this: this,
        {"settings": ["rules.absolute_margin.margin=2"]},
        ["recipe.rules[0]", "3.0 there, 2.0 now"],
    ),
    "part": (lambda this: this, {"settings": ["source.dense.k=6"]}, ["recipe.source.dense.k: 5 there, 6 now"]),
    "seed": (lambda this: this, {"seed": 1}, ["seed: 0 there, 1 now"]),
    "negatives": (lambda this: this, {"negatives": 5}, ["negatives: 4 there, 5 now"]),
    "data": (
        lambda this: replace(problem(seed=1), queries=this.queries, corpus=this.corpus),
        {},
        ["inputs.collection"],
    ),
    "vectors": (other_vectors, {}, ["inputs.vectors.model.items"]),
    "dtype": (lambda this: replace(this, queries=this.queries.astype(float)), {}, ["inputs.vectors.model.anchors"]),
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("finished", [True, False])
def test_another_run_is_refused_and_the_difference_named(tmp_path, what, finished):
    this, out = problem(), tmp_path / "out"
    change, options, named = OTHERS[what]
    this.mine(DEEP, out)
    if not finished:
        (out / "manifest.json").unlink()
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(FolderError) as caught:
        change(this).mine(DEEP, out, **options)
    message = str(caught.value)
    assert all(name in message for name in named), message
    assert "--fresh" in message
    assert len(message.splitlines()) == 3  # one difference, and no other
    assert {path: path.read_bytes() for path in out.iterdir()} == before


def test_another_split_is_refused(tmp_path):
    vectors = np.eye(4, dtype=np.float32)
    data = Collection.from_arrays([(0, 1), (1, 2)], anchors=4, items=4, splits=["train", "test"])
    mine(data, "naive-top-k", negatives=1, query_vectors=vectors, item_vectors=vectors, out=tmp_path)
    with pytest.raises(FolderError, match="split: 'train' there, 'test' now"):
        mine(data, "naive-top-k", negatives=1, query_vectors=vectors, item_vectors=vectors, out=tmp_path, split="test")


def test_another_version_is_refused(tmp_path, monkeypatch):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    monkeypatch.setattr("foils.mining.identity.version", lambda package: "9.9")
    with pytest.raises(FolderError, match=r"versions\.numpy: '.*' there, '9.9' now"):
        this.mine(DEEP, out)


def test_another_version_of_the_format_is_refused(tmp_path):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    identity = json.loads((out / "identity.json").read_text())
    (out / "identity.json").write_text(json.dumps({**identity, "format": 2}))
    with pytest.raises(FolderError, match="format: 2 there, 1 now"):
        this.mine(DEEP, out)
    with pytest.raises(FolderError, match="version 2 of the folder's format"):
        Mined.open(out)


@pytest.mark.parametrize("what", ["recipe", "seed", "data"])
def test_fresh_discards_another_run(tmp_path, what):
    this, out = problem(), tmp_path / "out"
    change, options, _ = OTHERS[what]
    change(this).mine(DEEP, out, **options)
    this.mine(DEEP, out, fresh=True)
    assert file_bytes(out) == file_bytes(this.mine(DEEP, tmp_path / "other").path)


def test_fresh_does_not_serve_what_was_there_before(tmp_path):
    this, out = problem(), tmp_path / "out"
    for margin in (0, 3):
        mined = this.mine(DEEP, out, fresh=True, settings=[f"rules.absolute_margin.margin={margin}"])
        for row in reversed(mined.result.candidates().to_pylist()):  # backwards: what was read last comes first
            assert mined.explain(row["unit_id"]).searched_depth == row["searched_depth"]
        assert contents(mined.sample(0)) == contents(mined.negatives)
        mined.explain("38")


def test_fresh_leaves_what_a_stranger_put_there(tmp_path):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out, seed=1)
    (out / "notes.txt").write_text("mine")
    (out / "shards").mkdir()
    (out / "shards" / "more.txt").write_text("mine, too")
    this.mine(DEEP, out, fresh=True)
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "shards" / "more.txt").read_text() == "mine, too"
    assert file_bytes(out) == file_bytes(this.mine(DEEP, tmp_path / "other").path)


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("content", ["notes.txt", "identity.json", "negatives.parquet", ".hidden"])
def test_a_foreign_folder_is_refused_and_stays_as_it_is(tmp_path, content, fresh):
    out = tmp_path / "out"
    out.mkdir()
    (out / content).write_text('{"name": "of something else"}')
    with pytest.raises(FolderError, match=f"not a result of foils \\(it holds '{content}'\\); choose another --out"):
        problem().mine(DEEP, out, fresh=fresh)
    assert [path.name for path in out.iterdir()] == [content]
    assert (out / content).read_text() == '{"name": "of something else"}'


@pytest.mark.parametrize("left", [[], [".foils.lock"], [".foils.lock", ".identity.json.part"]])
def test_a_folder_that_was_killed_before_it_was_signed_is_taken(tmp_path, left):
    this, out = problem(), tmp_path / "out"
    out.mkdir()
    for name in left:
        (out / name).write_text("")
    this.mine(DEEP, out)
    assert file_bytes(out) == file_bytes(this.mine(DEEP, tmp_path / "other").path)
    assert not (out / ".identity.json.part").exists()


def test_a_folder_that_another_run_signs_at_this_moment_is_not_foreign(tmp_path, monkeypatch):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, tmp_path / "other")
    out.mkdir()
    (out / "shards").mkdir()
    original = Path.iterdir

    def sign_after_listing(folder):
        entries = list(original(folder))
        if folder == out:
            (out / "identity.json").write_bytes((tmp_path / "other" / "identity.json").read_bytes())
        return iter(entries)

    monkeypatch.setattr(Path, "iterdir", sign_after_listing)
    assert this.mine(DEEP, out).stats["units"] == 36


def test_a_file_is_refused(tmp_path):
    out = tmp_path / "out"
    out.write_text("mine")
    with pytest.raises(FolderError, match="is a file; give a folder as --out"):
        problem().mine(DEEP, out, fresh=True)
    assert out.read_text() == "mine"


def test_missing_parents_are_made(tmp_path):
    out = tmp_path / "a" / "b=1" / "c"
    mined = problem().mine(DEEP, out)
    assert "b" not in mined.negatives.column_names  # not a partition


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"negatives": 0}, InputError),
        ({"recipe": "nv-retreiver"}, RecipeError),
        ({"settings": ["source.dense.depth=3"]}, RecipeError),
        ({"split": "dev"}, DataError),
    ],
)
def test_nothing_is_begun_with_bad_input(tmp_path, options, error):
    out, this = tmp_path / "out", problem()
    with pytest.raises(error):
        this.mine(**{"recipe": DEEP, "out": out, **options})
    assert not out.exists()


def test_one_side_of_the_vectors_is_not_enough(tmp_path):
    this = problem()
    with pytest.raises(InputError, match="together"):
        mine(this.collection, DEEP, negatives=1, query_vectors=this.queries, out=tmp_path / "out")
    with pytest.raises(InputError, match="give a model"):
        mine(this.collection, DEEP, negatives=1, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_identity_is_deterministic_and_statistics_tell_the_rest(tmp_path):
    mined = problem().mine(DEEP, tmp_path / "out")
    identity = json.loads((tmp_path / "out" / "identity.json").read_text())
    assert set(identity) == {
        "format", "recipe", "negatives", "split", "seed", "scores", "units", "shard_units", "candidates_stored",
        "inputs", "constraints", "versions", "derived",
    }  # fmt: skip
    assert identity["format"] == 1
    assert identity["scores"] == "dense"
    fields = {"k": 5, "max_depth": 40, "similarity": "dot", "vectors": "model", "name": "dense"}
    assert identity["recipe"]["source"] == {"dense": fields}
    assert msgspec.convert(identity, type(mined.identity)) == mined.identity
    for name in ("wall_seconds", "cpu_seconds", "peak_anonymous_bytes"):
        assert mined.stats[name] > 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert sorted(manifest["tables"]) == ["candidates", "items", "negatives"]


def test_settings_apply_to_a_loaded_recipe_too():
    this, settings = problem(), ["rules.absolute_margin.margin=1"]
    by_name, loaded = this.mine(DEEP, settings=settings), this.mine(recipes.load(DEEP), settings=settings)
    assert loaded.identity == by_name.identity
    assert loaded.recipe.rules[0].fields.margin == 1


def test_a_folder_that_was_not_asked_for_goes_with_its_result():
    mined = problem().mine(DEEP)
    path = mined.path
    other = mined.rethreshold(["rules.absolute_margin.margin=1"])
    assert path.is_dir()
    assert other.path.is_dir()
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        del mined
        gc.collect()
    assert not path.exists()
    assert other.negatives.num_rows == 36
    assert complaints == []


def test_a_failed_run_leaves_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(RecipeError):
        problem().mine("naive-top-q")
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_too_many_candidates_are_not_stored_and_what_needs_them_says_so(tmp_path, monkeypatch):
    this = problem()
    stored = this.mine(DEEP, tmp_path / "stored")
    monkeypatch.setattr("foils.mining.prepare.MAX_STORED_CANDIDATES", 36 * 5 - 1)
    mined = this.mine(DEEP, tmp_path / "out")
    assert mined.identity.candidates_stored is False
    assert not (tmp_path / "out" / "candidates.parquet").exists()
    assert contents(mined.negatives) == contents(stored.negatives)
    assert mined.to("triplet").equals(stored.to("triplet"))
    assert mined.summary() == stored.summary()
    for attempt in (
        lambda: mined.sample(1),
        lambda: mined.explain("1"),
        lambda: mined.rethreshold([]),
        lambda: mined.needs_deeper,
        lambda: mined.deepen(),
    ):
        with pytest.raises(InputError, match="candidates were not stored"):
            attempt()
    assert this.mine(DEEP, tmp_path / "out").stats == mined.stats


def test_anonymous_memory_that_cannot_be_read_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr("foils.mining.memory.STATUS", tmp_path / "status")
    assert problem().mine(DEEP).stats["peak_anonymous_bytes"] is None
