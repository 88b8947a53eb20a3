"""Training rows from a table of negatives: the formats that trainers read."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Collection, Records
from foils.errors import InputError, did_you_mean

FORMATS = ("triplet", "n-tuple")


def training_rows(table: pa.Table, format: str, m: int, shortfall: Literal["short", "drop"]) -> pa.Table:  # noqa: A002
    """Give rows of ids.

    Args:
        table: rows of negatives.parquet.
        format: ``triplet`` or ``n-tuple``.
        m: negatives asked for.
        shortfall: ``drop`` leaves out units with fewer.

    Returns:
        ``triplet``: anchor, positive, negative. ``n-tuple``: anchor, positive, negative_1 … negative_m, null where absent.

    Raises:
        InputError: there is no such format or policy.
    """
    if format not in FORMATS:
        raise InputError(f"there is no format {format!r}; {did_you_mean(format, FORMATS)}")
    if shortfall not in ("short", "drop"):
        raise InputError(f"there is no policy {shortfall!r} for export; use short or drop")
    if shortfall == "drop":
        table = table.filter(pc.equal(pc.list_value_length(table["negative_ids"]), m))
    table = table.combine_chunks()
    counts = pc.list_value_length(table["negative_ids"]).to_numpy()
    starts = np.cumsum(counts) - counts
    negatives = pc.list_flatten(table["negative_ids"]).combine_chunks()
    positives = pc.list_flatten(table["positive_ids"])
    of = pc.list_parent_indices(table["positive_ids"]).to_numpy()
    anchors = table["anchor_id"].take(pa.array(of))
    if format == "triplet":
        pair = np.repeat(np.arange(len(of)), counts[of])
        place = np.arange(len(pair)) - np.repeat(np.cumsum(counts[of]) - counts[of], counts[of])
        chosen = pa.array(starts[of][pair] + place, pa.int64())
        columns = {"anchor": anchors.take(pa.array(pair)), "positive": positives.take(pa.array(pair))}
        return pa.table({**columns, "negative": negatives.take(chosen)})
    columns = {"anchor": anchors, "positive": positives}
    for place in range(m):
        chosen = pa.array(starts[of] + place, pa.int64(), mask=counts[of] <= place)
        columns[f"negative_{place + 1}"] = negatives.take(chosen)
    return pa.table(columns)


def with_texts(rows: pa.Table, collection: Collection) -> pa.Table:
    """Replace ids by texts, title and text joined."""
    columns = {
        name: _texts(rows[name], collection.anchors if name == "anchor" else collection.items)
        for name in rows.column_names
    }
    return pa.table(columns)


def _texts(ids: pa.ChunkedArray, records: Records) -> pa.Array:
    texts = pa.array(records.full_texts(), pa.large_string())
    return texts.take(pc.index_in(ids.cast(pa.large_string()), value_set=records.ids)).combine_chunks()
