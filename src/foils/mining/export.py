"""Training rows of a result: as one table, or written to a file a shard at a time."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO, cast

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foils._durable import explained, make_folder, write_file
from foils.collection import Collection
from foils.errors import FolderError, InputError
from foils.positives import Int64

SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What begins a cell that a spreadsheet would run."""


def write_rows(tables: Iterator[pa.Table], path: Path) -> int:
    """Write tables below each other, to a file that is there whole or not at all.

    Args:
        tables: at least one; the columns of the first hold for all.
        path: .jsonl, .jsonl.gz, .csv, .csv.gz or .parquet.

    Returns:
        The number of rows.

    Raises:
        InputError: the suffix is unknown, or CSV is to hold lists.
        FolderError: the file cannot be written.
    """
    suffix = check_target(path)
    first = next(tables)
    if suffix.startswith(".csv"):
        _refuse_lists(first, path)
    rows = 0

    def counted() -> Iterator[pa.Table]:
        nonlocal rows
        for table in chain([first], tables):
            rows += len(table)
            yield table

    write = {".jsonl": _write_jsonl, ".csv": _write_csv}.get(suffix.removesuffix(".gz"), _write_parquet)
    with explained(path.parent):
        make_folder(path.parent)
        write_file(path, lambda partial: write(counted(), partial, suffix))
    return rows


def check_target(path: Path, known: Sequence[str] = SUFFIXES) -> str:
    """Give the suffix of a file to write, one of those that are known, before long work.

    Raises:
        InputError: it is unknown.
        FolderError: there is a folder of that name.
    """
    suffix = next((each for each in known if path.name.casefold().endswith(each)), None)
    if suffix is None:
        raise InputError(f"{path}: the name ends in no known suffix; expected {', '.join(known)}")
    if path.is_dir():
        raise FolderError(f"{path} is a folder; give the name of a file")
    return suffix


def neutralised(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    >>> neutralised("=1+1")
    "'=1+1"
    """
    return f"'{text}" if text.startswith(FORMULA) else text


def negative_rows(table: pa.Table, collection: Collection, m: int) -> tuple[Int64, Int64]:
    """Give the negatives as rows of the collection that they were mined from.

    Returns:
        int64[U], anchor rows; int64[U, m], item rows, −1 = absent.
    """
    lists = table["negative_ids"].combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy()
    items = np.full((len(table), m), -1, np.int64)
    present = np.arange(m) < lengths[:, None]
    items[present] = collection.items.rows(lists.flatten().cast(pa.large_string()))
    return collection.anchors.rows(table["anchor_id"].combine_chunks().cast(pa.large_string())), items


def _write_jsonl(tables: Iterator[pa.Table], path: Path, suffix: str) -> None:
    encoder = msgspec.json.Encoder()
    with ExitStack() as stack:
        file = _opened(path, suffix, stack)
        for table in tables:
            file.write(encoder.encode_lines(table.to_pylist()))  # NaN becomes null


def _write_csv(tables: Iterator[pa.Table], path: Path, suffix: str) -> None:
    with ExitStack() as stack:
        text = stack.enter_context(io.TextIOWrapper(_opened(path, suffix, stack), encoding="utf-8", newline=""))
        writer = csv.writer(text, lineterminator="\n")
        for at, table in enumerate(tables):
            if at == 0:
                writer.writerow(table.column_names)
            writer.writerows(zip(*(_cells(table[name]) for name in table.column_names), strict=True))


def _refuse_lists(table: pa.Table, path: Path) -> None:
    nested = [name for name in table.column_names if pa.types.is_nested(table[name].type)]
    if nested:
        raise InputError(f"{path}: CSV has no lists, which {', '.join(nested)} would be; write .jsonl or .parquet")


def _cells(column: pa.ChunkedArray) -> list[object]:
    values: list[object] = column.to_pylist()
    return [neutralised(value) if isinstance(value, str) else value for value in values]


def _write_parquet(tables: Iterator[pa.Table], path: Path, suffix: str) -> None:
    first = next(tables)
    with pq.ParquetWriter(path, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)


def _opened(path: Path, suffix: str, stack: ExitStack) -> IO[bytes]:
    """Open a file for writing; the header of gzip holds neither time nor name, so equal rows give equal bytes."""
    file = stack.enter_context(path.open("wb"))
    if not suffix.endswith(".gz"):
        return file
    return cast(IO[bytes], stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0)))
