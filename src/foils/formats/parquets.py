"""Parquet tables, read by column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from foils.errors import DataError
from foils.formats.columns import checked_column, is_present
from foils.formats.extras import kept_scalars
from foils.formats.files import Source
from foils.formats.rows import Field, Rows


def read_parquet(source: Source, fields: Sequence[Field], *, others: bool = False) -> Rows:
    """Read the fields of every row.

    Args:
        source: the file.
        fields: the columns to read.
        others: whether the other columns are kept, too, as far as they are scalars.

    Raises:
        DataError: it is not Parquet, or a column is missing, of the wrong type or null.
    """
    try:
        with pq.ParquetFile(source.path) as file:
            names = file.schema_arrow.names
            wanted = [field for field in fields if is_present(source.name, names, field)]
            asked = [field.name for field in wanted]
            extra = [name for name in dict.fromkeys(names) if name not in asked] if others else []
            table = file.read(columns=[*asked, *extra])
        columns = {field.name: checked_column(source.name, field, table[field.name]) for field in wanted}
        kept = kept_scalars({name: table[name].combine_chunks() for name in extra if name in table.column_names})
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{source.name}: cannot be read as Parquet ({str(error).splitlines()[0]}); write it again, or "
            "give JSONL or CSV"
        ) from error
    absent = {field.name: pa.nulls(table.num_rows, field.arrow) for field in fields if field not in wanted}
    return Rows(columns | absent, partial(_place, source), kept)


def parquet_columns(source: Source) -> list[str]:
    """Give the names of a file's columns; none where it is no Parquet file."""
    try:
        with pq.ParquetFile(source.path) as file:
            return list(file.schema_arrow.names)
    except (pa.ArrowException, OSError):
        return []


def number_columns(source: Source) -> list[str]:
    """Give the names of a file's columns of numbers; none where it is no Parquet file."""
    try:
        with pq.ParquetFile(source.path) as file:
            schema = file.schema_arrow
    except (pa.ArrowException, OSError):
        return []
    return [one.name for one in schema if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)]


def _place(source: Source, row: int) -> str:
    return f"{source.name}, row {row + 1}"
