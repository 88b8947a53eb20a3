"""Labels out of a result and into it, as CSV or JSON Lines: to share the work, to keep a copy, to begin anew."""

from __future__ import annotations

import csv
import gzip
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from foils import _durable as durable
from foils.errors import DataError, InputError
from foils.estimating import Label
from foils.formats.messages import quoted, shown
from foils.formats.rows import Rows
from foils.labelling.cells import safe
from foils.labelling.drawn import stored
from foils.labelling.events import WORDS, Event, Given
from foils.labelling.labels import TABLE_SUFFIXES, Labels, read_label_table
from foils.labelling.store import LabelStore, given, insert
from foils.mining.export import check_target
from foils.mining.stored import Result
from foils.records import find

COLUMNS = ("anchor_id", "item_id", "label", "note", "position", "pi", "seconds", "labelled_at")
SUFFIXES = tuple(f"{suffix}{end}" for suffix in TABLE_SUFFIXES for end in ("", ".gz"))
CONFLICTS_SHOWN = 10


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        added: labels that are new.
        known: labels that were there already, the same.
        elsewhere: of all, those of pairs that are no negatives of this result; they are kept for other designs.
    """

    added: int
    known: int
    elsewhere: int


def export_labels(folder: Path, path: Path) -> int:
    """Write the labels of a result to a .csv or .jsonl file (also .gz), which is there whole or not at all.

    Args:
        folder: of the result.
        path: the file; columns anchor_id, item_id, label, note, position (of the design, from 1) and its pi,
            seconds, labelled_at. Cells of CSV that a spreadsheet would run get an apostrophe in front, which is taken
            off when they are imported.

    Returns:
        The number of labels.

    Raises:
        InputError: nothing is labelled, or the suffix is unknown.
        FolderError: the file cannot be written.
    """
    suffix = check_target(path, SUFFIXES)
    store = LabelStore.of(folder)
    if not store.exists:
        raise InputError(f"{folder}: nothing is labelled there yet, so there is nothing to export")
    rows = _rows(store)
    write = _csv if suffix.startswith(".csv") else _jsonl
    with durable.explained(path.parent):
        durable.make_folder(path.parent)
        durable.write_file(path, lambda partial: write(partial, rows, zipped=suffix.endswith(".gz")))
    return len(rows)


def import_labels(result: Result, path: Path) -> Imported:
    """Add the labels of a .csv or .jsonl table to those of a result: all of them, or none.

    Args:
        result: whose labels.
        path: the table; see ``read_labels``.

    Raises:
        DataError: a row cannot be read; or a pair has another label already: names the lines.
        InputError: there is no row, or no pair is a negative of this result.
    """
    labels, rows = read_label_table(path)
    if not len(labels):
        raise InputError(f"{shown(str(path))}: holds no label, so there is nothing to import; add rows of labels")
    mine = _negative_pairs(result, labels)
    if not mine.any():
        raise InputError(
            f"{shown(str(path))}: none of its pairs ({len(labels):,}) is a negative of {result.path} (the first is "
            f"{quoted(labels.anchor_ids[0].as_py())}, {quoted(labels.item_ids[0].as_py())}); are they of other data? "
            "To calibrate, labels of its other candidates will do: foils calibrate --labels"
        )
    store = LabelStore.of(result.path)
    store.create()
    with store.writing() as connection:  # the page may be open: whatever it says comes before or after
        there = {(one.anchor_id, one.item_id): one for one in given(connection)}
        for event in _new(path, labels, rows, there, store.path):
            insert(connection, event)
    new = sum(pair not in there for pair in labels.pairs())
    return Imported(added=new, known=len(labels) - new, elsewhere=int((~mine).sum()))


def _new(
    path: Path, labels: Labels, rows: Rows, there: Mapping[tuple[str, str], Given], stored_at: Path
) -> list[Event]:
    """Give what the table says and the store does not.

    Raises:
        DataError: it contradicts what is there.
    """
    conflicts, events = [], []
    for row, (pair, code, note) in enumerate(zip(labels.pairs(), labels.labels, labels.notes, strict=True)):
        label, known = Label(code), there.get(pair)
        if known is not None and known.label != label:
            conflicts.append(
                f"{rows.place(row)}: {quoted(pair[0])}, {quoted(pair[1])} is {WORDS[label]} here and "
                f"{WORDS[known.label]} in {stored_at}"
            )
        elif known is None or (note and note != known.note):
            events.append(Event(uuid.uuid4().hex, *pair, label, note, origin=path.name))
    if conflicts:
        raise DataError(_conflicts(conflicts))
    return events


def _negative_pairs(result: Result, labels: Labels) -> npt.NDArray[np.bool_]:
    """Tell which labelled pairs are negatives of the result: bool[L]."""
    table = pq.read_table(result.path / "negatives.parquet", columns=["anchor_id", "negative_ids"])
    wanted = set(labels.anchor_ids.to_pylist())
    rows = find(table["anchor_id"].combine_chunks().cast(pa.large_string()), pa.array(wanted, pa.large_string()))
    table = table.take(pa.array((rows >= 0).nonzero()[0]))
    pairs = {
        (anchor, item)
        for anchor, items in zip(table["anchor_id"].to_pylist(), table["negative_ids"].to_pylist(), strict=True)
        for item in items
    }
    return np.array([pair in pairs for pair in labels.pairs()], bool)


def _conflicts(conflicts: list[str]) -> str:
    more = len(conflicts) - CONFLICTS_SHOWN
    listed = "\n  ".join(conflicts[:CONFLICTS_SHOWN]) + (f"\n  and {more:,} more" if more > 0 else "")
    return (
        f"pairs that have another label already: {len(conflicts):,}, so nothing was imported:\n  {listed}\n"
        "leave these rows out, make them agree, or take the labels back on the page"
    )


def _rows(store: LabelStore) -> list[dict[str, Any]]:
    drawn = stored(store)
    places = {} if drawn is None else drawn.places
    rows = []
    for one in store.given():
        place = places.get((one.anchor_id, one.item_id))
        position = None if place is None else place + 1
        pi = None if place is None or drawn is None else float(drawn.design.pi[place])
        cells = (one.anchor_id, one.item_id, WORDS[one.label], one.note, position, pi, one.seconds, one.at)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return sorted(rows, key=lambda row: (row["position"] is None, row["position"] or 0))


def _csv(path: Path, rows: list[dict[str, Any]], *, zipped: bool) -> None:
    with (gzip.open if zipped else open)(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(COLUMNS)
        writer.writerows([safe(cell) if isinstance(cell, str) else cell for cell in row.values()] for row in rows)


def _jsonl(path: Path, rows: list[dict[str, Any]], *, zipped: bool) -> None:
    with (gzip.open if zipped else open)(path, "wb") as file:
        file.write(msgspec.json.Encoder().encode_lines(rows))
