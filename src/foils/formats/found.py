"""Tables of found pairs: ``anchor_id``, ``item_id``, and perhaps ``grade``, ``provenance`` and ``p``."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from foils.errors import DataError
from foils.formats.messages import quoted
from foils.formats.rows import Field, Rows
from foils.formats.tables import read_table
from foils.found import FINDERS

FIELDS = (
    Field("anchor_id", "id"),
    Field("item_id", "id"),
    Field("grade", "number", required=False),
    Field("provenance", required=False),
    Field("p", "number", required=False),
)


def read_found(path: str | Path) -> pa.Table:
    """Read found pairs, for ``Collection.with_found``.

    Args:
        path: a .tsv, .csv, .jsonl (each also .gz) or .parquet, as ``foils export --format found-positives`` writes it.

    Raises:
        DataError: a column is missing, a value is no id, no number or no provenance, or there is no row.
    """
    rows = read_table(Path(path), FIELDS)
    _check_provenance(rows)
    return pa.table({field.name: rows.columns[field.name] for field in FIELDS})


def _check_provenance(rows: Rows) -> None:
    for row, name in enumerate(rows.columns["provenance"].to_pylist()):
        if name is not None and name not in FINDERS:
            raise DataError(f"{rows.place(row)}: the provenance is {quoted(name)}; expected {' or '.join(FINDERS)}")
