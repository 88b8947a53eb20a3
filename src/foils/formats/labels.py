"""Texts and their labels, one or several each: texts are anchors, labels are items.

Texts come from one table per split, or from one table; labels from labels.tsv (id, text and more) where there is one.
Sparse features are not read: rows with ``features`` and no text are anchors without text, to be mined with vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.described import by_appearance, read_described
from foils.formats.files import Source
from foils.formats.folder import listed
from foils.formats.judged import once_per_pair
from foils.formats.known import Known
from foils.formats.lines import numbered_lines
from foils.formats.messages import nearest, quoted, shown
from foils.formats.parts import SPLIT, Parts, by_column, read_splits, tables_in
from foils.formats.rows import Field, Rows, booleans, first_true
from foils.formats.tables import read_table
from foils.positives import Int64, Judgements

LABEL_TABLES = ("labels", "relations", "classes")
BESIDE = (*LABEL_TABLES, "features")
ID, LISTS = Field("id", "id", required=False), Field("labels", "ids", required=False)
WITH_LISTS = (".jsonl", ".parquet")
SHAPE = "a folder of labelled texts holds train.jsonl, test.jsonl … with text and label or labels, and labels.tsv"


@dataclass(frozen=True)
class Columns:
    """What the columns are called."""

    text: str = "text"
    label: str = "label"

    def fields(self) -> list[Field]:
        """Give what is read of every kind of table."""
        return [ID, Field(self.text, required=False), Field(self.label, "id", required=False), SPLIT]


def read_labels(path: Path, columns: Columns, labels: Path | None) -> Collection:
    """Read a folder, or one table.

    Args:
        path: a folder with a table per split, or one table with the column ``split`` or without.
        columns: names of the columns.
        labels: a table of the labels; default: labels.tsv in the folder, else the labels that occur.

    Raises:
        DataError: a file or row is not what docs/input.md says.
    """
    tables = tables_in(path) if path.is_dir() else {"train": Source(path)}
    texts = {name: source for name, source in tables.items() if name not in BESIDE}
    if not texts:
        raise DataError(f"{shown(str(path))}: there is no table of texts (found {listed(tables)}); {SHAPE}")
    parts = read_splits(texts, lambda source: _read(source, columns))
    if not path.is_dir():
        parts = by_column(parts)
    described = next((tables[name] for name in LABEL_TABLES if name in tables), None)
    items, texts_of, labels_of = _labelled(parts.rows, columns, Source(labels) if labels is not None else described)
    grades = np.ones(len(texts_of), np.float32)
    judgements = Judgements(texts_of, labels_of, grades, parts.codes[texts_of], parts.names)
    once = once_per_pair(judgements, lambda row: parts.rows.place(int(texts_of[row])))
    return Collection(_anchors(parts, columns), items, once)


def _read(source: Source, columns: Columns) -> Rows:
    """Read a table; those of some kinds may have lists of labels."""
    suffix = source.suffixes[0]
    lists = suffix in WITH_LISTS
    rows = read_table(source, [*columns.fields(), *([LISTS] if lists else [])], others=True)
    absent = {} if lists else {LISTS.name: pa.nulls(len(rows), LISTS.arrow)}
    read = rows.columns | absent
    if not lists and LISTS.name in rows.others and read[columns.label].null_count == len(rows):
        raise DataError(
            f"{source.name}: has the column 'labels', and a cell of a {suffix} holds no list; write rows such as "
            '{"text": "…", "labels": ["a", "b"]} to a .jsonl file, or, if each row has one label, call the column label'
        )
    if read[columns.text].null_count == len(rows) and not _has_features(source):
        raise DataError(
            f"{source.name}: there is no column {quoted(columns.text)}; name another with text=: "
            f"{nearest(columns.text, rows.others)}"
        )
    return Rows(read, rows.place, rows.others)


def _has_features(source: Source) -> bool:
    """Tell whether the first record has ``features`` instead of a text."""
    if source.suffixes[0] != ".jsonl":
        return False
    _, line = next(numbered_lines(source))
    return "features" in msgspec.json.decode(line)


def _labelled(rows: Rows, columns: Columns, described: Source | None) -> tuple[Records, Int64, Int64]:
    """Give the labels, and each (text, label) pair by its rows."""
    lists, single = rows.columns[LISTS.name], rows.columns[columns.label]
    alone = np.flatnonzero(booleans(pc.not_equal(pc.fill_null(single, ""), "")))
    of_lists = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False).astype(np.int64)
    ids = pa.concat_arrays([lists.flatten(), single.take(pa.array(alone))])
    texts = np.concatenate([of_lists, alone])
    order = np.argsort(texts, kind="stable")
    ids, texts = ids.take(pa.array(order)), texts[order]
    if not len(ids):
        raise DataError(f"{rows.place(0)}: no row has a label; name the column with label=, or add labels")
    if described is None:
        records = by_appearance(ids)
        records = Records(records.ids, records.ids)  # a label's own name is its text
        return records, texts, records.rows(ids)
    records = read_described(described, ("id", columns.label, "_id"))
    known = Known("label", records, described.name)
    return records, texts, known.rows(ids, lambda row: rows.place(int(texts[row])))


def _anchors(parts: Parts, columns: Columns) -> Records:
    rows = parts.rows
    ids = rows.all_or_none(ID.name)
    if ids is None:
        ids = _numbered(parts)
    else:
        rows.reject_repeated(ID.name)
    texts = rows.all_or_none(columns.text)
    anchors = Records(ids, texts, fields=dict(rows.others))
    if anchors.empty.any():
        row = first_true(anchors.empty)
        raise DataError(f"{rows.place(row)}: {quoted(columns.text)} is empty; write its text, or remove the row")
    return anchors


def _numbered(parts: Parts) -> pa.LargeStringArray:
    """Name rows by their split and their place in it, from 1."""
    counts = np.bincount(parts.codes, minlength=len(parts.names))
    order = np.argsort(parts.codes, kind="stable")
    nth = np.empty(len(order), np.int64)
    nth[order] = np.concatenate([np.arange(1, count + 1) for count in counts])
    names = pa.array(parts.names, pa.large_string()).take(pa.array(parts.codes))
    return pc.binary_join_element_wise(names, pa.array(nth).cast(pa.large_string()), pa.scalar("-", pa.large_string()))
