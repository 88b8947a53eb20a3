"""Arrow columns as others give them, checked and brought to the types that foils holds them in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from foils.errors import DataError
from foils.formats.messages import nearest, quoted
from foils.formats.rows import Field, first_true

_STRINGS: tuple[Callable[[Any], bool], ...] = (pt.is_string, pt.is_large_string, pt.is_string_view)
_ALLOWED = {
    "text": _STRINGS,
    "id": (*_STRINGS, pt.is_integer),
    "ids": (lambda kind: pt.is_list(kind) or pt.is_large_list(kind),),
    "number": (pt.is_integer, pt.is_floating, pt.is_decimal),
}


def is_present(table: str, names: Sequence[str], field: Field) -> bool:
    """Tell whether a table has a column.

    Args:
        table: how messages name the table.
        names: names of its columns.
        field: the column.

    Raises:
        DataError: it is required and absent, or there several times.
    """
    if names.count(field.name) > 1:
        raise DataError(f"{table}: several columns are called {quoted(field.name)}; rename all but one")
    if field.name not in names and field.required:
        mend = f"add it, or {field.another}: {nearest(field.name, names)}"
        raise DataError(f"{table}: there is no column {quoted(field.name)}; {mend}")
    return field.name in names


def checked_column(table: str, field: Field, chunks: pa.ChunkedArray, start: int = 0) -> pa.Array:
    """Bring a column to the field's type.

    Args:
        table: how messages name the table.
        field: the column.
        chunks: its values.
        start: how many rows of the table came before.

    Raises:
        DataError: it is of another kind, or null where it is required.
    """
    kind = chunks.type.value_type if pt.is_dictionary(chunks.type) else chunks.type
    if not any(test(kind) for test in _ALLOWED[field.kind]) and not pt.is_null(kind):
        raise DataError(f"{table}: the column {quoted(field.name)} is of type {chunks.type}; expected {field.expected}")
    column: Any = chunks.cast(field.arrow).combine_chunks()
    column.validate(full=True)  # Parquet promises UTF-8 and does not check it
    if field.required and column.null_count:
        row = first_true(pc.is_null(column))
        raise DataError(
            f"{table}, row {start + row + 1}: {quoted(field.name)} is null ({column.null_count} of {len(column)} rows "
            "are); expected "
            f"{field.expected}: fill or drop these rows"
        )
    return column
