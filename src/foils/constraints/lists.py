"""Constraints by lists of (anchor id, item id): what each anchor may get, or must not get."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import pyarrow as pa

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.positives import Int64, Relation

Pairs = str | Path | Iterable[tuple[str, str]]
"""A .tsv, .csv, .jsonl or .parquet file of ``anchor_id`` and ``item_id``, or the pairs themselves."""


class Allow(msgspec.Struct, frozen=True):
    """The only items that an anchor may get; anchors that the list does not name may get everything."""

    pairs: Pairs
    kind: ClassVar[str] = "allow"


class Deny(msgspec.Struct, frozen=True):
    """Pairs that are never candidates."""

    pairs: Pairs
    kind: ClassVar[str] = "deny"


ListConstraint = Allow | Deny


@dataclass(frozen=True, eq=False)
class IdPairs:
    """Pairs of ids as they were given.

    Attributes:
        anchors: large_string[P].
        items: large_string[P].
        place: names a pair for messages: its file and line.
    """

    anchors: pa.LargeStringArray
    items: pa.LargeStringArray
    place: Callable[[int], str]


ReadPairs = Callable[[Path], IdPairs]
"""How a file of pairs is read."""


def bind_list(constraint: ListConstraint, collection: Collection, read: ReadPairs) -> Relation:
    """Find the rows of the pairs.

    Raises:
        DataError: the pairs are no pairs of strings, or name an anchor or item that the collection does not have.
    """
    pairs = _given(constraint, read)
    anchors = _rows(pairs, pairs.anchors, collection.anchors, "anchor")
    items = _rows(pairs, pairs.items, collection.items, "item")
    return Relation.from_pairs(anchors, items, len(collection.anchors))


def _given(constraint: ListConstraint, read: ReadPairs) -> IdPairs:
    name = type(constraint).__name__
    if isinstance(constraint.pairs, str | Path):
        return read(Path(constraint.pairs))
    pairs: list[Any] = list(constraint.pairs)
    for row, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2 or not all(isinstance(side, str) for side in pair):
            raise DataError(f"{name}: pair {row} is {pair!r:.60}; expected (anchor id, item id), two strings")
    anchors, items = (pa.array([pair[side] for pair in pairs], pa.large_string()) for side in (0, 1))
    return IdPairs(anchors, items, lambda row: f"{name}: pair {row}")


def _rows(pairs: IdPairs, ids: pa.Array, records: Records, what: str) -> Int64:
    rows = records.rows(ids)
    unknown = rows < 0
    if unknown.any():
        row = int(np.argmax(unknown))
        raise DataError(
            f"{pairs.place(row)}: the collection has no {what} {ids[row].as_py()!r:.60}; {int(unknown.sum())} of the "
            f"{len(rows)} pairs name an unknown {what}. Add what is missing, or remove these pairs"
        )
    return rows
