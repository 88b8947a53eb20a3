"""``foils advise``."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "advising"))

from advice_worlds import world

QUICK = "--seeds", 2, "--anchors", 60, "--items", 100


@pytest.fixture
def folder(tmp_path) -> Path:
    """A world without rivals as a BEIR folder, with vectors beside it."""
    data = world(60, rivals=0)
    path = tmp_path / "world"
    (path / "qrels").mkdir(parents=True)
    for name, records in (("queries", data.anchors), ("corpus", data.items)):
        rows = zip(records.ids.to_pylist(), records.texts.to_pylist(), strict=True)
        lines = [json.dumps({"_id": one, "title": "", "text": text}) for one, text in rows]
        (path / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).standard_normal((len(records), 6), np.float32))
    rows = [f"{anchor}\t{item}\t1" for anchor, item in zip(data.judgements.anchors, data.judgements.items, strict=True)]
    (path / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
    return path


def test_the_advice_begins_with_the_verdict(run, folder):
    said = run("advise", folder, *QUICK)
    assert said.code == 0
    assert said.out.startswith("Mining does not pay here")
    for arm in ("in-batch only", "uniform", "naive-top-k", "nv-retriever"):
        assert any(line.startswith(arm) for line in said.out.splitlines())
    assert "8 of 8  comparing" in said.err


def test_json_holds_the_arms_and_the_settings(run, folder):
    vectors = "--query-vectors", folder.parent / "queries.npy", "--corpus-vectors", folder.parent / "corpus.npy"
    found = run("advise", folder, *QUICK, *vectors, "--smallest-effect", 0.5, "--json").json()
    assert found["kind"] == "adapter"
    assert [arm["name"] for arm in found["arms"]] == ["in-batch only", "uniform", "naive-top-k", "nv-retriever"]
    assert found["settings"] == {"seeds": 2, "negatives": 4, "anchors": 60, "items": 100, "smallest_effect": 0.5}
    assert set(found["arms"][1]["to_reference"]["interval"]) == {"estimate", "low", "high"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--kind", "adapter"], "an adapter is trained behind frozen vectors"),
        (["--kind", "static", "--model", "m"], "a static encoder reads texts"),
        (["--seeds", "1"], "seeds is 1; expected a number from 2 to 100"),
        (["--smallest-effect", "0"], "smallest_effect is 0"),
        (["--query-vectors", "q.npy"], "--query-vectors is given without --corpus-vectors"),
        (["--query-prompt", "q: "], "--query-prompt and --corpus-prompt are for --model"),
        (["--split", "dev"], "dev"),
    ],
)
def test_what_does_not_go_together_is_refused_before_work(run, folder, options, expected):
    assert expected in run("advise", folder, *options).error
