"""Fuller judgements, from a data set or a file of judgements, in the rows of a subject."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from foils.auditing.hidden import Truth
from foils.auditing.subject import Subject
from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.known import Known
from foils.formats.qrels import read_qrels
from foils.positives import Int64, Judgements, Relation
from foils.records import find


def truth_of(subject: Subject, given: Collection | str | Path) -> Truth:
    """Bring judgements into the rows of a subject.

    Args:
        subject: what is audited.
        given: a collection, all of whose splits count; or the path of a BEIR folder or .zip, or of a file of
            judgements (query id, item id and grade, separated by tabs).

    Raises:
        DataError: it cannot be read, or judges no audited anchor.
    """
    collection = given if isinstance(given, Collection) else _read(subject, Path(given))
    name = "the collection given as truth" if isinstance(given, Collection) else str(given)
    cluster_of = np.full(len(subject.anchor_ids), -1, np.int64)
    cluster_of[subject.anchors] = subject.clusters
    anchors = _moved(collection.anchors.ids, subject.anchor_ids, cluster_of)
    items = _moved(collection.items.ids, subject.item_ids, np.arange(len(subject.item_ids)))
    n = int(subject.clusters.max(initial=-1)) + 1
    positives = _relation(*collection.filter_index().relation.coordinates(), anchors, items, n)
    judged = _relation(collection.judgements.anchors, collection.judgements.items, anchors, items, n)
    if not len(positives.items):
        raise DataError(
            f"{name}: judges no anchor of {subject.name} positive; give judgements of the same anchors and items"
        )
    return Truth(name, positives, judged)


def _relation(anchors: Int64, items: Int64, anchor_map: Int64, item_map: Int64, n: int) -> Relation:
    anchors, items = anchor_map[anchors], item_map[items]
    keep = (anchors >= 0) & (items >= 0)
    return Relation.from_pairs(anchors[keep], items[keep], n)


def _moved(ids: pa.Array, onto: pa.Array, rows: Int64) -> Int64:
    """Give for each id the row that the other table has for it, −1 where none."""
    at = find(ids, onto.cast(pa.large_string()))
    return np.where(at >= 0, rows[np.maximum(at, 0)], -1)


def _read(subject: Subject, path: Path) -> Collection:
    if path.is_dir() or path.suffix == ".zip":
        return Collection.from_path(path)
    anchors = Records(subject.anchor_ids.cast(pa.large_string()))
    items = Records(subject.item_ids.cast(pa.large_string()))
    judgements: Judgements = read_qrels(
        Source(path), "truth", Known("query", anchors, subject.name), Known("item", items, subject.name)
    )
    if subject.collection is None:
        return Collection(anchors, items, judgements)
    return Collection(
        subject.collection.anchors,
        subject.collection.items,
        judgements,
        subject.collection.normaliser,
        subject.collection.item_groups,
    )
