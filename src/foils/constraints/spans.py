"""Dates and numbers as spans [low, high], so that ``before`` and ``after`` hold only where they are certain.

A number is a span of one point. A moment is one, too, in microseconds since 1970 (without a zone: UTC). A date is all
its day, a month or a year all of its days: an item of 3 May is not before a question asked on 3 May at noon, because it
may be of that evening.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from foils.errors import DataError

Bool = npt.NDArray[np.bool_]

MICROSECOND = datetime.timedelta(microseconds=1)
DAY = datetime.timedelta(days=1) // MICROSECOND
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}", re.ASCII)
MOMENT = re.compile(DATE.pattern + "[T ]", re.ASCII)
MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Spans:
    """The span of each record: [N], int64 or float64; 0 where there is no value."""

    low: npt.NDArray[Any]
    high: npt.NDArray[Any]


def spans(name: str, columns: Sequence[pa.Array], missing: Sequence[Bool]) -> tuple[Spans, Spans]:
    """Read the values of anchors and items: as numbers if all of them are numbers, else as dates.

    Args:
        name: how messages name the constraint.
        columns: the field of the anchors and of the items.
        missing: bool[A] and bool[I], where there is no value.

    Raises:
        DataError: a value is neither, or one side holds numbers and the other dates.
    """
    present = [column.filter(pa.array(~absent)) for column, absent in zip(columns, missing, strict=True)]
    found = [_numbers(column) for column in present]
    sides: list[Spans] = [side for side in found if side is not None]
    if len(sides) < len(present):
        sides = [_times(name, what, column) for what, column in zip(("anchors", "items"), present, strict=True)]
    anchors, items = (_filled(side, absent) for side, absent in zip(sides, missing, strict=True))
    return anchors, items


def _numbers(column: pa.Array) -> Spans | None:
    """Read a column of numbers, or of texts that all are numbers; None if it is neither."""
    if kinds.is_integer(column.type):
        values = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    elif kinds.is_floating(column.type):
        values = column.to_numpy(zero_copy_only=False).astype(np.float64)
    elif kinds.is_temporal(column.type) or kinds.is_boolean(column.type):
        return None
    else:
        try:
            values = pc.utf8_trim_whitespace(column).cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            return None
    return Spans(values, values)


def _times(name: str, what: str, column: pa.Array) -> Spans:
    """Read dates and moments."""
    if kinds.is_date(column.type):
        low = column.cast(pa.date32()).cast(pa.int32()).to_numpy(zero_copy_only=False).astype(np.int64) * DAY
        return Spans(low, low + DAY - 1)
    if kinds.is_timestamp(column.type):
        low = (
            column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).to_numpy(zero_copy_only=False)
        )
        return Spans(low, low)
    if not (kinds.is_string(column.type) or kinds.is_large_string(column.type)):
        raise DataError(f"{name}: the {what} hold {column.type}; expected dates or numbers, of anchors and items alike")
    texts = column.dictionary_encode()
    distinct = [_time(text.strip()) for text in texts.dictionary.to_pylist()]
    if None in distinct:
        wrong = texts.dictionary[distinct.index(None)].as_py()
        raise DataError(
            f"{name}: the value {wrong!r:.60} of one of the {what} is no date, and not all values are numbers; write "
            "ISO dates such as 2024, 2024-05, 2024-05-03 or 2024-05-03T12:00:00Z, or numbers throughout"
        )
    codes = texts.indices.to_numpy(zero_copy_only=False)
    low, high = np.array(distinct, np.int64).reshape(-1, 2)[codes].T
    return Spans(low, high)


def _time(text: str) -> tuple[int, int] | None:
    """Read an ISO date (all of its day, month or year) or moment: first and last microsecond, counted from 1970."""
    part = MONTH.fullmatch(text)
    try:
        if part is not None:
            year, month = int(part[1]), int(part[2] or 1)
            months = 12 * year + month - 1 + (1 if part[2] else 12)
            end = datetime.date(months // 12, months % 12 + 1, 1)
            return _midnight(datetime.date(year, month, 1)), _midnight(end) - 1
        if DATE.fullmatch(text):
            day = _midnight(datetime.date.fromisoformat(text))
            return day, day + DAY - 1
        moment = datetime.datetime.fromisoformat(text) if MOMENT.match(text) else None
    except ValueError:
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    at = (moment - EPOCH) // MICROSECOND
    return at, at


def _midnight(day: datetime.date) -> int:
    return (day.toordinal() - EPOCH.toordinal()) * DAY


def _filled(found: Spans, missing: Bool) -> Spans:
    """Spread the spans of those that have a value over all records."""
    low, high = np.zeros(len(missing), found.low.dtype), np.zeros(len(missing), found.high.dtype)
    low[~missing], high[~missing] = found.low, found.high
    return Spans(low, high)
