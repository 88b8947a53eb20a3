"""TREC test collections: topics and documents as tables, and qrels in four columns (topic 0 document grade).

Topics and documents are .jsonl or .tsv (each also .gz). A .tsv may have a header line, or be without: then its
columns are id and text, or id, title and text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import Source, reading
from foils.formats.jsonl import read_jsonl
from foils.formats.judged import in_split_order, joined
from foils.formats.known import Known
from foils.formats.lines import Body, without_mark
from foils.formats.messages import quoted
from foils.formats.qrels import read_body
from foils.formats.rows import Field, Rows, first_true
from foils.formats.tsvs import first_cells, read_tsv
from foils.positives import Judgements

QUERY_IDS = ("_id", "id", "qid", "query_id", "query-id", "number")
ITEM_IDS = ("_id", "id", "docid", "doc_id", "docno", "pid")
QUERY_TEXTS = ("text", "query", "title", "question")
ITEM_TEXTS = ("text", "contents", "passage", "body")
HEADERS = {2: ("id", "text"), 3: ("id", "title", "text")}
FOUR_COLUMNS = re.compile(rb"^[ \t]*(\S+)[ \t]+\S+[ \t]+(\S+)[ \t]+(\S+)[ \t]*(\r?)$", re.MULTILINE)


def read_trec(queries: Path, corpus: Path, qrels: Mapping[str, Path]) -> Collection:
    """Read topics, documents and judgements.

    Args:
        queries: the topics, .jsonl or .tsv.
        corpus: the documents, .jsonl or .tsv.
        qrels: split → file of four columns.

    Raises:
        DataError: a file or line is not what docs/input.md says.
    """
    if not qrels:
        raise DataError("there are no qrels; give a file, or files by split: {'train': …, 'test': …}")
    topics, documents = Source(queries), Source(corpus)
    anchors = _records(topics, QUERY_IDS, QUERY_TEXTS, titles=())
    items = _records(documents, ITEM_IDS, ITEM_TEXTS, titles=("title",))
    if anchors.empty.any():
        row = first_true(anchors.empty)
        raise DataError(f"{topics.name}: the query {quoted(anchors.ids[row].as_py())} has no text; write it")
    known = Known("query", anchors, topics.name), Known("item", items, documents.name)
    splits = [read_trec_qrels(Source(qrels[name]), name, *known) for name in in_split_order(qrels)]
    return Collection(anchors, items, joined(splits))


def _records(source: Source, ids: Sequence[str], texts: Sequence[str], titles: Sequence[str]) -> Records:
    rows = _read(source, ids, texts, titles)
    if not len(rows):
        raise DataError(f"{source.name}: is empty; expected records with an id and a text")
    name, text = _chosen(rows, source, ids, "ids"), _chosen(rows, source, texts, "texts")
    rows.reject_repeated(name)
    title = next((rows.columns[each] for each in titles if rows.columns[each].null_count < len(rows)), None)
    unused = {n: c for n, c in rows.columns.items() if n not in (name, text, *titles) and c.null_count < len(rows)}
    titled = None if title is None else pc.fill_null(title, "")
    return Records(rows.columns[name], rows.columns[text], titled, fields={**unused, **rows.others})


def _read(source: Source, ids: Sequence[str], texts: Sequence[str], titles: Sequence[str]) -> Rows:
    names = dict.fromkeys((*ids, *texts, *titles))
    fields = [Field(name, "id" if name in ids else "text", required=False) for name in names]
    if source.suffixes[0] == ".jsonl":
        return read_jsonl(source, fields, others=True)
    if source.suffixes[0] != ".tsv":
        raise DataError(
            f"{source.name}: has an unknown suffix; expected .tsv or .jsonl, also .gz. Topics in SGML are to be "
            "converted first: one line per topic, its number, a tab and its title"
        )
    cells = first_cells(source)
    if any(cell in ids for cell in cells) and any(cell in texts for cell in cells):
        return read_tsv(source, fields, others=True)
    if len(cells) not in HEADERS:
        raise DataError(
            f"{source.name}: the first line has {len(cells)} columns; expected id and text, or id, title and text, "
            "separated by tabs"
        )
    return read_tsv(source, fields, header=HEADERS[len(cells)])


def _chosen(rows: Rows, source: Source, names: Sequence[str], what: str) -> str:
    """Choose the first of the columns that is there; then it must be there in every row."""
    for name in names:
        if rows.all_or_none(name) is not None:
            return name
    raise DataError(f"{source.name}: has no column of {what}; call it {' or '.join(map(quoted, names))}")


def read_trec_qrels(source: Source, split: str, queries: Known, items: Known) -> Judgements:
    """Read four columns as three: the second (the iteration) means nothing.

    Raises:
        DataError: a line has not four columns, or see ``foils.formats.qrels.read_qrels``.
    """
    with reading(source) as stream:
        body = Body(source, without_mark(source, stream.read()))
    for number, line in body.lines():
        if len(line.split()) != len(("query", "iteration", "item", "grade")):
            raise DataError(
                f"{source.name}, line {number}: has {len(line.split())} columns; expected 4, separated by white space: "
                "query id, 0, item id, grade"
            )
    return read_body(Body(source, FOUR_COLUMNS.sub(rb"\1\t\2\t\3\4", body.data)), split, queries, items)
