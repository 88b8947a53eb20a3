"""Collections from what is in memory: rows, texts, grades. Row numbers become the ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.collection import Records, strings
from foils.errors import DataError
from foils.formats.judged import Float32, Int16, checked_grades, once_per_pair, split_codes
from foils.formats.messages import quoted
from foils.formats.rows import first_true
from foils.positives import Int64, Judgements


def records_from(
    texts: Sequence[str] | int,
    titles: Sequence[str] | None = None,
    fields: Mapping[str, Sequence[Any]] | None = None,
) -> Records:
    """Build records whose ids are the row numbers.

    Args:
        texts: the texts, or how many records there are (then they have no text).
        titles: their titles.
        fields: their metadata by name.

    Raises:
        DataError: there are none, the lengths differ, or a text is not a string of valid Unicode.
    """
    if isinstance(texts, str | bytes):
        raise DataError(
            f"expected a sequence of texts or a number, got the single text {quoted(texts)}; put it in a list"
        )
    written = None if isinstance(texts, int | np.integer) else list(texts)
    count = int(texts) if isinstance(texts, int | np.integer) else len(texts)
    if count < 1:
        raise DataError(f"there are {count} records; give at least one anchor and one item")
    kept = {str(name): _field(str(name), values) for name, values in (fields or {}).items()}
    named = [str(row) for row in range(count)]
    return Records.of(named, written, None if titles is None else list(titles), fields=kept)


def reject_empty_anchors(anchors: Records) -> None:
    """Refuse anchors without text, where anchors have texts.

    Raises:
        DataError: names the first.
    """
    if anchors.empty.any():
        raise DataError(
            f"anchors[{first_true(anchors.empty)}] is empty ({int(anchors.empty.sum())} of {len(anchors)} "
            "are); write its text, "
            "or remove it"
        )


def judgements_from_rows(
    pairs: npt.ArrayLike,
    n_anchors: int,
    n_items: int,
    grades: npt.ArrayLike | None,
    splits: Sequence[str] | None,
) -> Judgements:
    """Build judgements from rows.

    Args:
        pairs: int[P, 2], (anchor row, item row).
        n_anchors: number of anchors.
        n_items: number of items.
        grades: float[P]; above 0 = positive, 0 = judged negative; default 1.
        splits: P names; default ``train``.

    Raises:
        DataError: shapes differ, a row is outside the collection, a grade is not finite, or a pair has two
            grades in one split.
    """
    rows = _pairs(pairs, n_anchors, n_items)
    codes, names = _splits(splits, len(rows))
    judgements = Judgements(rows[:, 0].copy(), rows[:, 1].copy(), _grades(grades, len(rows)), codes, names)
    return once_per_pair(judgements, _place)


def groups_from(groups: npt.ArrayLike, n_items: int) -> Int64:
    """Check the groups of duplicates that the user states.

    Raises:
        DataError: they are not whole numbers, one per item.
    """
    array = _array("item_groups", groups)
    if array.shape != (n_items,) or array.dtype.kind not in "iu":
        raise DataError(
            f"item_groups has the shape {array.shape} and type {array.dtype}; expected {n_items} whole "
            "numbers, one per item"
        )
    return array.astype(np.int64)


def _field(name: str, values: Sequence[Any]) -> pa.Array:
    """Make an Arrow array of a field's values; None and NaN become null."""
    try:
        array = pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, UnicodeEncodeError) as error:
        raise DataError(
            f"the field {quoted(name)} cannot be read ({error}); give values of one type: texts, numbers, dates or "
            "truth values"
        ) from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _place(row: int) -> str:
    return f"pairs[{row}]"


def _array(name: str, values: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:  # ragged
        raise DataError(f"{name} is not an array ({error}); give rows of equal length") from error


def _pairs(pairs: npt.ArrayLike, n_anchors: int, n_items: int) -> Int64:
    array = _array("pairs", pairs)
    if not array.size:
        return np.zeros((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise DataError(
            f"pairs has the shape {array.shape} and type {array.dtype}; expected whole numbers of shape (P, "
            "2): (anchor row, item row)"
        )
    outside = (array < 0) | (array >= np.array([n_anchors, n_items]))
    if outside.any():
        row = first_true(outside.any(axis=1))
        raise DataError(
            f"{_place(row)} is {tuple(array[row].tolist())}, outside {n_anchors} anchors and {n_items} items "
            f"({int(outside.any(axis=1).sum())} of {len(array)} pairs are); rows count from 0"
        )
    return array.astype(np.int64)


def _grades(grades: npt.ArrayLike | None, count: int) -> Float32:
    if grades is None:
        return np.ones(count, np.float32)
    array = _array("grades", grades)
    if array.shape != (count,) or array.dtype.kind not in "iuf":
        raise DataError(
            f"grades has the shape {array.shape} and type {array.dtype}; expected {count} numbers, one per pair"
        )
    return checked_grades(array.astype(np.float64), lambda row: f"grades[{row}]")


def _splits(splits: Sequence[str] | None, count: int) -> tuple[Int16, tuple[str, ...]]:
    if splits is None:
        return np.zeros(count, np.int16), ("train",)
    if isinstance(splits, str) or len(splits) != count:
        raise DataError(f"splits is {quoted(splits)}; expected {count} names, one per pair")
    names = strings("splits", list(splits))
    return split_codes(names, lambda row: f"splits[{row}]")
