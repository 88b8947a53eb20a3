"""CSV with a header line: separated by commas, quotation marks doubled inside quoted cells (RFC 4180)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from foils.errors import DataError
from foils.formats.extras import typed
from foils.formats.files import Source
from foils.formats.lines import nth_place, raw_lines
from foils.formats.messages import header_of, nearest, quoted, shown
from foils.formats.rows import BATCH_ROWS, Builder, Field, Rows, number_in


def read_csv(source: Source, fields: Sequence[Field], *, others: bool = False) -> Rows:
    """Read the fields of every row; empty lines are passed over.

    Args:
        source: the file.
        fields: the columns to read.
        others: whether the other columns are kept, too.

    Raises:
        DataError: there is no header, a required column is missing, or a row does not fit the header.
    """
    records = _records(source)
    header = next(records, (1, []))[1]
    named = [field.name for field in fields]
    extra = [Field(name) for name in header if name not in named] if others else []
    fields = [*fields, *extra]
    columns = _columns(source, header, fields)
    builder, batch = Builder(fields), []
    for number, cells in records:
        if len(cells) != len(header):
            raise DataError(
                f"{source.name}, line {number}: has {len(cells)} cells{header_of(header)}; put texts that hold commas "
                "or line breaks in quotation marks"
            )
        batch.append([convert(cells, number) for convert in columns])
        if len(batch) == BATCH_ROWS:
            builder.add(_turned(batch, fields))
            batch.clear()
    builder.add(_turned(batch, fields))
    rows = builder.finish(partial(_place, source))
    asked = {name: rows.columns[name] for name in named}
    kept: dict[str, pa.Array] = {field.name: typed(rows.columns[field.name]) for field in extra}
    return Rows(asked, rows.place, kept)


def _records(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield every record that is not an empty line, with the number of its first line."""
    reader = csv.reader((line.decode() for line in raw_lines(source)), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(_fault(source, number, str(error))) from error
        if cells:
            yield number, cells


def _fault(source: Source, number: int, error: str) -> str:
    place = f"{source.name}, line {number}"
    if "field limit" in error:
        return (
            f"{place}: the record that begins here has a cell of more than {csv.field_size_limit()} "
            "characters; close a quotation "
            "mark that was left open, or write long texts as JSONL or Parquet"
        )
    return (
        f"{place}: the record that begins here is not valid CSV ({error}); double the quotation marks inside "
        "quoted cells"
    )


def _place(source: Source, row: int) -> str:
    numbers = (number for number, _ in _records(source))
    return nth_place(source, numbers, row + 1)  # the header is a record too


def _columns(source: Source, header: list[str], fields: Sequence[Field]) -> list[Callable[[list[str], int], Any]]:
    """Choose how each field's value is taken from the cells of a row."""
    return [_column(source, header, field) for field in fields]


def _column(source: Source, header: list[str], field: Field) -> Callable[[list[str], int], Any]:
    count = header.count(field.name)
    if count > 1:
        raise DataError(f"{source.name}, line 1: {count} columns are called {quoted(field.name)}; rename all but one")
    if not count:
        if not field.required:
            return lambda _cells, _number: None
        separated = (
            "; separate the columns by commas" if len(header) == 1 and any(c in header[0] for c in "\t;|") else ""
        )
        raise DataError(
            f"{source.name}, line 1: there is no column {quoted(field.name)}; add a header line, or "
            f"{field.another}: "
            f"{nearest(field.name, header)}{separated}"
        )
    at = header.index(field.name)
    if field.kind == "ids":
        raise DataError(
            f"{source.name}, line 1: the column {quoted(field.name)} would hold lists, and CSV has none; write one "
            "row per label in a column 'label', or give JSONL or Parquet"
        )
    if field.kind == "number":
        return lambda cells, number: _number(source, field, cells[at], number)
    return lambda cells, _number: cells[at]


def _number(source: Source, field: Field, cell: str, number: int) -> float:
    value = number_in(cell)
    if value is None:
        raise DataError(
            f"{source.name}, line {number}: {shown(field.name)} is {quoted(cell)}; expected {field.expected}"
        )
    return value


def _turned(batch: list[list[Any]], fields: Sequence[Field]) -> list[list[Any]]:
    return [list(column) for column in zip(*batch, strict=True)] or [[] for _ in fields]
