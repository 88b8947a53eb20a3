"""What every table reader gives: named columns in Arrow arrays, and where each row stood in its file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as member
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError
from foils.formats.messages import quoted

BATCH_ROWS = 65_536  # rows held as Python objects before they become an Arrow array
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Field:
    """A column to read.

    Attributes:
        name: its name in the file.
        kind: text: large_string; id: large_string, whole numbers become decimal text; ids: a list of those;
            number: float64.
        required: False = it may be absent or null.
        option: what names another column instead, for messages.
        fixed: True = nothing names another column.
    """

    name: str
    kind: Literal["text", "id", "ids", "number"] = "text"
    required: bool = True
    option: str = ""
    fixed: bool = False

    @property
    def another(self) -> str:
        """How a user names another column, for messages."""
        if self.fixed:
            return "rename the column that holds it"
        return f"name another by {self.option}" if self.option else "name another"

    @property
    def arrow(self) -> pa.DataType:
        """The column's type in memory."""
        if self.kind == "ids":
            return pa.large_list(pa.large_string())
        return pa.float64() if self.kind == "number" else pa.large_string()

    @property
    def expected(self) -> str:
        """What messages ask for."""
        one = "a string or a whole number"
        return {"text": "a string", "id": one, "ids": f"a list, each {one}", "number": "a number"}[self.kind]


@dataclass(frozen=True, eq=False)
class Rows:
    """A table in memory.

    Attributes:
        columns: one array per column, all of one length; an optional column that the file lacks is all null.
        place: names the file and line of a row, for messages.
        others: the scalar columns that were not asked for, where they were to be kept.
    """

    columns: dict[str, pa.Array]
    place: Callable[[int], str]
    others: Mapping[str, pa.Array] = member(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def all_or_none(self, name: str) -> pa.Array | None:
        """Give an optional column, or None where no row has it.

        Raises:
            DataError: some rows have it and some do not.
        """
        column = self.columns[name]
        if column.null_count == len(column):
            return None
        if column.null_count:
            row = first_true(pc.is_null(column))
            raise DataError(
                f"{self.place(row)}: has no {quoted(name)}, and other rows have one; give it in every row or in none"
            )
        return column

    def reject_repeated(self, name: str) -> None:
        """Refuse a column of ids that has one twice.

        Raises:
            DataError: names the id and both lines.
        """
        ids = self.columns[name]
        encoded = ids.dictionary_encode()
        if len(encoded.dictionary) == len(ids):
            return
        first = first_rows(encoded.indices.to_numpy())
        row = int(np.argmax(first != np.arange(len(ids))))
        repeats = len(ids) - len(encoded.dictionary)
        raise DataError(
            f"{self.place(row)}: the id {quoted(ids[row].as_py())} was given before "
            f"({self.place(int(first[row]))}); ids must be "
            f"unique: rename or remove one ({repeats} of {len(ids)} rows repeat an id)"
        )


class Builder:
    """Gathers rows into Arrow arrays, a batch at a time."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._chunks: list[list[Any]] = [[] for _ in fields]

    def add(self, columns: Sequence[list[Any]]) -> None:
        """Add a batch: one list per field."""
        for field, chunks, values in zip(self._fields, self._chunks, columns, strict=True):
            chunks.append(pa.array(values, field.arrow))

    def finish(self, place: Callable[[int], str], others: Mapping[str, pa.Array] | None = None) -> Rows:
        """Join the batches."""
        joined = {
            field.name: pa.concat_arrays(chunks) if chunks else pa.array([], field.arrow)
            for field, chunks in zip(self._fields, self._chunks, strict=True)
        }
        return Rows(joined, place, others or {})


def number_in(text: str) -> float | None:
    """Read a decimal number, nan or inf, or give None; ``float`` would take underscores and other digits."""
    text = text.strip()
    if NUMBER.fullmatch(text) or text.casefold().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(text)
    return None


def first_rows(codes: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """Give for every row the first row that has its code. Codes are 0 … n − 1 without gaps."""
    first = np.full(int(codes.max(initial=-1)) + 1, len(codes), np.int64)
    np.minimum.at(first, codes, np.arange(len(codes)))
    of_rows: npt.NDArray[np.int64] = first[codes]
    return of_rows


def first_true(mask: Any) -> int:
    """Give the first position where a boolean array is true."""
    return int(np.argmax(booleans(mask)))


def booleans(mask: Any) -> npt.NDArray[np.bool_]:
    """Make a NumPy array of an Arrow boolean array."""
    return (
        np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool) if isinstance(mask, pa.Array) else np.asarray(mask)
    )
