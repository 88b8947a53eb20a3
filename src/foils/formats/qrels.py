"""Judgements as BEIR writes them: query id, item id and grade, separated by tabs, with or without a header.

Arrow's parser reads; a file that it refuses is read again line by line, to name the line at fault.
There is no quoting: a quotation mark is part of an id, and so is white space around it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from foils.collection import Records
from foils.errors import DataError
from foils.formats.files import Source, reading
from foils.formats.judged import checked_grades, of_one_split
from foils.formats.lines import as_text, nth_place, without_mark
from foils.formats.messages import quoted
from foils.formats.rows import first_true, number_in
from foils.positives import Int64, Judgements

BLOCK_BYTES = 1 << 24
START = re.compile(rb"((?:[^\S\r\n]*(?:\r\n?|\n))*)([^\r\n]*)(?:\r\n?|\n|\Z)")  # blank lines, then the first other line
COLUMNS = {"query": pa.large_string(), "item": pa.large_string(), "grade": pa.float64()}


@dataclass(frozen=True)
class Known:
    """Ids that judgements may name.

    Attributes:
        what: what they are, for messages.
        records: the records that have them.
        file: the file that the records came from.
    """

    what: str
    records: Records
    file: str


@dataclass(frozen=True)
class Body:
    """The bytes of a file, below a header of ``skipped`` lines."""

    source: Source
    data: bytes
    skipped: int = 0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not blank, with their number in the file."""
        for number, line in enumerate(self.data.splitlines(), self.skipped + 1):
            if line and not line.isspace():
                yield number, line

    def place(self, row: int) -> str:
        """Name the line of a row."""
        return nth_place(self.source, (number for number, _ in self.lines()), row)


def read_qrels(source: Source, split: str, queries: Known, corpus: Known) -> Judgements:
    """Read the judgements of one split.

    Raises:
        DataError: a line is not two known ids and a finite grade, a pair has two grades, or there is no line.
    """
    with reading(source) as stream:
        body = _below_header(Body(source, without_mark(source, stream.read())), queries, corpus)
    table = _parse(body)
    if not len(table["grade"]):
        raise DataError(
            f"{source.name}: holds no judgement; add lines of query id, item id and grade, or remove the file"
        )
    grades = checked_grades(table["grade"].to_numpy(), body.place)
    anchors = _rows(body, table["query"], queries)
    items = _rows(body, table["item"], corpus)
    return of_one_split(anchors, items, grades, split, body.place)


def _below_header(body: Body, queries: Known, corpus: Known) -> Body:
    """Leave out a first line whose third column is no number and that names nothing known."""
    start = START.match(body.data)
    if start is None:
        return body
    blank = len(start[1].splitlines())
    cells = as_text(body.source, blank + 1, start[2]).split("\t")
    if len(cells) != 3 or number_in(cells[2]) is not None or _knows(queries, cells[0]) or _knows(corpus, cells[1]):
        return body
    return Body(body.source, body.data[start.end() :], blank + 1)


def _knows(known: Known, name: str) -> bool:
    return bool(pc.any(pc.equal(known.records.ids, name)).as_py())


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


def _rows(body: Body, ids: pa.Array, known: Known) -> Int64:
    """Find the rows of the ids."""
    rows = known.records.rows(ids)
    unknown = rows < 0
    if not unknown.any():
        return rows
    row = first_true(unknown)
    name = ids[row].as_py()
    without_space = " (it is there without the white space)" if _knows(known, name.strip()) else ""
    raise DataError(
        f"{body.place(row)}: the {known.what} id {quoted(name)} is not in {known.file}{without_space}; "
        f"{int(unknown.sum())} of the "
        f"file's {len(rows)} lines name an unknown {known.what}. Add what is missing, or remove these lines"
    )
