"""BEIR data sets: corpus.jsonl (``_id``, ``text``, ``title``), queries.jsonl and qrels/<split>.tsv."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.folder import open_folder
from foils.formats.jsonl import read_jsonl
from foils.formats.judged import joined
from foils.formats.messages import quoted
from foils.formats.qrels import Known, read_qrels
from foils.formats.rows import Field, Rows, first_true

ID, TEXT, TITLE = Field("_id", "id"), Field("text"), Field("title", required=False)
EXAMPLE = '{"_id": "1", "text": "…"}'


def read_beir(path: Path) -> Collection:
    """Read a BEIR folder, or a .zip of one.

    Raises:
        DataError: a file is missing, or a line is not what docs/input.md says.
    """
    folder = open_folder(path)
    corpus, queries, qrels = folder.jsonl("corpus"), folder.jsonl("queries"), folder.qrels()
    items, anchors = _items(corpus), _anchors(queries)
    known_queries, known_items = Known("query", anchors, queries.name), Known("item", items, corpus.name)
    splits = [read_qrels(source, split, known_queries, known_items) for split, source in qrels.items()]
    return Collection(anchors, items, joined(splits))


def _items(source: Source) -> Records:
    rows = _read(source, (ID, TEXT, TITLE))
    titles = pc.fill_null(rows.columns["title"], "")
    # A corpus without titles and one with empty titles are the same corpus.
    untitled = not len(titles) or pc.max(pc.binary_length(titles)).as_py() == 0
    return Records(rows.columns["_id"], rows.columns["text"], None if untitled else titles)


def _anchors(source: Source) -> Records:
    rows = _read(source, (ID, TEXT))
    anchors = Records(rows.columns["_id"], rows.columns["text"])
    if anchors.empty.any():
        row = first_true(anchors.empty)
        raise DataError(
            f"{rows.place(row)}: the query {quoted(anchors.ids[row].as_py())} has no text; write its text, "
            "or remove it and its "
            f"judgements ({int(anchors.empty.sum())} of {len(anchors)} queries are empty)"
        )
    return anchors


def _read(source: Source, fields: Sequence[Field]) -> Rows:
    rows = read_jsonl(source, fields)
    if not len(rows):
        raise DataError(f"{source.name}: is empty; expected one JSON object per line, such as {EXAMPLE}")
    rows.reject_repeated("_id")
    return rows
