"""Anybody's negatives: what is wrong with a file is found, counted and named."""

import json

import numpy as np
import pytest

import foils
from foils.errors import DataError, InputError


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def data():
    return foils.Collection.from_arrays(
        [(0, 0), (1, 1), (2, 2), (0, 5)],
        anchors=["hot tea", "cold tea", "rain"],
        items=[
            "warm drink",
            "iced drink",
            "water from the sky",
            "dry sand",
            "Warm  Drink",
            "steam",
            "HOT tea",
            "salt",
            "salt",
        ],
        splits=["train", "train", "train", "test"],
    )


def test_every_fault_is_found(data, tmp_path):
    rows = [
        {"anchor": "hot tea", "positive": "warm drink", "negative": negative}
        for negative in [
            "warm drink",
            "Warm  Drink",
            "steam",
            "HOT tea",
            "salt",
            "dry sand",
            "dry sand",
            "unknown text",
        ]
    ]
    rows.append({"anchor": "nobody asks", "positive": "warm drink", "negative": "salt"})
    report = foils.audit(data, write(tmp_path / "bad.jsonl", rows)).report
    found = report.duplicates
    assert (found.known_positives, found.copies_of_positives, found.the_anchor_itself) == (1, 1, 1)
    assert found.repeated_in_file == 1
    assert report.leakage[0].positives_of_same_anchor == 1
    assert (report.about.unmatched.anchors, report.about.unmatched.negatives) == (1, 1)
    assert any("unknown text" in line and "line 8" in line for line in report.about.unmatched.examples)
    assert report.findings[0].level == "fault"
    assert report.headline == "1 negative is a known positive of the same anchor"
    assert report.shortfall.empty_units == 2  # anchors that the file dropped
    wrong = next(kind for kind in report.examples if kind.kind == "wrong")
    assert {example.negative.item_id for example in wrong.examples} <= {"0", "4", "5"}


def test_copies_within_a_unit_are_counted(data, tmp_path):
    path = tmp_path / "twins.csv"
    path.write_text("anchor_id,negative_id\n0,7\n0,8\n0,3\n1,7\n")
    report = foils.audit(data, path).report
    assert report.duplicates.copies_of_each_other == 1
    assert report.about.negatives == 4


def test_near_copies_of_a_positive_are_found(tmp_path):
    long = " ".join(f"word{number}" for number in range(40))
    data = foils.Collection.from_arrays(
        [(0, 0)], anchors=["q"], items=[long, f"{long} more", "something else entirely"]
    )
    report = foils.audit(data, write(tmp_path / "a.jsonl", [{"query": "q", "pos": [], "neg": [f"{long} more"]}])).report
    assert report.near_duplicates.rate.estimate == 1
    other = write(tmp_path / "b.jsonl", [{"query": "q", "pos": [], "neg": ["something else entirely"]}])
    assert foils.audit(data, other).report.near_duplicates.rate.estimate == 0


def test_pictures_without_words_are_no_near_copies_of_each_other(tmp_path):
    (tmp_path / "qrels").mkdir()
    write(tmp_path / "queries.jsonl", [{"_id": "q", "text": "a cat"}])
    write(tmp_path / "corpus.jsonl", [{"_id": name, "text": "", "image": f"{name}.png"} for name in "abc"])
    (tmp_path / "qrels" / "train.tsv").write_text("q\ta\t1\n")
    pictures = foils.Collection.from_beir(tmp_path)
    rows = write(tmp_path / "rows.jsonl", [{"query_id": "q", "negative_ids": ["b", "c"]}])
    report = foils.audit(pictures, rows).report
    assert report.about.negatives == 2
    assert report.near_duplicates.rate.estimate == 0
    assert report.duplicates.copies_of_positives == report.duplicates.copies_of_each_other == 0


def test_scores_of_the_file_are_used_and_vectors_replace_them(data, tmp_path):
    rows = [{"query": "hot tea", "pos": ["warm drink"], "neg": ["dry sand"], "pos_scores": [0.5], "neg_scores": [0.75]}]
    path = write(tmp_path / "scored.jsonl", rows)
    report = foils.audit(data, path).report
    assert report.hardness.score == "file"
    assert report.hardness.gap("mean").mean.estimate == 0.25
    assert report.hardness.gap("mean").at_or_above.estimate == 1
    queries, items = np.eye(3, 4, dtype=np.float32), np.eye(9, 4, dtype=np.float32) + 0.01
    replaced = foils.audit(data, path, query_vectors=queries, item_vectors=items).report
    assert replaced.hardness.score == "vectors"
    assert replaced.hardness.gap("mean").mean.estimate < 0


def test_how_many_negatives_were_compared_is_said(data, tmp_path):
    rows = [
        {"query": "hot tea", "pos": ["warm drink"], "neg": ["dry sand"], "pos_scores": [0.5], "neg_scores": [0.75]},
        {"query": "cold tea", "pos": [], "neg": ["dry sand"], "pos_scores": [], "neg_scores": [0.75]},
    ]
    report = foils.audit(data, write(tmp_path / "partly.jsonl", rows)).report
    assert report.headline.startswith("100 of 100 compared negatives score at or above")
    assert "1 of 2 could be compared" in " ".join(finding.text for finding in report.findings)


def test_what_cannot_be_audited_is_refused_in_words(data, mined, tmp_path):
    path = write(tmp_path / "a.jsonl", [{"query": "hot tea", "neg": ["salt"]}])
    with pytest.raises(InputError, match="name a file"):
        foils.audit(data)
    with pytest.raises(InputError, match="not a result and a file"):
        foils.audit(mined, path)
    with pytest.raises(InputError, match="expected a Mined or a Collection"):
        foils.audit("runs/a")
    with pytest.raises(InputError, match="one of the two was left out"):
        foils.audit(data, path, query_vectors=np.eye(3, 4))
    with pytest.raises(DataError, match="no split 'dev'"):
        foils.audit(data, path, split="dev")
    stranger = foils.Collection.from_pairs(_csv(tmp_path))
    with pytest.raises(DataError, match="judges no anchor"):
        foils.audit(data, path, truth=stranger)


def _csv(folder):
    path = folder / "strangers.csv"
    path.write_text("anchor,positive\nx,y\n")
    return path


def test_a_file_of_judgements_is_truth(data, tmp_path):
    path = write(tmp_path / "a.jsonl", [{"query": "hot tea", "neg": ["dry sand", "salt"]}])
    truth = tmp_path / "full.tsv"
    truth.write_text("query-id\tcorpus-id\tscore\n0\t3\t1\n0\t7\t0\n")
    report = foils.audit(data, path, truth=truth).report
    assert (report.hidden.hits, report.hidden.negatives, report.hidden.judged_share) == (1, 2, 1.0)
    assert report.headline.startswith("500 of 1,000 negatives are positives")
