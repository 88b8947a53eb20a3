"""Parquet tables, read by column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.messages import nearest, quoted
from foils.formats.rows import Field, Rows, first_true


def read_parquet(source: Source, fields: Sequence[Field]) -> Rows:
    """Read the fields of every row.

    Raises:
        DataError: it is not Parquet, or a column is missing, of the wrong type or null.
    """
    try:
        with pq.ParquetFile(source.path) as file:
            names = file.schema_arrow.names
            wanted = [field for field in fields if _present(source, names, field)]
            table = file.read(columns=[field.name for field in wanted])
        columns = {field.name: _column(source, field, table[field.name]) for field in wanted}
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{source.name}: cannot be read as Parquet ({str(error).splitlines()[0]}); write it again, or "
            "give JSONL or CSV"
        ) from error
    absent = {field.name: pa.nulls(table.num_rows, field.arrow) for field in fields if field not in wanted}
    return Rows(columns | absent, partial(_place, source))


def _place(source: Source, row: int) -> str:
    return f"{source.name}, row {row + 1}"


def _present(source: Source, names: list[str], field: Field) -> bool:
    if names.count(field.name) > 1:
        raise DataError(f"{source.name}: several columns are called {quoted(field.name)}; rename all but one")
    if field.name not in names and field.required:
        raise DataError(
            f"{source.name}: there is no column {quoted(field.name)}; add it, or name another: "
            f"{nearest(field.name, names)}"
        )
    return field.name in names


def _column(source: Source, field: Field, chunks: pa.ChunkedArray) -> pa.Array:
    kind = chunks.type.value_type if pt.is_dictionary(chunks.type) else chunks.type
    if not any(test(kind) for test in _ALLOWED[field.kind]) and not pt.is_null(kind):
        raise DataError(
            f"{source.name}: the column {quoted(field.name)} is of type {chunks.type}; expected {field.expected}"
        )
    column: Any = chunks.cast(field.arrow).combine_chunks()
    column.validate(full=True)  # Parquet promises UTF-8 and does not check it
    if field.required and column.null_count:
        row = first_true(pc.is_null(column))
        raise DataError(
            f"{_place(source, row)}: {quoted(field.name)} is null ({column.null_count} of {len(column)} rows "
            "are); expected "
            f"{field.expected}: fill or drop these rows"
        )
    return column


_STRINGS: tuple[Callable[[Any], bool], ...] = (pt.is_string, pt.is_large_string, pt.is_string_view)
_ALLOWED = {
    "text": _STRINGS,
    "id": (*_STRINGS, pt.is_integer),
    "number": (pt.is_integer, pt.is_floating, pt.is_decimal),
}
