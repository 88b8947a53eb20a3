"""Pairs from tables in memory: pandas, Polars, PyArrow, DuckDB, and data sets of Hugging Face.

Whatever gives Arrow streams is read without the package that it is from. Texts go into Arrow as they arrive, a batch at
a time, so that a streamed data set costs what its pairs cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import pyarrow as pa

from foils.collection import Collection
from foils.errors import DataError, MissingExtraError
from foils.formats.columns import checked_column, is_present
from foils.formats.messages import quoted, shown
from foils.formats.pairs import CORPUS, SPLIT, pair_fields, paired
from foils.formats.parts import stacked
from foils.formats.rows import Field, Rows

STREAM_ROWS = 10_000
"""Rows of a streamed data set that are held as Python objects."""


def read_frame(frame: Any, anchor: str, positive: str, corpus: Any | None) -> Collection:
    """Read pairs from a table in memory; see ``Collection.from_frame``."""
    rows = _rows("the table", frame, pair_fields(anchor, positive))
    return paired(rows, anchor, positive, _further(corpus))


def read_huggingface(data: Any, config: str | None, anchor: str, positive: str, corpus: Any | None) -> Collection:
    """Read pairs from a data set; see ``Collection.from_huggingface``."""
    fields = pair_fields(anchor, positive)
    loaded = _loaded(data, config) if isinstance(data, str) else data
    if not isinstance(loaded, Mapping):  # one split; a part of one is called train[:100]
        loaded = {str(getattr(loaded, "split", None) or "train").partition("[")[0]: loaded}
    if not loaded:
        raise DataError("the data set has no split; give one that has rows")
    parts = stacked([(name, _rows(f"the split {quoted(name)}", part, fields)) for name, part in loaded.items()])
    rows = parts.rows
    if SPLIT.name in rows.columns and rows.columns[SPLIT.name].null_count == len(rows):
        names = pa.array(parts.names, pa.large_string()).take(pa.array(parts.codes))
        rows = Rows(rows.columns | {SPLIT.name: names}, rows.place)
    return paired(rows, anchor, positive, _further(corpus))


def required(package: str) -> Any:
    """Import pandas, Polars or datasets.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(package, "frames") from error


def _loaded(name: str, config: str | None) -> Any:
    datasets = required("datasets")
    try:
        return datasets.load_dataset(name, config)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the data set {quoted(name)} cannot be loaded ({shown(str(error).partition(chr(10))[0])}); check its name "
            "and the network, or load it yourself and give the Dataset"
        ) from error


def _further(corpus: Any | None) -> Rows | None:
    return None if corpus is None else _rows("the corpus", corpus, CORPUS)


def _rows(what: str, data: Any, fields: Sequence[Field]) -> Rows:
    """Read the fields, checked as those of Parquet files are."""
    chunks: dict[str, list[pa.Array]] = {}
    count = 0
    for batch in _batches(what, data):
        names = batch.schema.names
        for field in fields:
            if is_present(what, names, field):
                column = batch.column(names.index(field.name))
                whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
                chunks.setdefault(field.name, []).append(checked_column(what, field, whole, count))
        count += len(batch)
    if not count:
        wanted = ", ".join(quoted(field.name) for field in fields if field.required)
        raise DataError(f"{what} has no row; expected rows with {wanted}")
    columns = {
        field.name: pa.concat_arrays(chunks[field.name]) if field.name in chunks else pa.nulls(count, field.arrow)
        for field in fields
    }
    return Rows(columns, partial(_place, what))


def _batches(what: str, data: Any) -> Iterator[pa.RecordBatch | pa.Table]:
    """Give the rows of whatever holds them, a batch at a time."""
    if hasattr(data, "with_format") and hasattr(data, "iter"):  # Dataset and IterableDataset
        yield from data.with_format("arrow").iter(STREAM_ROWS)
    elif hasattr(data, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(data)
    else:
        raise DataError(
            f"{what} is of type {type(data).__name__}; expected a table of pandas, Polars or PyArrow, or a Dataset, "
            "DatasetDict or IterableDataset"
        )


def _place(what: str, row: int) -> str:
    return f"{what}, row {row + 1}"
