"""Judgements as BEIR writes them: query id, item id and grade, separated by tabs, with or without a header.

Arrow's parser reads; a file that it refuses is read again line by line, to name the line at fault.
There is no quoting: a quotation mark is part of an id, and so is white space around it.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from foils.errors import DataError
from foils.formats.files import Source, reading
from foils.formats.judged import checked_grades, of_one_split
from foils.formats.known import Known
from foils.formats.lines import Body, as_text, without_mark
from foils.formats.messages import quoted
from foils.formats.rows import number_in
from foils.positives import Judgements

BLOCK_BYTES = 1 << 24
START = re.compile(rb"((?:[^\S\r\n]*(?:\r\n?|\n))*)([^\r\n]*)(?:\r\n?|\n|\Z)")  # blank lines, then the first other line
COLUMNS = {"query": pa.large_string(), "item": pa.large_string(), "grade": pa.float64()}


def read_qrels(source: Source, split: str, queries: Known, corpus: Known) -> Judgements:
    """Read the judgements of one split.

    Raises:
        DataError: a line is not two known ids and a finite grade, a pair has two grades, or there is no line.
    """
    with reading(source) as stream:
        body = Body(source, without_mark(source, stream.read()))
    return read_body(_below_header(body, queries, corpus), split, queries, corpus)


def read_body(body: Body, split: str, queries: Known, corpus: Known) -> Judgements:
    """Read lines of query id, item id and grade, separated by tabs.

    Raises:
        DataError: see ``read_qrels``.
    """
    table = _parse(body)
    if not len(table["grade"]):
        raise DataError(
            f"{body.source.name}: holds no judgement; add lines of query id, item id and grade, or remove the file"
        )
    grades = checked_grades(table["grade"].to_numpy(), body.place)
    anchors = queries.rows(table["query"], body.place)
    items = corpus.rows(table["item"], body.place)
    return of_one_split(anchors, items, grades, split, body.place)


def _below_header(body: Body, queries: Known, corpus: Known) -> Body:
    """Leave out a first line whose third column is no number and that names nothing known."""
    start = START.match(body.data)
    if start is None:
        return body
    blank = len(start[1].splitlines())
    cells = as_text(body.source, blank + 1, start[2]).split("\t")
    if len(cells) != 3 or number_in(cells[2]) is not None or queries.holds(cells[0]) or corpus.holds(cells[1]):
        return body
    return Body(body.source, body.data[start.end() :], blank + 1)


def _parse(body: Body) -> dict[str, pa.Array]:
    """Give the three columns."""
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(body.data),
            arrow_csv.ReadOptions(column_names=list(COLUMNS), block_size=BLOCK_BYTES, use_threads=False),
            arrow_csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False, escape_char=False),
            arrow_csv.ConvertOptions(column_types=COLUMNS, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        rows = [_cells(body.source, number, line) for number, line in body.lines()]
        columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
        return {name: pa.array(column, kind) for column, (name, kind) in zip(columns, COLUMNS.items(), strict=True)}
    return {name: pa.concat_arrays(table[name].chunks) for name in COLUMNS}


def _cells(source: Source, number: int, line: bytes) -> tuple[str, str, float]:
    cells = as_text(source, number, line).split("\t")
    place = f"{source.name}, line {number}"
    if len(cells) == 3:
        grade = number_in(cells[2])
        if grade is None:
            raise DataError(
                f"{place}: the grade {quoted(cells[2])} is not a number; write above 0 = positive, 0 = judged negative"
            )
        return cells[0], cells[1], grade
    expected = f"{place}: has {len(cells)} columns separated by tabs; expected 3: query id, item id, grade"
    if len(cells) == 4 or len(line.split()) == 4:
        raise DataError(
            f"{expected}. This looks like TREC qrels; drop the second column, for instance with: "
            "awk -v OFS='\\t' '{print $1, $3, $4}'"
        )
    raise DataError(f"{expected}. Found {quoted(line.decode())}; separate by tabs, not by spaces or commas")
