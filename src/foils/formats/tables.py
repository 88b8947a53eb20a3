"""Tables of any accepted kind, told apart by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from foils.errors import DataError
from foils.formats.csvs import read_csv
from foils.formats.files import Source
from foils.formats.jsonl import read_jsonl
from foils.formats.messages import quoted
from foils.formats.parquets import read_parquet
from foils.formats.rows import Field, Rows
from foils.formats.tsvs import read_tsv

READERS: dict[str, Callable[..., Rows]] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}
SUFFIXES = ("tsv", "tsv.gz", "csv", "csv.gz", "jsonl", "jsonl.gz", "parquet")
"""How the name of a table may end."""


def read_table(path: Path | Source, fields: Sequence[Field], *, others: bool = False) -> Rows:
    """Read a table.

    Args:
        path: a .tsv, .csv, .jsonl (each also .gz) or .parquet.
        fields: the columns to read.
        others: whether the other columns are kept, too, in ``Rows.others``.

    Raises:
        DataError: the suffix is unknown, or a column or row is not what docs/input.md says.
    """
    source = path if isinstance(path, Source) else Source(path)
    suffix, gzipped = source.suffixes
    if suffix not in READERS or (gzipped and suffix == ".parquet"):
        raise DataError(
            f"{source.name}: has an unknown suffix; expected .csv, .csv.gz, .tsv, .tsv.gz, .jsonl, .jsonl.gz "
            "or .parquet"
        )
    rows = READERS[suffix](source, fields, others=others)
    if not len(rows):
        wanted = ", ".join(quoted(field.name) for field in fields if field.required) or "data"
        raise DataError(f"{source.name}: holds no row; expected rows with {wanted}")
    return rows
