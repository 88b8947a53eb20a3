"""What records say beyond id and text: metadata, references to images; and folders told by their files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats import jsonl


def beir(folder: Path, corpus: list[dict[str, Any]], queries: list[dict[str, Any]] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    queries = queries or [{"_id": "q", "text": "?"}]
    for name, records in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / "train.tsv").write_text(f"q\t{corpus[0]['_id']}\t1\n", encoding="utf-8")
    return folder


def test_other_scalars_become_metadata(tmp_path):
    corpus = [
        {
            "_id": "1",
            "text": "x",
            "lang": "en",
            "year": 1990,
            "open": True,
            "tags": ["a"],
            "metadata": {"url": "u", "n": {}},
        },
        {"_id": "2", "text": "y", "year": 2.5, "mixed": 3, "metadata": {"year": 7}},
        {"_id": "3", "text": "z", "mixed": "w", "lang": None},
    ]
    fields = Collection.from_beir(beir(tmp_path, corpus)).items.fields
    assert {name: column.to_pylist() for name, column in fields.items()} == {
        "lang": ["en", None, None],
        "year": [1990, 2.5, None],
        "open": [True, None, None],
        "url": ["u", None, None],
        "mixed": [None, "3", "w"],
        "metadata.year": [None, 7, None],
    }


def test_metadata_of_any_batch_size_is_the_same(tmp_path, monkeypatch):
    corpus = [
        {"_id": str(n), "text": "x", **({"a": n} if n % 3 else {"b": str(n)}), "c": n / 2 if n > 5 else n}
        for n in range(9)
    ]
    whole = Collection.from_beir(beir(tmp_path, corpus)).items.fields
    monkeypatch.setattr(jsonl, "BATCH_ROWS", 2)
    parts = Collection.from_beir(tmp_path).items.fields
    assert {name: (column.type, column.to_pylist()) for name, column in parts.items()} == {
        name: (column.type, column.to_pylist()) for name, column in whole.items()
    }


def test_metadata_is_not_in_the_digest_and_payloads_are(tmp_path):
    plain = Collection.from_beir(beir(tmp_path / "a", [{"_id": "1", "text": "x"}]))
    dated = Collection.from_beir(beir(tmp_path / "b", [{"_id": "1", "text": "x", "date": "2020"}]))
    pictured = Collection.from_beir(beir(tmp_path / "c", [{"_id": "1", "text": "x", "image": "a.png"}]))
    assert plain.items.digest == dated.items.digest
    assert plain.items.digest != pictured.items.digest


def test_more_names_than_metadata_may_have(tmp_path):
    with pytest.raises(DataError, match=r"corpus\.jsonl, line 300: .* 300 different fields"):
        Collection.from_beir(beir(tmp_path, [{"_id": str(n), "text": "x", f"key{n}": 1} for n in range(300)]))


def test_images_by_reference(tmp_path):
    corpus = [
        {"_id": "1", "text": "", "image": "pictures/a.png"},
        {"_id": "2", "text": "words", "image": "https://example.org/b.png"},
        {"_id": "3", "text": "", "image": None},
    ]
    queries = [{"_id": "q", "text": "", "image": "/absolute/q.png"}]
    data = Collection.from_beir(beir(tmp_path, corpus, queries))
    assert data.items.empty.tolist() == [False, False, True]
    assert data.items.payloads.to_pylist() == ["pictures/a.png", "https://example.org/b.png", ""]
    assert data.items.payload_paths() == [str(tmp_path / "pictures/a.png"), "https://example.org/b.png", ""]
    assert data.anchors.payload_paths() == ["/absolute/q.png"]
    assert data.items.texts_at(np.array([1, 0, -1])).to_pylist() == ["words", "pictures/a.png", None]
    with pytest.raises(DataError, match=r"'1'.*pictures/a\.png.*1 of 3"):
        data.items.require_payloads()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    data.items.require_payloads()


def test_other_images_are_no_duplicates(tmp_path):
    images = [("", "a.png"), ("", "b.png"), ("", "a.png"), ("words", "a.png"), ("words", "b.png"), ("Words", None)]
    corpus = [{"_id": str(n), "text": text, "image": image} for n, (text, image) in enumerate(images)]
    groups = Collection.from_beir(beir(tmp_path, corpus)).duplicate_groups
    assert groups[0] == groups[2] >= 0
    assert groups[[1, 3, 4, 5]].tolist() == [-1] * 4


def test_the_same_image_folder_elsewhere_has_the_same_digest(tmp_path):
    corpus = [{"_id": "1", "text": "", "image": "a.png"}]
    first, second = (Collection.from_beir(beir(tmp_path / name, corpus)) for name in ("a", "b"))
    assert first.digest("train") == second.digest("train")


def test_fields_have_one_value_per_record():
    with pytest.raises(DataError, match="'lang' has 1 values for 2 records"):
        Records.of(["1", "2"], ["x", "y"], fields={"lang": pa.array(["en"])})


def test_texts_at_agrees_with_full_texts():
    texts, titles = ["b", " ", "\u2003x\x1c", "", "e"], ["A", "", "\x1f", " T ", ""]
    records = Records.of([str(row) for row in range(5)], texts, titles)
    assert records.texts_at(np.arange(5)).to_pylist() == records.full_texts()
    untitled = replace(records, titles=None)
    assert untitled.texts_at(np.arange(5)).to_pylist() == untitled.full_texts()
    with pytest.raises(DataError, match="no texts"):
        Records.of(["1"]).texts_at(np.array([0]))


TOLD = {
    "interactions": {"train.tsv": "user\titem\tvalue\nu\ti\t1\n", "README.md": "#"},
    "triples": {"train.tsv": "head\trelation\ttail\na\tr\tb\n", "entities.tsv": "id\na\nb\n"},
    "labels": {"wiki.jsonl": '{"text": "x", "label": "a"}\n', "labels.tsv": "id\na\n"},
    "several labels": {"train.jsonl": '{"features": {}, "labels": [1]}\n'},
    "beir": {
        "corpus.jsonl": '{"_id": "1", "text": "x"}',
        "queries.jsonl": '{"_id": "q", "text": "x"}',
        "qrels/a.tsv": "q\t1\t1",
    },
}
PAIRS = 'anchor,"positive"\na,b\n'


@pytest.mark.parametrize("name", TOLD)
def test_folders_are_told_by_their_files(tmp_path, name):
    for file, text in TOLD[name].items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    data = Collection.from_path(tmp_path)
    assert len(data.judgements)
    assert (data.triples is not None) == (name == "triples")


def test_a_table_of_pairs_is_told(tmp_path):
    (tmp_path / "p.csv").write_text(PAIRS, encoding="utf-8")
    assert len(Collection.from_path(tmp_path / "p.csv").judgements) == 1


def test_a_folder_of_pairs_and_further_items_is_told(tmp_path):
    (tmp_path / "pairs.csv").write_text(PAIRS, encoding="utf-8")
    assert Collection.from_path(tmp_path).items.texts.to_pylist() == ["b"]
    (tmp_path / "corpus.jsonl").write_text('{"id": "x", "text": "c"}\n', encoding="utf-8")
    assert Collection.from_path(tmp_path).items.texts.to_pylist() == ["b", "c"]


@pytest.mark.parametrize("text", ['{"question": "x"}\n', "not json\n", ""])
def test_what_cannot_be_told_is_refused(tmp_path, text):
    (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"no data set .*found train.*interactions.*triples.*labelled texts"):
        Collection.from_path(tmp_path)
