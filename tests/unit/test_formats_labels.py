"""Labelled texts: one label or several, tables of labels, splits, rows without labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foils.collection import Collection
from foils.errors import DataError


def write(folder: Path, name: str, records: list[dict[str, Any]]) -> Path:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def said(data: Collection) -> set[tuple[str, str, str]]:
    """Spell out the positives: text's id, label's id, split."""
    judged = data.judgements
    texts, labels = data.anchors.ids.to_pylist(), data.items.ids.to_pylist()
    rows = zip(judged.anchors, judged.items, judged.splits, strict=True)
    return {(texts[text], labels[label], data.splits[split]) for text, label, split in rows}


def test_a_folder_with_lists_and_a_table_of_labels(tmp_path):
    write(
        tmp_path,
        "train",
        [{"id": "t1", "text": "x", "labels": [1, 0], "lang": "en"}, {"id": "t2", "text": "y", "labels": []}],
    )
    write(tmp_path, "test", [{"id": "t3", "text": "x", "labels": ["1", 1]}])
    (tmp_path / "labels.tsv").write_text("id\ttext\tdomain\n0\tzero\td\n1\tone\td\n2\tnone\te\n", encoding="utf-8")
    (tmp_path / "features.tsv").write_text("id\n0\n", encoding="utf-8")
    data = Collection.from_labels(tmp_path)
    assert said(data) == {("t1", "1", "train"), ("t1", "0", "train"), ("t3", "1", "test")}
    assert data.items.texts.to_pylist() == ["zero", "one", "none"]
    assert data.items.fields["domain"].to_pylist() == ["d", "d", "e"]
    assert data.anchors.texts.to_pylist() == ["x", "y", "x"]
    assert data.anchors.fields["lang"].to_pylist() == ["en", None, None]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_one_table_without_ids_or_table_of_labels(tmp_path, suffix):
    columns = {"sentence": ["a", "b", "c"], "intent": ["greet", "bye", "greet"], "split": ["test", "train", "train"]}
    path = tmp_path / f"all.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table(columns), path)
    elif suffix == "jsonl":
        write(tmp_path, "all", pa.table(columns).to_pylist())
    else:
        mark = {"tsv": "\t", "csv": ","}[suffix]
        rows = [tuple(columns), *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(mark.join(row) for row in rows), encoding="utf-8")
    data = Collection.from_labels(path, text="sentence", label="intent")
    assert said(data) == {("test-1", "greet", "test"), ("train-1", "bye", "train"), ("train-2", "greet", "train")}
    assert data.items.texts.to_pylist() == ["greet", "bye"]


def test_features_leave_anchors_without_text(tmp_path):
    write(tmp_path, "train", [{"id": "r1", "features": {"0": 1}, "labels": [3]}])
    data = Collection.from_labels(tmp_path)
    assert data.anchors.texts is None
    assert said(data) == {("r1", "3", "train")}


def test_labels_that_read_the_same_are_duplicates(tmp_path):
    write(tmp_path, "train", [{"text": "x", "label": 0}])
    (tmp_path / "labels.tsv").write_text("id\ttext\n0\tcard lost\n1\tCard  lost\n", encoding="utf-8")
    assert Collection.from_labels(tmp_path).positives().row(0).tolist() == [0, 1]


REJECTED = {
    "no text": ([{"id": "1", "txt": "x", "label": 1}], "", ["no column 'text'", "txt"]),
    "empty text": ([{"text": "x", "label": 1}, {"text": " ", "label": 1}], "", ["line 2", "'text' is empty"]),
    "some without text": ([{"text": "x", "label": 1}, {"label": 1}], "", ["line 2", "no 'text'"]),
    "no label at all": ([{"text": "x"}], "", ["no row has a label"]),
    "a label that is no id": ([{"text": "x", "label": True}], "", ["line 1", "'label' is a boolean"]),
    "labels that are no list": ([{"text": "x", "labels": "a"}], "", ["'labels' is a string", "a list"]),
    "a list of others": ([{"text": "x", "labels": [1, None]}], "", ["line 1", "'labels' is [1, None]"]),
    "unknown label": ([{"text": "x", "label": 1}, {"text": "y", "label": 9}], "id\n1\n", ["line 2", "label id '9'"]),
    "an id twice": ([{"id": 1, "text": "x", "label": 1}, {"id": "1", "text": "y", "label": 1}], "", ["line 2", "'1'"]),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path, name):
    records, labels, fragments = REJECTED[name]
    write(tmp_path, "train", records)
    if labels:
        (tmp_path / "labels.tsv").write_text(labels, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        Collection.from_labels(tmp_path)
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message


def test_a_folder_without_texts(tmp_path):
    (tmp_path / "labels.tsv").write_text("id\n1\n", encoding="utf-8")
    with pytest.raises(DataError, match="no table of texts"):
        Collection.from_labels(tmp_path)


def test_lists_in_the_cells_of_a_table_are_refused_with_a_way_out(tmp_path):
    (tmp_path / "t.csv").write_text("text,labels\nx,a;b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"column 'labels', and a cell of a \.csv holds no list; .*\.jsonl"):
        Collection.from_labels(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("text,labels,label\nx,a;b,a\n", encoding="utf-8")
    assert Collection.from_labels(tmp_path / "t.csv").items.ids.to_pylist() == ["a"]
