"""BEIR data sets: corpus.jsonl (``_id``, ``text``, ``title``), queries.jsonl and qrels/<split>.tsv.

What else a record says is kept: scalars as metadata, and ``image`` as a reference to what is not text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.folder import open_folder
from foils.formats.jsonl import read_jsonl
from foils.formats.judged import joined
from foils.formats.known import Known
from foils.formats.messages import quoted
from foils.formats.qrels import read_qrels
from foils.formats.rows import Field, Rows, first_true

ID, TEXT, TITLE = Field("_id", "id"), Field("text"), Field("title", required=False)
IMAGE = Field("image", required=False)
EXAMPLE = '{"_id": "1", "text": "…"}'


def read_beir(path: Path) -> Collection:
    """Read a BEIR folder, or a .zip of one.

    Raises:
        DataError: a file is missing, or a line is not what docs/input.md says.
    """
    folder = open_folder(path)
    corpus, queries, qrels = folder.jsonl("corpus"), folder.jsonl("queries"), folder.qrels()
    items, anchors = read_items(corpus), read_anchors(queries)
    known_queries, known_items = Known("query", anchors, queries.name), Known("item", items, corpus.name)
    splits = [read_qrels(source, split, known_queries, known_items) for split, source in qrels.items()]
    return Collection(anchors, items, joined(splits))


def read_items(source: Source) -> Records:
    """Read corpus.jsonl."""
    return _records(source, _read(source, (ID, TEXT, TITLE, IMAGE)))


def read_anchors(source: Source) -> Records:
    """Read queries.jsonl; a query needs a text or an image."""
    rows = _read(source, (ID, TEXT, IMAGE))
    anchors = _records(source, rows)
    if anchors.empty.any():
        row = first_true(anchors.empty)
        raise DataError(
            f"{rows.place(row)}: the query {quoted(anchors.ids[row].as_py())} has no text; write its text, "
            "or remove it and its "
            f"judgements ({int(anchors.empty.sum())} of {len(anchors)} queries are empty)"
        )
    return anchors


def _records(source: Source, rows: Rows) -> Records:
    images = _given(rows.columns["image"])
    folder = source.path.parent if images is not None and source.member is None else None
    titles = _given(rows.columns["title"]) if "title" in rows.columns else None
    return Records(rows.columns["_id"], rows.columns["text"], titles, images, rows.others, folder)


def _given(column: pa.Array) -> pa.LargeStringArray | None:
    """Give a column with "" for null, or None where that is all it has: a corpus of empty titles has none."""
    filled = pc.fill_null(column, "")
    return filled if len(filled) and pc.max(pc.binary_length(filled)).as_py() > 0 else None


def _read(source: Source, fields: Sequence[Field]) -> Rows:
    rows = read_jsonl(source, fields, others=True)
    if not len(rows):
        raise DataError(f"{source.name}: is empty; expected one JSON object per line, such as {EXAMPLE}")
    rows.reject_repeated("_id")
    return rows
