"""Labels as data: read from a result's folder, from its file of labels, or from a table of anybody's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.errors import DataError, InputError
from foils.estimating import Label
from foils.formats.csvs import read_csv
from foils.formats.files import Source, path_of
from foils.formats.jsonl import read_jsonl
from foils.formats.messages import quoted
from foils.formats.rows import Field, Rows
from foils.labelling.cells import plain
from foils.labelling.drawn import stored
from foils.labelling.events import BY_WORD, WORDS
from foils.labelling.store import FILE, LabelStore

TABLE_SUFFIXES = (".csv", ".jsonl")
FIELDS = (
    Field("anchor_id", "id", fixed=True),
    Field("item_id", "id", fixed=True),
    Field("label", fixed=True),
    Field("note", required=False, fixed=True),
)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labelled pairs, each once.

    Attributes:
        anchor_ids: large_string[L].
        item_ids: large_string[L].
        labels: int8[L], of ``foils.estimating.Label``.
        notes: L texts.
        pi: float64[L], probability that the design drew the pair; NaN = not drawn by a design.
    """

    anchor_ids: pa.Array
    item_ids: pa.Array
    labels: npt.NDArray[np.int8]
    notes: list[str]
    pi: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def pairs(self) -> list[tuple[str, str]]:
        """Give (anchor id, item id) of each."""
        return list(zip(self.anchor_ids.to_pylist(), self.item_ids.to_pylist(), strict=True))


def read_labels(path: str | Path) -> Labels:
    """Read labels.

    Args:
        path: a result's folder, its labels.sqlite, or a table (.csv or .jsonl, also .gz) with the columns anchor_id,
            item_id, label (positive, negative, unsure or skip) and perhaps note.

    Raises:
        DataError: a row cannot be read, or a pair has two labels; names the lines.
        InputError: nothing was labelled there, or the suffix is unknown.
        FolderError: the file of labels is damaged, or not ours.
    """
    given = path_of(path)
    if given.is_dir():
        given = given / FILE
    if given.name.endswith(".sqlite"):
        return _from_store(LabelStore(given))
    return read_label_table(given)[0]


def read_label_table(path: Path) -> tuple[Labels, Rows]:
    """Read a .csv or .jsonl table of labels, and where its rows stand; rows that repeat another are left out.

    Raises:
        DataError: a row cannot be read, or a pair has two labels.
        InputError: the suffix is unknown.
    """
    source = Source(path)
    suffix = source.suffixes[0]
    if suffix not in TABLE_SUFFIXES:
        raise InputError(
            f"{source.name}: labels are read from the folder of a result, its {FILE}, or a table "
            f"({', '.join(TABLE_SUFFIXES)}, also .gz) with the columns anchor_id, item_id and label. Qrels are no "
            "labels of a result; give them to --found of foils mine and foils train"
        )
    rows = read_csv(source, FIELDS) if suffix == ".csv" else read_jsonl(source, FIELDS)
    first: dict[tuple[str, str], int] = {}
    found: list[Label] = []
    columns = [rows.columns[field.name].to_pylist() for field in FIELDS]
    if suffix == ".csv":
        columns = [[plain(cell) for cell in column] for column in columns]
    for row, (anchor, item, word, _) in enumerate(zip(*columns, strict=True)):
        found.append(_label(word, rows, row))
        there = first.setdefault((anchor, item), row)
        if found[there] != found[row]:
            raise DataError(
                f"{rows.place(row)}: the pair {quoted(anchor)}, {quoted(item)} is {WORDS[found[row]]} here and "
                f"{WORDS[found[there]]} before ({rows.place(there)}); leave one label of the two"
            )
    keep = list(first.values())
    labels = Labels(
        anchor_ids=pa.array([columns[0][row] for row in keep], pa.large_string()),
        item_ids=pa.array([columns[1][row] for row in keep], pa.large_string()),
        labels=np.array([found[row] for row in keep], np.int8),
        notes=[columns[3][row] or "" for row in keep],
        pi=np.full(len(keep), np.nan),
    )
    taken = {name: column.take(pa.array(keep, pa.int64())) for name, column in rows.columns.items()}
    return labels, Rows(taken, lambda row: rows.place(keep[row]))


def _label(word: str, rows: Rows, row: int) -> Label:
    label = BY_WORD.get(word.strip().casefold())
    if label is None:
        raise DataError(f"{rows.place(row)}: the label is {quoted(word)}; expected positive, negative, unsure or skip")
    return label


def _from_store(store: LabelStore) -> Labels:
    if not store.exists:
        raise InputError(
            f"{store.path.parent}: nothing is labelled there yet; label with: foils review {store.path.parent} --data "
            "DATA"
        )
    given, drawn = store.given(), stored(store)
    pi = {} if drawn is None else dict(zip(drawn.pairs, drawn.design.pi.tolist(), strict=True))
    return Labels(
        anchor_ids=pa.array([one.anchor_id for one in given], pa.large_string()),
        item_ids=pa.array([one.item_id for one in given], pa.large_string()),
        labels=np.array([one.label for one in given], np.int8),
        notes=[one.note for one in given],
        pi=np.array([pi.get((one.anchor_id, one.item_id), np.nan) for one in given], np.float64),
    )
