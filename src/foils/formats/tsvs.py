"""Tab-separated tables with a header line and without quoting: a cell is what stands between two tabs.

Arrow's parser reads; a file that it refuses is read again line by line, to name the line at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from foils.errors import DataError
from foils.formats.extras import typed
from foils.formats.files import Source, reading
from foils.formats.lines import Body, as_text, without_mark
from foils.formats.messages import header_of, nearest, quoted, shown
from foils.formats.rows import Field, Rows, first_true, number_in

BLOCK_BYTES = 1 << 24


def read_tsv(source: Source, fields: Sequence[Field], *, others: bool = False, header: Sequence[str] = ()) -> Rows:
    """Read the fields of every row; blank lines are passed over.

    Args:
        source: the file.
        fields: the columns to read.
        others: whether the other columns are kept, too.
        header: the columns' names, where the file has no header line.

    Raises:
        DataError: a required column is missing, or a row does not fit the header.
    """
    with reading(source) as stream:
        body = Body(source, without_mark(source, stream.read()))
    names = list(header)
    if not names:
        names, body = _header(body)
    for field in fields:
        _check(source, names, field)
    table = _parse(body, names, fields, f"; expected {len(names)}: {', '.join(names)}" if header else header_of(names))
    columns = {field.name: _column(body, field, table.get(field.name), len(table[names[0]])) for field in fields}
    extra = {name: typed(table[name]) for name in names if name not in columns} if others else {}
    return Rows(columns, body.place, extra)


def first_cells(source: Source) -> list[str]:
    """Give the cells of the first line that is not blank; none where there is no such line."""
    with reading(source) as stream:
        for number, line in enumerate(stream, 1):
            text = without_mark(source, line) if number == 1 else line
            if text and not text.isspace():
                return as_text(source, number, text).rstrip("\r\n").split("\t")
    return []


def _header(body: Body) -> tuple[list[str], Body]:
    for number, line in body.lines():
        cells = as_text(body.source, number, line).split("\t")
        repeated = next((cell for at, cell in enumerate(cells) if cell in cells[:at]), None)
        if repeated is not None:
            raise DataError(
                f"{body.source.name}, line {number}: two columns are called {quoted(repeated)}; rename all but one"
            )
        return cells, body.below(number)
    raise DataError(f"{body.source.name}: is empty; expected a header line with the names of the columns")


def _check(source: Source, names: list[str], field: Field) -> None:
    if field.name in names or not field.required:
        return
    separated = "; separate the columns by tabs" if len(names) == 1 and any(c in names[0] for c in ",;|") else ""
    raise DataError(
        f"{source.name}, line 1: there is no column {quoted(field.name)}; add a header line, or {field.another}: "
        f"{nearest(field.name, names)}{separated}"
    )


def _parse(body: Body, names: list[str], fields: Sequence[Field], expected: str) -> dict[str, pa.Array]:
    """Give all columns: numbers as float64, or as text where a cell is none."""
    kinds = {name: pa.large_string() for name in names}
    kinds |= {field.name: pa.float64() for field in fields if field.kind == "number" and field.name in names}
    try:
        table = arrow_csv.read_csv(
            pa.py_buffer(body.data),
            arrow_csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES, use_threads=False),
            arrow_csv.ParseOptions(delimiter="\t", quote_char=False, double_quote=False, escape_char=False),
            arrow_csv.ConvertOptions(column_types=kinds, null_values=[""], strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return _slowly(body, names, fields, expected)
    return {name: pa.concat_arrays(table[name].chunks) if len(table) else pa.array([], kinds[name]) for name in names}


def _slowly(body: Body, names: list[str], fields: Sequence[Field], expected: str) -> dict[str, pa.Array]:
    columns: list[list[Any]] = [[] for _ in names]
    for number, cells in _rows(body, len(names), expected):
        for column, cell in zip(columns, cells, strict=True):
            column.append(cell)
        for field in fields:
            if field.kind == "number" and field.name in names:
                at = names.index(field.name)
                columns[at][-1] = _number(f"{body.source.name}, line {number}", field, cells[at])
    numbers = {field.name for field in fields if field.kind == "number"}
    return {
        name: pa.array(column, pa.float64() if name in numbers else pa.large_string())
        for name, column in zip(names, columns, strict=True)
    }


def _rows(body: Body, width: int, expected: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in body.lines():
        cells = as_text(body.source, number, line).split("\t")
        if len(cells) != width:
            raise DataError(
                f"{body.source.name}, line {number}: has {len(cells)} cells{expected}; separate columns by one "
                "tab, and replace tabs inside texts"
            )
        yield number, cells


def _number(place: str, field: Field, cell: str) -> float | None:
    value = number_in(cell)
    if value is None and cell:
        raise DataError(f"{place}: {shown(field.name)} is {quoted(cell)}; expected {field.expected}")
    return value


def _column(body: Body, field: Field, found: pa.Array | None, count: int) -> pa.Array:
    if found is None:
        return pa.nulls(count, field.arrow)
    if field.kind == "number" and field.required and found.null_count:
        raise DataError(
            f"{body.place(first_true(found.is_null()))}: {shown(field.name)} is empty; expected {field.expected}"
        )
    return found
