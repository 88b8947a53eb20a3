"""The tables of a result: settled units as Arrow tables, and stored candidates back as parts see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils import _segments as segments
from foils.candidates import Candidates, Column, Kind, Negatives
from foils.mining.settle import Settled
from foils.positives import Int64, Units
from foils.rules import REASONS, Verdict

PARQUET: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["reason.list.element", "source.list.element"],
    "column_encoding": {"items.list.element": "DELTA_BINARY_PACKED"},
    "write_statistics": ["unit_id", "anchor_id", "anchor", "item_id"],
    "write_page_checksum": True,
    "store_schema": False,
}
"""How tables are written; a part of the promise that equal runs give equal bytes.

Only columns of few values gain by a dictionary, and only columns that rows are looked up by gain by statistics. No
schema of Arrow's own is stored, so that it does not matter what has a dictionary in memory.
"""

ITEMS_OF_A_GROUP = 65_536
"""Ids of a row group of items.parquet; a part of the same promise."""


@dataclass(frozen=True, eq=False)
class Names:
    """The ids that tables hold instead of rows.

    Attributes:
        anchors: string[A], by anchor row.
        items: string[I], by item row.
        per: what a unit is, ``anchor`` or ``pair``.
    """

    anchors: pa.Array
    items: pa.Array
    per: str

    def unit_ids(self, units: Units) -> pa.Array:
        """Name the units: the anchor's id, or the JSON array [anchor_id, positive_id] of a pair."""
        anchors = self.anchor_ids(units.anchors)
        if self.per == "anchor":
            return anchors
        pairs = zip(anchors.to_pylist(), self.item_ids(units.positives).to_pylist(), strict=True)
        lines = msgspec.json.Encoder().encode_lines(list(pairs)).decode()  # JSON escapes the line breaks of ids
        return pa.array(lines.split("\n")[:-1], pa.string())

    def anchor_ids(self, anchors: Int64) -> pa.Array:
        """Name anchors."""
        return self.anchors.take(pa.array(anchors)).cast(pa.string())

    def item_ids(self, items: Int64) -> pa.Array:
        """Name items."""
        return self.items.take(pa.array(items)).cast(pa.string())


@dataclass(frozen=True, eq=False)
class LeftOut:
    """How many items the sources left out, per unit.

    Attributes:
        positives: int64[A], known positives and their exact duplicates.
        forbidden: int64[A], further items that lists and constraints forbid.
    """

    positives: Int64
    forbidden: Int64


def negatives_table(candidates: Candidates, negatives: Negatives, names: Names, column: str) -> pa.Table:
    """Give one row per unit, lists over its negatives; ``scores`` holds ``column``."""
    units, present = candidates.units, negatives.items >= 0
    at = np.nonzero(present)
    offsets = _offsets(present)

    def picked(name: str) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = candidates.columns[name].values[at[0], negatives.positions[at]]
        return values

    scores = picked(column).astype(np.float32) if column != "rank" else np.full(len(at[0]), np.nan, np.float32)
    return pa.table(
        {
            "unit_id": names.unit_ids(units),
            "anchor_id": names.anchor_ids(units.anchors),
            "positive_ids": _lists(units.indptr, names.item_ids(units.positives)),
            "negative_ids": _lists(offsets, names.item_ids(negatives.items[at])),
            "scores": _lists(offsets, pa.array(scores, pa.float32())),
            "ranks": _lists(offsets, pa.array(picked("rank"), pa.int32())),
            "p_positive": _lists(offsets, pa.array(picked("p_positive"), pa.float32())),
            "log_q": _lists(offsets, pa.array(negatives.log_q[at], pa.float32())),
            "source": _lists(offsets, _named(picked("source"), candidates.sources).dictionary_decode()),
        }
    )


def candidates_table(settled: Settled, names: Names, left_out: LeftOut) -> pa.Table:
    """Give one row per unit, lists over its candidates by rank; items by their row in items.parquet."""
    candidates = settled.candidates
    units, present = candidates.units, candidates.valid
    offsets, every = _offsets(present), bool(present.all())

    def flat(cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return cells.reshape(-1) if every else cells[present]

    table = {
        "unit_id": names.unit_ids(units),
        "anchor": pa.array(units.anchors, pa.int64()),
        "unit_key": pa.array(units.keys, pa.int64()),
        "positives": _lists(units.indptr, pa.array(units.positives, pa.int64())),
        "excluded_positives": pa.array(left_out.positives, pa.int32()),
        "forbidden_items": pa.array(left_out.forbidden, pa.int32()),
        "searched_depth": pa.array(np.full(len(units), settled.depth), pa.int32()),
        "exhausted": pa.array(settled.exhausted),
        "needs_deeper": pa.array(settled.needs_deeper),
        "relaxed": pa.array(settled.relaxed, pa.int32()),
        "items": _lists(offsets, pa.array(flat(candidates.items), pa.int64())),
        "reason": _lists(offsets, _named(flat(settled.verdict.reason), REASONS)),
        "source": _lists(offsets, _named(flat(candidates.columns["source"].values), candidates.sources)),
        "p_positive": _lists(offsets, pa.array(flat(candidates.columns["p_positive"].values), pa.float32())),
        "log_q": _lists(offsets, pa.array(flat(candidates.columns["log_q"].values), pa.float32())),
    }
    for name in candidates.scored():
        column = candidates.columns[name]
        table[f"score.{name}"] = _lists(offsets, pa.array(flat(column.values), pa.float32()))
        table[f"positive_score.{name}"] = _lists(units.indptr, pa.array(column.positives, pa.float32()))
    return pa.table(table)


def in_order(tables: Sequence[pa.Table], rows: Sequence[Int64]) -> pa.Table:
    """Join tables of settled groups in the order of their rows."""
    joined, every = join(tables), np.concatenate(rows)
    if (np.diff(every) > 0).all():
        return joined
    return joined.take(pa.array(np.argsort(every, kind="stable"))).combine_chunks()


def join(tables: Sequence[pa.Table]) -> pa.Table:
    """Join tables one below the other."""
    return pa.concat_tables(tables).combine_chunks()


def stored_units(table: pa.Table) -> Units:
    """Read the units of stored candidates."""
    indptr, positives = _flat(table["positives"])
    return Units(_numbers(table["anchor"]), _numbers(table["unit_key"]), indptr, positives)


def stored_candidates(table: pa.Table, depth: int, kinds: Mapping[str, Kind]) -> Candidates:
    """Read stored candidates down to ``depth``, with the columns they had when they were judged.

    Args:
        table: rows of candidates.parquet.
        depth: width of the result.
        kinds: the score columns, in the order they were added.
    """
    units = stored_units(table)
    indptr, items = _flat(table["items"])
    lengths = np.minimum(np.diff(indptr), depth)
    rows, places = segments.owners(lengths), segments.places(lengths)
    flat = indptr[:-1][rows] + places

    def wide(values: npt.NDArray[Any], absent: Any, dtype: Any) -> npt.NDArray[Any]:
        cells = np.full((len(units), depth), absent, dtype)
        cells[rows, places] = values[flat]
        return cells

    sources = tuple(table["source"].combine_chunks().flatten().unique().to_pylist())
    codes = _codes(table["source"], sources)
    columns = {
        "rank": Column(wide(segments.places(np.diff(indptr)) + 1, 0, np.int64)),
        "source": Column(wide(codes, 0, np.int8)),
        "log_q": Column(wide(_flat(table["log_q"])[1], np.nan, np.float32)),
        "p_positive": Column(wide(_flat(table["p_positive"])[1], np.nan, np.float32)),
    }
    for name, kind in kinds.items():
        values = wide(_flat(table[f"score.{name}"])[1], np.nan, np.float32)
        columns[name] = Column(values, kind, _flat(table[f"positive_score.{name}"])[1])
    return Candidates(units, wide(items, -1, np.int64), columns, sources)


def stored_verdict(table: pa.Table, depth: int) -> Verdict:
    """Read what the rules said of stored candidates."""
    lengths = np.diff(_flat(table["items"])[0])
    cells = np.full((len(table), depth), -1, np.int8)
    cells[segments.owners(lengths), segments.places(lengths)] = _codes(table["reason"], REASONS)
    return Verdict(cells == 0, np.maximum(cells, 0))


def _offsets(present: npt.NDArray[np.bool_]) -> Int64:
    return segments.bounds(present.sum(axis=1))


def _lists(offsets: Int64, values: pa.Array) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _named(codes: npt.NDArray[np.int8], names: Sequence[str]) -> pa.DictionaryArray:
    """Name codes; the file has a dictionary of them anyway."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))


def _flat(column: pa.ChunkedArray) -> tuple[Int64, npt.NDArray[Any]]:
    lists = column.combine_chunks()
    offsets = lists.offsets.to_numpy().astype(np.int64)
    return offsets - offsets[0], lists.flatten().to_numpy(zero_copy_only=False)


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> npt.NDArray[np.int8]:
    found = pc.index_in(column.combine_chunks().flatten(), value_set=pa.array(names, pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int8)


def _numbers(column: pa.ChunkedArray) -> Int64:
    return np.asarray(column.to_numpy(), dtype=np.int64)
