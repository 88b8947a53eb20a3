"""Text pairs in a table: an anchor and a positive per row, with an optional grade, split and corpus.

Anchors and items have no ids of their own here: equal text is one anchor, or one item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.csvs import read_csv
from foils.formats.files import Source
from foils.formats.jsonl import read_jsonl
from foils.formats.judged import checked_grades, once_per_pair, split_codes
from foils.formats.merging import merge_items
from foils.formats.messages import quoted
from foils.formats.parquets import read_parquet
from foils.formats.rows import Field, Rows, first_true
from foils.positives import Int64, Judgements

GRADE, SPLIT = Field("grade", "number", required=False), Field("split", required=False)
CORPUS = (
    Field("text"),
    Field("title", required=False),
    Field("id", "id", required=False),
    Field("_id", "id", required=False),
)
READERS: dict[str, Callable[[Source, Sequence[Field]], Rows]] = {
    ".csv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


def read_pairs(path: Path, anchor_column: str, positive_column: str, corpus: Path | None) -> Collection:
    """Read pairs, and further items where there is a corpus.

    Args:
        path: .csv, .jsonl (both also .gz) or .parquet; the columns ``grade`` and ``split`` are read where
            they exist.
        anchor_column: name of the column of anchors.
        positive_column: name of the column of positives (with grade 0: of judged negatives).
        corpus: a table with the column ``text`` and optionally ``title`` and ``id`` (or ``_id``).

    Raises:
        DataError: a file, column or row is not what docs/input.md says.
    """
    if anchor_column == positive_column:
        raise DataError(f"anchor and positive are both the column {quoted(anchor_column)}; name two columns")
    texts = [Field(anchor_column), Field(positive_column)]
    optional = [field for field in (GRADE, SPLIT) if field.name not in (anchor_column, positive_column)]
    rows = _read(path, [*texts, *optional])
    anchors, anchor_rows = _texts(rows, anchor_column, "a")
    positives, positive_rows = _texts(rows, positive_column, "i")
    further = None if corpus is None else _read(corpus, CORPUS)
    items, of_positive = merge_items(positives, further)
    judgements = _judgements(rows, optional, anchor_rows, of_positive[positive_rows])
    return Collection(anchors, items, judgements)


def _read(path: Path, fields: Sequence[Field]) -> Rows:
    source = Source(path)
    suffix, gzipped = source.suffixes
    if suffix not in READERS or (gzipped and suffix == ".parquet"):
        raise DataError(f"{source.name}: has an unknown suffix; expected .csv, .csv.gz, .jsonl, .jsonl.gz or .parquet")
    rows = READERS[suffix](source, fields)
    if not len(rows):
        raise DataError(
            f"{source.name}: holds no row; expected rows with {', '.join(quoted(f.name) for f in fields[:2])}"
        )
    return rows


def _texts(rows: Rows, name: str, prefix: str) -> tuple[Records, Int64]:
    """Give the distinct texts of a column by first appearance, and each row's text."""
    encoded = rows.columns[name].dictionary_encode()
    codes = encoded.indices.to_numpy().astype(np.int64)
    records = Records(
        pa.array([f"{prefix}{row}" for row in range(len(encoded.dictionary))], pa.large_string()),
        encoded.dictionary,
    )
    if records.empty.any():
        row = first_true(records.empty[codes])
        raise DataError(f"{rows.place(row)}: {quoted(name)} is empty; write its text, or remove the row")
    return records, codes


def _judgements(rows: Rows, optional: Sequence[Field], anchors: Int64, items: Int64) -> Judgements:
    grades, splits = (rows.all_or_none(field.name) if field in optional else None for field in (GRADE, SPLIT))
    values = np.ones(len(rows)) if grades is None else grades.to_numpy()
    codes: npt.NDArray[np.int16] = np.zeros(len(rows), np.int16)
    names: tuple[str, ...] = ("train",)
    if splits is not None:
        codes, names = split_codes(splits, rows.place)
    judgements = Judgements(anchors, items, checked_grades(values, rows.place), codes, names)
    return once_per_pair(judgements, rows.place)
