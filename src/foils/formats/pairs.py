"""Text pairs in a table: an anchor and a positive per row, with an optional grade, split and corpus.

Anchors and items have no ids of their own here: equal text is one anchor, or one item.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import path_of
from foils.formats.judged import checked_grades, once_per_pair, split_codes
from foils.formats.merging import merge_items
from foils.formats.messages import quoted
from foils.formats.rows import Field, Rows, first_true
from foils.formats.tables import read_table
from foils.positives import Int64, Judgements

GRADE, SPLIT = Field("grade", "number", required=False), Field("split", required=False)
CORPUS = (
    Field("text"),
    Field("title", required=False),
    Field("id", "id", required=False),
    Field("_id", "id", required=False),
)


def read_pairs(path: str | Path, anchor_column: str, positive_column: str, corpus: Path | None) -> Collection:
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
    rows = read_table(path_of(path), pair_fields(anchor_column, positive_column))
    return paired(rows, anchor_column, positive_column, None if corpus is None else read_table(corpus, CORPUS))


def pair_fields(anchor_column: str, positive_column: str) -> list[Field]:
    """Give the columns of a table of pairs.

    Raises:
        DataError: both are the same.
    """
    if anchor_column == positive_column:
        raise DataError(f"anchor and positive are both the column {quoted(anchor_column)}; name two columns")
    optional = [field for field in (GRADE, SPLIT) if field.name not in (anchor_column, positive_column)]
    return [
        Field(anchor_column, option="anchor= (--anchor COLUMN --positive COLUMN)"),
        Field(positive_column, option="positive= (--anchor COLUMN --positive COLUMN)"),
        *optional,
    ]


def paired(rows: Rows, anchor_column: str, positive_column: str, further: Rows | None) -> Collection:
    """Make a collection of a table of pairs, and of further items where there are some.

    Raises:
        DataError: a row is not what docs/input.md says.
    """
    anchors, anchor_rows = _texts(rows, anchor_column, "a")
    positives, positive_rows = _texts(rows, positive_column, "i")
    items, of_positive = merge_items(positives, further)
    optional = [field for field in (GRADE, SPLIT) if field.name not in (anchor_column, positive_column)]
    judgements = _judgements(rows, optional, anchor_rows, of_positive[positive_rows])
    return Collection(anchors, items, judgements)


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
