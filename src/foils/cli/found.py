"""``--found``: positives that were found later, laid over the data of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pyarrow as pa
from cyclopts import Parameter

from foils.cli.console import note
from foils.collection import Collection
from foils.formats.found import read_found
from foils.formats.rows import Field
from foils.formats.tables import read_table
from foils.found import found_by_people
from foils.labelling import read_labels

FoundFile = Annotated[
    Path,
    Parameter(
        name="--found",
        help="Positives found later, for mining and training alone: what foils export --format found-positives wrote, "
        "or labels: a file of them, or the folder of a result.",
    ),
]


def overlaid(collection: Collection, path: Path | None, split: str) -> Collection:
    """Lay found positives over a split, and say how many.

    Raises:
        InputError: they cannot be read, or name what the collection does not have.
    """
    if path is None:
        return collection
    table = _read(path)
    laid = collection.with_found(table, split)
    new = 0 if laid.found is None else len(laid.found)
    known = len(table) - new
    note(
        f"{path}: {new:,} found pairs are laid over {split}"
        + (f"; {known:,} more say nothing new, or what the data say stands" if known else "")
    )
    return laid


def _read(path: Path) -> pa.Table:
    if path.is_dir() or path.suffix == ".sqlite" or _holds_labels(path):
        labels = read_labels(path)
        return found_by_people(labels.anchor_ids, labels.item_ids, labels.labels)
    return read_found(path)


def _holds_labels(path: Path) -> bool:
    """Tell whether a table has a column of labels."""
    labels = read_table(path, (Field("label", required=False),)).columns["label"]
    return bool(labels.null_count < len(labels))
