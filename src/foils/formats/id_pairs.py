"""Pairs of ids in a table: the columns ``anchor_id`` and ``item_id``, as lists of constraints hold them."""

from __future__ import annotations

from pathlib import Path

from foils.constraints import IdPairs
from foils.formats.rows import Field
from foils.formats.tables import read_table


def read_id_pairs(path: Path) -> IdPairs:
    """Read pairs of ids.

    Args:
        path: a .tsv, .csv, .jsonl (each also .gz) or .parquet; other columns are passed over.

    Raises:
        DataError: a column is missing, a value is no id, or there is no row.
    """
    rows = read_table(path, (Field("anchor_id", "id"), Field("item_id", "id")))
    return IdPairs(rows.columns["anchor_id"], rows.columns["item_id"], rows.place)
