"""Training rows from a table of negatives: the formats that trainers read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import InputError, did_you_mean
from foils.positives import Int64

FORMATS = ("triplet", "n-tuple")


def training_rows(table: pa.Table, format: str, m: int, shortfall: Literal["short", "drop"]) -> pa.Table:
    """Give rows of ids.

    Args:
        table: rows of negatives.parquet.
        format: ``triplet`` or ``n-tuple``.
        m: negatives asked for.
        shortfall: ``drop`` leaves out units with fewer.

    Returns:
        ``triplet``: anchor, positive, negative. ``n-tuple``: anchor, positive, negative_1 … negative_m, null where
        absent.

    Raises:
        InputError: there is no such format or policy.
    """
    if format not in FORMATS:
        raise InputError(f"there is no format {format!r}; {did_you_mean(format, FORMATS)}")
    if shortfall not in ("short", "drop"):
        raise InputError(f"there is no policy {shortfall!r} for export; use short or drop")
    if shortfall == "drop":
        table = table.filter(pc.equal(pc.list_value_length(table["negative_ids"]), m))
    negatives, counts = _flat(table["negative_ids"])
    positives, per_unit = _flat(table["positive_ids"])
    unit = np.repeat(np.arange(len(table)), per_unit)  # of each positive, which is a row of an n-tuple
    starts, counts = (np.cumsum(counts) - counts)[unit], counts[unit]
    columns = {"anchor": table["anchor_id"].cast(pa.large_string()).combine_chunks().take(pa.array(unit))}
    columns["positive"] = positives
    if format == "triplet":
        row = np.repeat(np.arange(len(unit)), counts)
        place = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        columns = {name: ids.take(pa.array(row)) for name, ids in columns.items()}
        return pa.table({**columns, "negative": negatives.take(pa.array(starts[row] + place))})
    for nth in range(m):
        columns[f"negative_{nth + 1}"] = negatives.take(pa.array(starts + nth, mask=counts <= nth))
    return pa.table(columns)


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


def with_texts(rows: pa.Table, collection: Collection) -> pa.Table:
    """Replace ids by texts, title and text joined; rows whose positive has empty text are left out."""
    anchors, items = _Texts.of(collection.anchors), _Texts.of(collection.items)
    blank = collection.items.ids.filter(pa.array(collection.items.empty))
    rows = rows.filter(pc.invert(pc.is_in(rows["positive"].cast(pa.large_string()), value_set=blank)))
    columns = {name: (anchors if name == "anchor" else items).take(rows[name]) for name in rows.column_names}
    return pa.table(columns)


@dataclass(frozen=True, eq=False)
class _Texts:
    ids: pa.Array
    texts: pa.Array

    @classmethod
    def of(cls, records: Records) -> _Texts:
        return cls(records.ids, pa.array(records.full_texts(), pa.large_string()))

    def take(self, ids: pa.ChunkedArray) -> pa.Array:
        """Look up the texts of ids; null stays null."""
        return self.texts.take(pc.index_in(ids.combine_chunks(), value_set=self.ids))


def _flat(lists: pa.ChunkedArray) -> tuple[pa.Array, Int64]:
    """Give the values of all lists, and the length of each; 64-bit offsets, as exports may be large."""
    wide = lists.cast(pa.large_list(pa.large_string())).combine_chunks()
    return wide.flatten(), np.asarray(pc.list_value_length(wide).to_numpy(), dtype=np.int64)
