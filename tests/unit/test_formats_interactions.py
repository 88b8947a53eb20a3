"""Interactions: splits, ids, values, tables of items."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foils.collection import Collection
from foils.errors import DataError


def write(folder: Path, **files: str) -> Path:
    """Write train.tsv and the like; a name with two underscores gets a dot there."""
    for name, text in files.items():
        (folder / f"{name.replace('__', '.')}").write_text(text, encoding="utf-8", newline="")
    return folder


def said(data: Collection) -> set[tuple[str, str, float, str]]:
    """Spell out the judgements."""
    judged = data.judgements
    users, items = data.anchors.ids.to_pylist(), data.items.ids.to_pylist()
    rows = zip(judged.anchors, judged.items, judged.grades.tolist(), judged.splits, strict=True)
    return {(users[user], items[item], grade, data.splits[split]) for user, item, grade, split in rows}


def test_a_folder_of_splits(tmp_path):
    write(
        tmp_path, train__tsv="user\titem\nu1\tx\nu1\ty\nu2\tx\n", test__tsv="user\titem\nu2\tz\n", other__tsv="a\tb\n"
    )
    data = Collection.from_interactions(tmp_path)
    assert said(data) == {
        ("u1", "x", 1, "train"),
        ("u1", "y", 1, "train"),
        ("u2", "x", 1, "train"),
        ("u2", "z", 1, "test"),
    }
    assert data.splits == ("train", "test")
    assert data.anchors.texts is None
    assert data.items.texts is None
    assert data.anchors.ids.to_pylist() == ["u1", "u2"]


def test_byte_order_mark_crlf_gzip_blank_lines_and_hostile_ids_are_kept(tmp_path):
    text = '﻿user\titem\r\n\r\n=cmd()\t"<b>\r\n u \t\x1b[31m\r\n'
    (tmp_path / "train.tsv.gz").write_bytes(gzip.compress(text.encode()))
    data = Collection.from_interactions(tmp_path)
    assert said(data) == {("=cmd()", '"<b>', 1, "train"), (" u ", "\x1b[31m", 1, "train")}


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "parquet"])
def test_one_table_of_any_kind_with_a_column_split(tmp_path, suffix):
    columns = {"who": ["u1", "u2", "u1"], "what": [7, 7, 8], "split": ["train", "test", "train"]}
    path = tmp_path / f"clicks.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.table(columns), path)
    elif suffix == "jsonl":
        lines = pa.table(columns).to_pylist()
        path.write_text("".join(f"{line}\n".replace("'", '"') for line in lines), encoding="utf-8")
    else:
        mark = {"tsv": "\t", "csv": ","}[suffix]
        rows = zip(*columns.values(), strict=True)
        path.write_text("\n".join(mark.join(map(str, row)) for row in [tuple(columns), *rows]), encoding="utf-8")
    data = Collection.from_interactions(path, user="who", item="what")
    assert said(data) == {("u1", "7", 1, "train"), ("u2", "7", 1, "test"), ("u1", "8", 1, "train")}


def test_values_decide_and_the_highest_of_repeated_ones_counts(tmp_path):
    table = "user\titem\tvalue\nu\ta\t5\nu\tb\t1\nu\tc\t1\nu\tc\t4\nu\ta\t2\n"
    write(tmp_path, train__tsv=table)
    assert said(Collection.from_interactions(tmp_path)) == {("u", item, 1, "train") for item in "abc"}
    assert said(Collection.from_interactions(tmp_path, min_value=4)) == {("u", "a", 1, "train"), ("u", "c", 1, "train")}
    judged = Collection.from_interactions(tmp_path, min_value=4, below="negative")
    assert said(judged) == {("u", "a", 1, "train"), ("u", "c", 1, "train"), ("u", "b", 0, "train")}
    assert judged.trusted_negatives().items.tolist() == [1]


def test_a_table_of_items_gives_order_texts_and_metadata(tmp_path):
    items = "id\ttext\tyear\tcode\ny\tToy\t1995\t007\nx\t\t\t01\nw\tToy\t1990\t2\n"
    write(tmp_path, train__tsv="user\titem\nu\tx\n", items__tsv=items)
    data = Collection.from_interactions(tmp_path)
    assert data.items.ids.to_pylist() == ["y", "x", "w"]
    assert data.items.texts.to_pylist() == ["Toy", "x", "Toy"]  # a product without text is called by its id
    assert data.items.fields["year"].to_pylist() == [1995, None, 1990]
    assert data.items.fields["code"].to_pylist() == ["007", "01", "2"]
    assert data.positives().row(0).tolist() == [1]


def test_products_of_the_same_name_are_not_duplicates(tmp_path):
    write(tmp_path, train__tsv="user\titem\nu\tx\n", items__tsv="id\ttext\nx\tToy\ny\tToy\n")
    data = Collection.from_interactions(tmp_path)
    assert data.positives().row(0).tolist() == [0]


def test_a_million_rows_are_not_read_one_by_one(tmp_path):
    rows = np.arange(300_000)
    (tmp_path / "train.tsv").write_text("user\titem\n" + "".join(f"{r % 999}\t{r}\n" for r in rows), encoding="utf-8")
    data = Collection.from_interactions(tmp_path)
    assert (len(data.anchors), len(data.items), len(data.judgements)) == (999, 300_000, 300_000)


REJECTED = {
    "no split": ({"clicks__tsv": "user\titem\n"}, {}, ["no table of a split", "found clicks"]),
    "no column": ({"train__tsv": "u\titem\n1\t2\n"}, {}, ["line 1", "no column 'user'", "found: item, u"]),
    "commas": ({"train__tsv": "user,item\n1,2\n"}, {}, ["separate the columns by tabs"]),
    "too many cells": (
        {"train__tsv": "user\titem\n1\t2\n1\t2\t3\n"},
        {},
        ["line 3", "has 3 cells", "header has 2 (the first line is taken as the header: user, item)"],
    ),
    "empty id": ({"train__tsv": "user\titem\n\t2\n"}, {}, ["line 2", "'user' is empty"]),
    "no row": ({"train__tsv": "user\titem\n"}, {}, ["holds no row"]),
    "empty file": ({"train__tsv": ""}, {}, ["is empty"]),
    "column twice": ({"train__tsv": "user\titem\titem\n1\t2\t3\n"}, {}, ["two columns are called 'item'"]),
    "unknown item": (
        {"train__tsv": "user\titem\nu\tx\nu\tz\n", "items__tsv": "id\nx\n"},
        {},
        ["line 3", "item id 'z'", "items.tsv"],
    ),
    "item twice": ({"train__tsv": "user\titem\nu\tx\n", "items__tsv": "id\nx\nx\n"}, {}, ["items.tsv, line 3", "'x'"]),
    "no value": ({"train__tsv": "user\titem\nu\tx\n"}, {"min_value": 4}, ["no column 'value'"]),
    "value is a word": (
        {"train__tsv": "user\titem\tvalue\nu\tx\t1\nu\ty\tgood\n"},
        {"min_value": 4},
        ["line 3", "'good'", "a number"],
    ),
    "value is empty": ({"train__tsv": "user\titem\tvalue\nu\tx\t\n"}, {"min_value": 4}, ["line 2", "value is empty"]),
    "nothing reaches": ({"train__tsv": "user\titem\tvalue\nu\tx\t1\n"}, {"min_value": 4}, ["min_value=4", "1 and 1"]),
    "below alone": ({"train__tsv": "user\titem\n1\t2\n"}, {"below": "negative"}, ["min_value"]),
    "below is else": ({"train__tsv": "user\titem\n1\t2\n"}, {"below": "nagative"}, ["'nagative'", "negative"]),
    "plain and gz": (
        {"train__tsv": "user\titem\n1\t2\n", "train__csv": ""},
        {},
        ["holds both train.csv and train.tsv"],
    ),
    "not UTF-8": ({"train__tsv": "user\titem\n1\t2\n"}, {"binary": b"user\titem\n1\t\xff\n"}, ["line 2", "0xff"]),
}


@pytest.mark.parametrize("name", REJECTED)
def test_rejected(tmp_path, name):
    files, options, fragments = REJECTED[name]
    write(tmp_path, **files)
    options = dict(options)
    if "binary" in options:
        (tmp_path / "train.tsv").write_bytes(options.pop("binary"))
    with pytest.raises(DataError) as caught:
        Collection.from_interactions(tmp_path, **options)
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        Collection.from_interactions(tmp_path / "none.tsv")
