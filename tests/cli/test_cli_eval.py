"""``foils eval``: means with intervals, and comparisons in pairs."""

import re

import numpy as np
import pytest
from cli_world import ITEMS

from foils.cli import main


@pytest.fixture
def models(data, tmp_path, capsys):
    paths = [tmp_path / "a", tmp_path / "b"]
    for epochs, path in enumerate(paths):
        words = [
            "train",
            str(data.path),
            "--kind",
            "static",
            "--dim",
            "16",
            "--epochs",
            str(2 * epochs),
            "--out",
            str(path),
        ]
        assert main(words) == 0
    return paths


def test_each_metric_has_its_interval(run, data, models):
    said = run("eval", data.path, "--model", models[0])
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == "5 queries of test, 30 items, by cosine"
    assert lines[1] == f"model:   {models[0]}"
    assert lines[3].split() == ["metric", "model", "[95", "%", "interval]"]
    assert [line.split()[0] for line in lines[4:]] == ["ndcg@10", "mrr@10", "recall@100", "map"]
    start = lines[3].index("model")
    for line in lines[4:]:
        assert re.fullmatch(r"\d\.\d{4}  \[\d\.\d{4}, \d\.\d{4}\]", line[start:])
    assert "\x1b" not in said.out + said.err


def test_two_models_are_compared_in_pairs(run, data, models):
    said = run(
        "eval", data.path, "--model", models[0], "--against", models[1], "--metric", "recall@100", "--metric", "nDCG@10"
    )
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[2] == f"against: {models[1]}"
    assert "difference [95 % interval]" in lines[4]
    assert [line.split()[0] for line in lines[5:]] == ["recall@100", "ndcg@10"]
    starts = [lines[4].index(name) for name in ("model", "[95", "against", "difference", "p")]
    for line in lines[5:]:
        assert all(line[start - 1] == " " != line[start] for start in starts[:-1]), "columns stand below their heads"
    assert max(map(len, lines[4:])) <= 80
    assert "+0.000 [+0.000, +0.000]" in lines[5]
    assert lines[5].endswith(" 1")


def test_json_holds_numbers(run, data, models):
    command = ("eval", data.path, "--model", models[0], "--json", "--metric", "ndcg@10")
    alone = run(*command).json()
    assert alone | {"metrics": None} == {
        "split": "test", "queries": 5, "items": 30, "excluded": [], "model": str(models[0]), "against": None,
        "similarity": "cosine", "level": 0.95, "metrics": None,
    }  # fmt: skip
    value = alone["metrics"]["ndcg@10"]["model"]
    assert 0 <= value["low"] <= value["estimate"] <= value["high"] <= 1
    both = run(*command, "--against", models[1]).json()["metrics"]["ndcg@10"]
    assert both["model"] == value
    assert both["difference"]["estimate"] == pytest.approx(value["estimate"] - both["against"])
    assert both["difference"]["low"] <= both["difference"]["estimate"] <= both["difference"]["high"]
    assert 0 < both["difference"]["p_value"] <= 1


def test_vectors_are_ranked_by_what_was_asked_for(run, data, tmp_path):
    """By the inner product one long item wins every ranking; by cosine it does not."""
    noise = np.random.default_rng(0)
    items = noise.normal(size=(30, 4)).astype(np.float32)
    queries = np.abs(noise.normal(size=(12, 4))).astype(np.float32)
    items[0] = 1000
    np.save(tmp_path / "q.npy", queries)
    np.save(tmp_path / "c.npy", items)
    words = ("eval", data.path, "--query-vectors", tmp_path / "q.npy", "--corpus-vectors", tmp_path / "c.npy")
    by = {name: run(*words, "--similarity", name, "--json").json() for name in ("cosine", "dot")}
    assert [by[name]["similarity"] for name in by] == ["cosine", "dot"]
    assert by["cosine"]["metrics"] != by["dot"]["metrics"]
    assert by["cosine"] == run(*words, "--json").json()
    assert ", by dot\n" in run(*words, "--similarity", "dot").out
    assert "euclid" in run(*words, "--similarity", "euclid").error


def test_what_is_excluded_is_not_ranked(run, data, models):
    data.write_qrels("seen", [("q8", f"d{item}", 1) for item in range(ITEMS)])  # the answer, d9, too
    command = ("eval", data.path, "--model", models[0], "--metric", "mrr@10")
    said = run(*command, "--exclude", "seen")
    assert said.out.startswith("5 queries of test, 30 items, without the positives of seen, by cosine\n")
    plain, without = (run(*command, "--json", *more).json() for more in ((), ("--exclude", "seen")))
    assert without["excluded"] == ["seen"]
    # query 8 ranks its answer alone
    assert without["metrics"]["mrr@10"]["model"]["estimate"] > plain["metrics"]["mrr@10"]["model"]["estimate"]
    assert "no split 'sene'" in run(*command, "--exclude", "sene").error


def test_metrics_are_those_asked_for_once(run, data, models):
    command = ("eval", data.path, "--model", models[0], "--json")
    assert list(run(*command, "--metric", "MAP", "--metric", "map").json()["metrics"]) == ["map"]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("ndgc@10", "did you mean 'ndcg@10'"),
        ("recall", "recall@"),
        ("ndcg@0", "positive integer"),
        ("ndcg@x", "positive"),
    ],
)
def test_an_unknown_metric_is_refused_before_the_data_is_read(run, metric, expected):
    error = run("eval", "no-data", "--model", "no-model", "--metric", metric).error
    assert repr(metric) in error
    assert expected in error


@pytest.mark.parametrize("option", ["--model", "--against"])
def test_a_missing_model_is_refused_before_the_data_is_read(run, models, option):
    given = {"--model": str(models[0]), "--against": str(models[1])} | {option: "no-model"}
    error = run("eval", "no-data", *(word for pair in given.items() for word in pair)).error
    assert "'no-model': there is no such folder" in error


@pytest.mark.parametrize(
    ("rows", "found"),
    [([("q0", "d0", 0)], "0 queries"), ([("q0", "d0", 1), ("q0", "d1", 1), ("q1", "d1", 0)], "1 queries")],
)
def test_a_split_with_too_few_positives_is_refused_before_encoding(run, data, models, monkeypatch, rows, found):
    data.write_qrels("dev", rows)
    monkeypatch.setattr("foils.cli.options.encode_records", None)
    error = run("eval", data.path, "--model", models[0], "--split", "dev").error
    assert f"{found} of the split 'dev' have a positive" in error
    assert "train, dev, test" in error
    assert "did you mean 'test'" in run("eval", data.path, "--model", models[0], "--split", "tset").error


def test_a_model_of_other_words_and_items_without_text(run, data, models):
    for row in range(20, 30):
        data.change("corpus.jsonl", row, text="")
    data.change("queries.jsonl", 6, text="日本語")
    data.change("queries.jsonl", 7, text="\u200b")
    data.write_qrels("test", [(f"q{i}", f"d{i + 15}", 1) for i in range(11)])
    said = run("eval", data.path, "--model", models[0], "--against", models[1])
    assert said.code == 0, said.err
    assert said.out.startswith("11 queries of test, 30 items")


def test_an_interruption_leaves_130(run, data, models, monkeypatch):
    def interrupted(*arguments, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr("foils.cli.options.encode_records", interrupted)
    said = run("eval", data.path, "--model", models[0])
    assert (said.code, said.out) == (130, "")
    assert said.err.endswith("error: interrupted\n")
