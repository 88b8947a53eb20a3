"""A run goes on where its server moved: where and how fast is asked is no part of what the tables follow from."""

import json

import pytest
from llm_server import Server
from llm_world import world

from foils import recipes
from foils.cli.calibrate import note_other_scores
from foils.errors import FolderError, RecipeError
from foils.mining import Execution, mine
from foils.mining.identity import other_run
from foils.scorers import LlmScorer

TABLES = ("negatives", "candidates", "items")


def mined_at(server, out, *, cache, progress=None, **fields):
    collection, queries, corpus = world()
    llm = {"url": server.url, "model": "small", "retries": 1, "pairs_per_call": 3, **fields}
    recipe = cache.parent / "one.yaml"
    recipe.write_text(
        json.dumps(
            {
                "source": {"dense": {"k": 4, "max_depth": 9}},
                "scorers": [{"llm": llm}],
                "rules": [{"max_score": {"threshold": 0.5}}],
                "sampler": {"top_k": {"column": "dense"}},
            }
        )
    )
    return mine(
        collection, recipe, negatives=2, query_vectors=queries, item_vectors=corpus, out=out, cache=cache,
        progress=progress, execution=Execution(threads=1, block=1),
    )  # fmt: skip


@pytest.fixture
def elsewhere():
    with Server() as running:
        yield running


def kill_in_the_second_shard(done, total):
    if done > 3:
        raise KeyboardInterrupt


def scorer_in(folder):
    (part,) = json.loads((folder / "identity.json").read_text())["recipe"]["scorers"]
    return part["llm"]


def test_a_killed_run_goes_on_at_another_place_and_ends_with_the_same_tables(server, elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 3)
    monkeypatch.setenv("OTHER_KEY", "x")
    out, begun = tmp_path / "out", []
    with pytest.raises(KeyboardInterrupt):
        mined_at(server, out, cache=tmp_path / "kept", progress=kill_in_the_second_shard, concurrency=1)
    asked = len(server.asked)
    moved = {"concurrency": 7, "timeout": 9.0, "retries": 3, "key_env": "OTHER_KEY"}
    mined = mined_at(elsewhere, out, cache=tmp_path / "kept", progress=lambda done, total: begun.append(done), **moved)
    assert begun[0] >= 3  # the first shard was kept
    assert len(server.asked) == asked
    assert elsewhere.asked
    assert not set(elsewhere.asked) & set(server.answered)
    assert {name: scorer_in(out)[name] for name in moved} == moved
    assert scorer_in(out)["url"] == mined.recipe.scorers[0].fields.url == elsewhere.url
    whole = mined_at(server, tmp_path / "whole", cache=tmp_path / "other", concurrency=1)
    for table in TABLES:
        assert (out / f"{table}.parquet").read_bytes() == (whole.path / f"{table}.parquet").read_bytes()


@pytest.mark.parametrize("field", [{"model": "large"}, {"task": "x"}])
def test_what_is_asked_stays_part_of_the_run(server, elsewhere, tmp_path, field):
    mined_at(server, tmp_path / "out", cache=tmp_path / "kept")
    with pytest.raises(FolderError, match=rf"differs in:\n  recipe.scorers\[0\].llm.{next(iter(field))}: ") as refused:
        mined_at(elsewhere, tmp_path / "out", cache=tmp_path / "kept", **field)
    assert "url" not in str(refused.value)
    assert scorer_in(tmp_path / "out")["url"] == server.url


def test_a_finished_run_is_finished_at_another_place_too_and_is_deepened_there(server, elsewhere, tmp_path):
    mined_at(server, tmp_path / "out", cache=tmp_path / "kept")
    mined = mined_at(elsewhere, tmp_path / "out", cache=tmp_path / "kept")
    assert elsewhere.calls == 0
    stricter = mined.rethreshold(["rules.max_score.threshold=0.05"], tmp_path / "stricter")
    assert stricter.stats["needs_deeper"]
    asked = len(server.asked)
    assert stricter.deepen(tmp_path / "deep").stats["needs_deeper"] == 0
    assert len(server.asked) == asked
    assert elsewhere.asked


def test_rethreshold_may_name_another_place_to_search_deeper_at(server, elsewhere, tmp_path):
    mined = mined_at(server, tmp_path / "out", cache=tmp_path / "kept")
    settings = ["rules.max_score.threshold=0.05", f"scorers.llm.url={elsewhere.url}"]
    asked = len(server.asked)
    mined.rethreshold(settings, tmp_path / "stricter").deepen(tmp_path / "deep")
    assert len(server.asked) == asked
    assert elsewhere.asked
    with pytest.raises(RecipeError, match="scorers decides what was searched"):
        mined.rethreshold(["scorers.llm.model=other"], tmp_path / "never")


def test_only_the_fields_of_a_scorer_itself_are_left_out():
    def recipe(**fields):
        return {"recipe": {"scorers": [{"llm": fields}]}}

    assert set(LlmScorer.execution) <= set(LlmScorer.__struct_fields__)
    assert other_run(recipe(url="a", timeout=1), recipe(url="b", timeout=2)) == []
    assert other_run(recipe(body={"url": "a"}), recipe(body={"url": "b"}))
    assert other_run({"inputs": {"url": "a"}}, {"inputs": {"url": "b"}})
    assert other_run({"recipe": {"scorers": [{"strange": {"url": "a"}}]}}, recipe(url="a"))


def test_a_calibration_holds_wherever_the_same_model_answers(tmp_path, capsys, monkeypatch):
    loaded = [
        recipes.load("rlhn", [f"scorers.cheap.{field}"]) for field in ("url=http://a/v1", "url=http://b/v1", "model=x")
    ]
    fitted = type("Fitted", (), {"fitted_on": loaded[0].resolved()})
    monkeypatch.setattr("foils.cli.calibrate.read_calibration", lambda path: fitted)
    note_other_scores(tmp_path, loaded[1])
    assert "warning" not in capsys.readouterr().err
    note_other_scores(tmp_path, loaded[2])
    assert "warning" in capsys.readouterr().err
