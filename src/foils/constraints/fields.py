"""Constraints by metadata: the value of a field of the item is compared with that of the anchor."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from foils.collection import Collection, Records
from foils.constraints.masks import Bool, Compared
from foils.constraints.spans import spans
from foils.errors import DataError, InputError, did_you_mean
from foils.positives import Int64

NO_FIELDS = (
    "they have none at all. Fields are further keys of the records in queries.jsonl and corpus.jsonl (a BEIR folder), "
    "further columns of the tables of users and items, or anchor_fields and item_fields of Collection.from_arrays; a "
    "table of pairs has no place for them"
)
"""Where fields come from, for messages."""


class Same(msgspec.Struct, frozen=True):
    """Items whose field has the anchor's value; text is compared as it is, upper and lower case differ."""

    field: str
    kind: ClassVar[str] = "same"


class Different(msgspec.Struct, frozen=True):
    """Items whose field has another value than the anchor's."""

    field: str
    kind: ClassVar[str] = "different"


class Before(msgspec.Struct, frozen=True):
    """Items whose date or number is certainly below the anchor's; an equal one is not."""

    field: str
    kind: ClassVar[str] = "before"


class After(msgspec.Struct, frozen=True):
    """Items whose date or number is certainly above the anchor's; an equal one is not."""

    field: str
    kind: ClassVar[str] = "after"


FieldConstraint = Same | Different | Before | After


def bind_field(constraint: FieldConstraint, collection: Collection) -> Compared:
    """Bind a constraint to the metadata of a collection.

    Raises:
        InputError: there is no such field.
        DataError: its values cannot be compared, or one side has none at all.
    """
    sides = [_column(constraint, collection.anchors, "anchors"), _column(constraint, collection.items, "items")]
    anchors, items = sides
    missing = [_missing(column) for column in sides]
    for what, absent in zip(("anchors", "items"), missing, strict=True):
        if absent.all():
            raise DataError(
                f"{_shown(constraint)}: none of the {len(absent)} {what} has a value in the field "
                f"{constraint.field!r}, so every pair would be forbidden; fill it, or leave the constraint out"
            )
    if isinstance(constraint, Same | Different):
        forbids = np.not_equal if isinstance(constraint, Same) else np.equal
        return Compared(forbids, *_codes(constraint, anchors, items), *missing)
    of_anchors, of_items = spans(_shown(constraint), (anchors, items), missing)
    if isinstance(constraint, Before):  # the item's latest moment must lie before the anchor's earliest
        return Compared(np.less_equal, of_anchors.low, of_items.high, *missing)
    return Compared(np.greater_equal, of_anchors.high, of_items.low, *missing)


def _shown(constraint: FieldConstraint) -> str:
    return f"{constraint.kind} {constraint.field}"


def _column(constraint: FieldConstraint, records: Records, what: str) -> pa.Array:
    """Give the field as a plain column; categories are spelled out."""
    if constraint.field not in records.fields:
        near = did_you_mean(str(constraint.field), records.fields) if records.fields else NO_FIELDS
        raise InputError(f"{_shown(constraint)}: the {what} have no field {constraint.field!r}; {near}")
    column = records.fields[constraint.field]
    column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kinds.is_nested(column.type):
        raise DataError(
            f"{_shown(constraint)}: the field {constraint.field!r} of the {what} holds {column.type}; expected one "
            "text, number, date or truth value per record"
        )
    return column


def _missing(column: pa.Array) -> Bool:
    """bool[N], True where there is no value: null, NaN, or text of white space alone."""
    absent = pc.is_null(column, nan_is_null=True)
    if is_text(column.type):
        absent = pc.or_kleene(absent, pc.equal(pc.utf8_trim_whitespace(column), ""))
    return np.asarray(absent.to_numpy(zero_copy_only=False), dtype=bool)


def _codes(constraint: FieldConstraint, anchors: pa.Array, items: pa.Array) -> tuple[Int64, Int64]:
    """Number the distinct values of both sides together: int64[A] and int64[I]."""
    kind = _common(anchors.type, items.type)
    if kind is None:
        raise DataError(
            f"{_shown(constraint)}: the field {constraint.field!r} holds {anchors.type} for the anchors and "
            f"{items.type} for the items, which are never equal; give both the same type"
        )
    joined = pa.concat_arrays([anchors.cast(kind), items.cast(kind)])
    codes = pc.fill_null(joined.dictionary_encode().indices, -1).to_numpy().astype(np.int64)
    return codes[: len(anchors)], codes[len(anchors) :]


def _common(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Find a type that holds the values of both as they are."""
    for holds, kind in (
        (is_text, pa.large_string()),
        (kinds.is_integer, pa.int64()),
        (_is_number, pa.float64()),
        (kinds.is_date, pa.date64()),
    ):
        if all(holds(one) or kinds.is_null(one) for one in (first, second)):
            return kind
    return first if first == second else None


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type holds text."""
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    return bool(kinds.is_integer(kind) or kinds.is_floating(kind))
