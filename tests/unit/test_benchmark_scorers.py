"""The table of scorers: what is removed at ties, rows that join those of the same pairs, and the reranker's data."""

import importlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.collection import Collection

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def module(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module(name)


scorers, scorers_data, scorers_reranker = (module(f"scorers{part}") for part in ("", "_data", "_reranker"))


def row(auc, seconds=1.0):
    shares = {f"removed at {share:.0%}": share for share in scorers.GIVEN_UP}
    errors = {"calibration_error": 0.2, "calibration_error_after": 0.1}
    return {"auc": auc, "auc_low": auc - 0.1, "auc_high": auc + 0.1, **shares, **errors, "unscored": 0.0} | {
        "cpu_seconds": seconds
    }


def result(rows, pairs=500.0):
    return {"mined": True, "anchors": 25.0, "pairs": pairs, "positives": 50.0, "scorers": rows}


def test_ties_are_given_up_in_expectation():
    labels = np.array([True, False, True, False, False, False, False, False, False, False])
    problem = SimpleNamespace(labels=labels, weights=1.0)
    assert scorers.removed(-np.arange(10.0), problem, 0.1) == pytest.approx(0.5)
    assert scorers.removed(np.zeros(10), problem, 0.2) == pytest.approx(0.2)
    assert scorers.auc(np.zeros(10), labels) == pytest.approx(0.5)


def test_pairs_of_a_sample_stand_for_others():
    """What is given up of a sample is what is given up of all pairs, each repeated as often as it stands for."""
    rng = np.random.default_rng(0)
    labels, scores, times = rng.random(60) < 0.3, rng.integers(0, 9, 60).astype(float), rng.integers(1, 5, 60)
    whole = SimpleNamespace(labels=np.repeat(labels, times), weights=1.0)
    for share in scorers.GIVEN_UP:
        expected = scorers.removed(np.repeat(scores, times), whole, share)
        assert scorers.removed(scores, SimpleNamespace(labels=labels, weights=times), share) == pytest.approx(expected)


def test_a_row_joins_those_of_the_same_pairs(tmp_path, capsys):
    out, page = tmp_path / "scorers.json", tmp_path / "scorers.md"
    marks = "<!-- measured: {} -->\nold\n<!-- /measured -->\n"
    page.write_text("".join(marks.format(name) for name in ("summary", "reranker", "cisi")))
    scorers.save(out, {"cisi": result({"vectors": row(0.6), "owner_query": row(0.5)})})
    assert scorers.RERANKER not in page.read_text()
    scorers.save(out, {"cisi": result({scorers.RERANKER: row(0.7, seconds=20.0)})})
    kept = json.loads(out.read_text())["cisi"]["scorers"]
    assert kept.keys() == {"vectors", "owner_query", scorers.RERANKER}
    assert kept["vectors"] == row(0.6)
    text = page.read_text()
    assert "old" not in text
    assert "| cisi | 0.700 [0.600, 0.800] | 0.600 [0.500, 0.700] | 10% | 10% | 40 |" in text


def test_a_row_of_other_pairs_is_refused_and_nothing_is_written(tmp_path):
    out = tmp_path / "scorers.json"
    scorers.save(out, {"cisi": result({"vectors": row(0.6), "owner_query": row(0.5)})})
    before = out.read_bytes()
    with pytest.raises(SystemExit, match="other pairs"):
        scorers.save(out, {"cisi": result({scorers.RERANKER: row(0.7)}, pairs=499.0)})
    assert out.read_bytes() == before


def test_all_rows_measured_on_other_pairs_replace_what_stood(tmp_path):
    out = tmp_path / "scorers.json"
    scorers.save(out, {"cisi": result({"vectors": row(0.6), scorers.RERANKER: row(0.5)})})
    scorers.save(out, {"cisi": result({"vectors": row(0.7)}, pairs=499.0)})
    assert json.loads(out.read_text())["cisi"]["scorers"] == {"vectors": row(0.7)}


def test_one_scorer_is_chosen_by_name():
    assert list(scorers.chosen_of(None, "adapter")) == ["adapter"]
    assert scorers.RERANKER not in scorers.chosen_of(None, None)
    chosen = scorers.chosen_of(Path("model"), scorers.RERANKER)
    assert chosen[scorers.RERANKER].max_length == scorers.READ_TOKENS
    with pytest.raises(SystemExit, match="needs --reranker"):
        scorers.chosen_of(None, scorers.RERANKER)


def test_a_reranker_is_never_trained_on_what_it_is_measured_on():
    assert not scorers_reranker.PAIRS.keys() & scorers_data.MAKERS.keys()


def beir(folder, items):
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": f"d{one}", "title": f"title {one}", "text": "word " * 100} for one in range(items)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(one) + "\n" for one in corpus))
    queries = [{"_id": f"q{one}", "text": f"question {one}"} for one in range(items)]
    (folder / "queries.jsonl").write_text("".join(json.dumps(one) + "\n" for one in queries))
    for split, at in (("train", range(0, items, 2)), ("test", range(1, items, 2))):
        lines = [f"q{one}\td{one}\t1\nq{one}\td{(one + 1) % items}\t0" for one in at]
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines) + "\n")
    return folder


def test_training_data_are_positives_of_all_sets_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(scorers_reranker, "ITEMS", 12)
    parts = {name: scorers_reranker.sample(beir(tmp_path / name, 20), most) for name, most in (("a", 6), ("b", 4))}
    assert [len(part.anchors) for part in parts.values()] == [6, 4]
    data = scorers_reranker.merged(parts)
    assert isinstance(data, Collection)
    assert (len(data.anchors), len(data.items)) == (10, 24)
    given = data.judgements
    pairs = zip(
        data.anchors.ids.take(given.anchors).to_pylist(), data.items.ids.take(given.items).to_pylist(), strict=True
    )
    assert all(anchor.replace("/q", "/d") == item for anchor, item in pairs)
    assert len(given) == 10
    assert data.splits == ("train",)
    assert max(len(text.split()) for text in data.items.full_texts()) == scorers_reranker.WORDS


def test_a_sample_for_the_language_model_stands_for_all_pairs():
    scorers_llm = module("scorers_llm")
    texts = Collection.from_arrays([(0, 0)], anchors=["a " * 100], items=["b " * 100, "short"])
    labels = np.arange(1000) % 10 == 0
    given = scorers_data.Problem(texts, (None, None), np.zeros(1000, int), np.arange(1000) % 2, labels, mined=True)
    sample = scorers_llm.sampled(given)
    assert len(sample.labels) == 2 * scorers_llm.OF_EACH
    assert sample.labels.sum() == scorers_llm.OF_EACH
    assert sample.weights[sample.labels].sum() == pytest.approx(labels.sum())
    assert sample.weights[~sample.labels].sum() == pytest.approx((~labels).sum())
    assert [len(text.split()) for text in sample.texts.items.full_texts()] == [scorers_llm.WORDS, 1]
