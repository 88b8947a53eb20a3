"""Where the budget was spent: the same command with another goes on, pairs are counted once, and it is said before."""

import json
import logging
import re

import numpy as np
import pytest
from llm_world import world

from foils.errors import FolderError
from foils.mining import Execution, extend, mine
from foils.planning import plan
from foils.scorers.llm_outcomes import Outcome, Seen

ASKED = 8 * 9 + 8  # candidates and positives
TABLES = ("negatives", "candidates", "items")


def mined_with(server, tmp_path, *, folder="out", cache="kept", depth=9, rules=True, progress=None, **fields):
    collection, queries, corpus = world()
    llm = {"url": server.url, "model": "small", "retries": 1, "pairs_per_call": 3, **fields}
    recipe = tmp_path / "one.yaml"
    parts = {
        "source": {"dense": {"k": depth, "max_depth": 9}},
        "scorers": [{"llm": llm}],
        "rules": [{"max_score": {"threshold": 0.5, "unscored": "keep" if rules else "reject"}}],
        "sampler": {"top_k": {"column": "dense"}},
    }
    recipe.write_text(json.dumps(parts))
    return mine(
        collection, recipe, negatives=3, query_vectors=queries, item_vectors=corpus, out=tmp_path / folder,
        cache=tmp_path / cache if cache else False, progress=progress, execution=Execution(threads=1, block=1),
    )  # fmt: skip


def same_tables(one, other):
    return all((one.path / f"{name}.parquet").read_bytes() == (other.path / f"{name}.parquet").read_bytes()
               for name in TABLES)  # fmt: skip


def test_another_budget_goes_on_from_the_cache(server, tmp_path):
    first = mined_with(server, tmp_path, max_calls=10)
    assert len(first.unscored()) > 0
    assert "give the same command with another max_calls, and it goes on with these" in first.summary()
    assert "--fresh" not in first.summary()
    again = mined_with(server, tmp_path, max_calls=20)
    assert server.calls == 30
    assert 0 < len(again.unscored()) < len(first.unscored())
    done = mined_with(server, tmp_path, max_calls=900)
    assert len(done.unscored()) == 0
    assert len(server.asked) == len(set(server.asked)) == ASKED  # no answer was asked for twice
    assert same_tables(done, mined_with(server, tmp_path, folder="whole"))


def test_a_budget_that_holds_no_call_is_said_before_and_after(server, tmp_path, caplog):
    told = r"max_tokens=100 is less than one call needs \(about 1,\d\d\d\)"
    mined = mined_with(server, tmp_path, max_tokens=100)
    assert server.calls == 0
    before = [record.getMessage() for record in caplog.records]
    assert any(re.search(rf"warning: llm: {told}, so that nothing will be asked; give more", line) for line in before)
    assert re.search(rf"llm: {told}, and 80 pairs were not asked about", mined.summary())
    assert "the budget is spent" not in mined.summary()
    planned = plan(
        world()[0], mined.recipe, negatives=3, query_vectors=world()[1], item_vectors=world()[2], cache=False
    )
    assert any(re.search(told, warning) for warning in planned.warnings)
    caplog.clear()
    enough = re.search(r"scorers\.llm\.max_tokens=(\d+)", "".join(before))[1]
    mined_with(server, tmp_path, max_tokens=int(enough))
    assert server.calls > 0
    assert "less than one call" not in "".join(record.getMessage() for record in caplog.records)


def test_the_same_budget_and_a_result_without_gaps_are_finished(server, tmp_path):
    mined_with(server, tmp_path, max_calls=10)
    begun = []
    mined_with(server, tmp_path, max_calls=10, progress=lambda done, total: begun.append(done))
    assert (server.calls, begun) == (10, [])
    mined_with(server, tmp_path)
    calls = server.calls
    mined = mined_with(server, tmp_path, max_calls=5, progress=lambda done, total: begun.append(done))
    assert (server.calls, begun) == (calls, [])
    assert mined.recipe.scorers[0].fields.max_calls == 5


def test_of_a_killed_run_the_shards_without_gaps_are_kept(server, tmp_path, monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 2)

    def kill(done, total):
        if done > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mined_with(server, tmp_path, max_calls=12, concurrency=1, progress=kill)
    begun = []
    mined = mined_with(server, tmp_path, max_calls=900, progress=lambda done, total: begun.append(done))
    assert begun[0] == 2  # of three finished shards, the first had no gap
    assert len(mined.unscored()) == 0
    assert len(server.asked) == len(set(server.asked)) == ASKED


def test_without_a_cache_answers_are_not_thrown_away_unasked(server, tmp_path):
    first = mined_with(server, tmp_path, cache=None, max_calls=10)
    assert "--fresh" in first.summary()
    before = (first.path / "negatives.parquet").read_bytes()
    with pytest.raises(FolderError, match=r"takes a cache of the answers .*begin anew .*--fresh"):
        mined_with(server, tmp_path, cache=None, max_calls=900)
    assert server.calls == 10
    assert (first.path / "negatives.parquet").read_bytes() == before
    assert first.result.identity.recipe["scorers"][0]["llm"]["max_calls"] == 10


def test_pairs_are_counted_once_however_often_an_anchor_is_looked_at(server, tmp_path):
    mined = mined_with(server, tmp_path, depth=4, rules=False, max_calls=6)  # unscored are rejected: all look deeper
    assert set(mined.stats["units_by_searched_depth"]) == {"9"}
    facts = mined.stats["scorers"]["llm"]
    left = {(row["anchor_id"], row["item_id"]) for row in mined.unscored().to_pylist()}
    assert facts["unanswered_pairs"] == {"tries used up": 0, "budget": len(left)}
    assert f"{len(left):,} pairs were not asked about" in mined.summary()
    assert facts["answered_pairs"] == len(set(server.answered))


def test_what_was_spent_is_said_apart_from_what_was_kept(server, tmp_path):
    first = mined_with(server, tmp_path)
    spent = f"llm: {server.calls} calls and {server.tokens:,} tokens for the {ASKED} pairs that it answered; "
    assert spent + "0 more answers were kept from before" in first.summary()
    calls = server.calls
    again = mined_with(server, tmp_path, folder="again")
    assert server.calls == calls
    assert "llm: 0 calls and 0 tokens for the 0 pairs that it answered" in again.summary()
    assert again.stats["scorers"]["llm"]["kept_pairs"] == ASKED


def test_a_pair_that_was_answered_later_counts_as_answered():
    seen, keys = Seen(), np.array([7, 0, 2**64 - 1, 5, 3], np.uint64)
    seen.note(keys[:3], outcomes(Outcome.BUDGET, Outcome.TRIES, Outcome.ANSWERED))
    seen.note(keys[[4, 2, 1, 0]], outcomes(Outcome.KEPT, Outcome.KEPT, Outcome.ANSWERED, Outcome.SILENT))
    counts = {one: seen.count(one) for one in Outcome}
    assert counts == {
        Outcome.KEPT: 1, Outcome.ANSWERED: 2, Outcome.TRIES: 0, Outcome.BUDGET: 0, Outcome.SILENT: 1
    }  # fmt: skip
    assert seen.keys.tolist() == sorted(seen.keys.tolist())


def outcomes(*each):
    return np.array(each, np.int8)


# --- said before the start --------------------------------------------------------------------------------------------


def test_from_python_it_is_logged_before_the_first_call(server, tmp_path, caplog):
    said = []

    def first(number):
        said.extend(record.getMessage() for record in caplog.records)
        server.faults = lambda later: ""
        return ""

    server.faults = first
    mined_with(server, tmp_path)
    assert len(said) == 1
    assert said[0].startswith(f"llm asks small at {server.url}; nothing limits it: max_calls and max_tokens would. ")
    assert "To come: about 80 pairs" in said[0]
    assert caplog.records[0].levelno == logging.WARNING  # seen without any set-up


def test_extending_and_searching_deeper_are_announced_too(server, tmp_path, caplog):
    collection, queries, corpus = world()
    mined = mined_with(server, tmp_path, max_calls=10)
    caplog.clear()
    again = {"query_vectors": queries, "item_vectors": corpus, "cache": tmp_path / "kept"}
    extend(mined, collection, out=tmp_path / "extended", **again)
    assert [record.getMessage().partition(". To come")[0] for record in caplog.records] == [
        f"llm asks small at {server.url}; it stops at 10 calls"
    ]
    caplog.clear()
    mined.rethreshold(["rules.max_score.threshold=0.4"], tmp_path / "other").deepen(tmp_path / "deep")
    assert [record.getMessage() for record in caplog.records] == [
        f"llm asks small at {server.url}; it stops at 10 calls"
    ]
