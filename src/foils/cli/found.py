"""``--found``: positives that were found later, laid over the data of a command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
from cyclopts import Parameter

from foils.cli.console import note
from foils.collection import Collection
from foils.formats.files import Source
from foils.formats.found import read_found
from foils.formats.known import Known
from foils.formats.qrels import read_qrels
from foils.formats.rows import Field
from foils.formats.tables import read_table
from foils.formats.trec import read_trec_qrels
from foils.formats.tsvs import first_cells
from foils.found import found_by_people
from foils.labelling import read_labels

FoundFile = Annotated[
    Path,
    Parameter(
        name="--found",
        help="Positives found later, for mining and training alone: what foils export --format found-positives wrote, "
        "or labels: a file of them, the folder of a result, or qrels (BEIR's .tsv; TREC's .txt, .qrels).",
    ),
]


TREC_SUFFIXES = (".txt", ".qrels")


def overlaid(collection: Collection, path: Path | None, split: str) -> Collection:
    """Lay found positives over a split, and say how many.

    Raises:
        InputError: they cannot be read, or name what the collection does not have.
    """
    if path is None:
        return collection
    table = _read(path, collection, split)
    laid = collection.with_found(table, split)
    new = 0 if laid.found is None else len(laid.found)
    known = len(table) - new
    note(
        f"{path}: {new:,} found pairs are laid over {split}"
        + (f"; {known:,} more say nothing new, or what the data say stands" if known else "")
    )
    return laid


def _read(path: Path, collection: Collection, split: str) -> pa.Table:
    tabled = not path.is_dir() and path.suffix != ".sqlite"
    if tabled and _holds_qrels(path):
        return _judged(path, collection, split)
    if tabled and not _holds_labels(path):
        return read_found(path)
    labels = read_labels(path)
    return found_by_people(labels.anchor_ids, labels.item_ids, labels.labels)


def _holds_qrels(path: Path) -> bool:
    """Tell whether a file can only hold qrels."""
    source = Source(path)
    suffix = source.suffixes[0]
    return suffix in TREC_SUFFIXES or (suffix == ".tsv" and not {"anchor_id", "label"} & set(first_cells(source)))


def _judged(path: Path, collection: Collection, split: str) -> pa.Table:
    """Read qrels as found pairs of people: a grade above 0 = positive, else negative."""
    source, cells = Source(path), first_cells(Source(path))
    known = Known("query", collection.anchors, "the data"), Known("item", collection.items, "the data")
    is_trec = len(cells) != 3 and len(" ".join(cells).split()) == 4
    judged = (read_trec_qrels if is_trec else read_qrels)(source, split, *known)
    ids = collection.anchors.ids.take(pa.array(judged.anchors)), collection.items.ids.take(pa.array(judged.items))
    return found_by_people(*ids, (judged.grades > 0).astype(np.int8))


def _holds_labels(path: Path) -> bool:
    """Tell whether a table has a column of labels."""
    labels = read_table(path, (Field("label", required=False),)).columns["label"]
    return bool(labels.null_count < len(labels))
