"""``foils train --kind full`` and ``--kind reranker`` by the command line, from data on disk to an evaluation."""

import json

import pytest

from foils.cli import main
from foils.encoders import open_encoder


@pytest.fixture
def data(collection, tmp_path):
    folder = tmp_path / "data"
    (folder / "qrels").mkdir(parents=True)
    sides = {"corpus.jsonl": collection.items, "queries.jsonl": collection.anchors}
    for name, records in sides.items():
        rows = zip(records.ids.to_pylist(), records.full_texts(), strict=True)
        (folder / name).write_text("".join(json.dumps({"_id": id_, "text": text}) + "\n" for id_, text in rows))
    judged = collection.judgements
    pairs = [f"{anchor}\t{item}\t1" for anchor, item in zip(judged.anchors, judged.items, strict=True)]
    for split in ("train", "test"):
        (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(pairs) + "\n")
    return folder


def test_from_data_to_evaluation(data, retriever, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FOILS_CACHE", str(tmp_path / "cache"))

    def run(*words: object) -> str:
        capsys.readouterr()
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        assert code == 0, said.err
        assert "Traceback" not in said.err
        return said.out

    run("mine", data, "--recipe", "uniform", "--negatives", 4, "--out", tmp_path / "mined")
    common = ("--model", retriever, "--mined", tmp_path / "mined", "--steps", 2, "--batch-size", 8, "--patience", 2)
    told = json.loads(run("train", data, "--kind", "full", *common, "--out", tmp_path / "full", "--json"))
    assert (told["kind"], told["steps"], told["negatives"], told["held_out"]) == ("full", 2, "both", 0)
    assert told["best"] == 2
    assert told["loss"] > 0
    open_encoder(tmp_path / "full")
    evaluated = run("eval", data, "--model", tmp_path / "full", "--against", retriever, "--metric", "ndcg@10")
    assert evaluated.startswith("40 queries of test, 60 items")
    out = run("train", data, "--kind", "reranker", *common, "--out", tmp_path / "reranker")
    assert "2 steps on pairs; loss at the end" in out
    assert f"written to {tmp_path / 'reranker'} (sentence-transformers format)" in out
    common = ("--model", retriever, "--metric", "ndcg@10", "--metric", "recall@100", "--json")
    told = json.loads(
        run("eval", data, *common, "--rerank", tmp_path / "reranker", "--depth", 5, "--against", retriever)
    )
    assert f"the first 5 reranked by {tmp_path / 'reranker'}" in told["model"]
    assert told["metrics"]["recall@100"]["difference"]["estimate"] == 0
    assert told["metrics"]["ndcg@10"]["difference"]["estimate"] != 0
