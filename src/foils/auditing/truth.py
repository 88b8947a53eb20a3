"""Fuller judgements, from a data set or a file of them, and where the anchors and items of a subject stand in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from foils.auditing.hidden import Truth
from foils.auditing.matching import numbered, same_records
from foils.auditing.subject import Bool, Subject
from foils.collection import Collection, Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.known import Known
from foils.formats.qrels import read_qrels
from foils.formats.recognise import recognised
from foils.formats.tables import READERS
from foils.positives import Int64, Relation


def truth_of(subject: Subject, given: Collection | str | Path) -> Truth:
    """Find the anchors and items of a subject in fuller judgements.

    Args:
        subject: what is audited.
        given: a collection, all of whose splits count; or the path of one; or of a file of judgements (query id, item
            id and grade, separated by tabs).

    Raises:
        DataError: it cannot be read, judges no audited anchor, or names records by ids that mean nothing here.
    """
    collection = given if isinstance(given, Collection) else _read(subject, Path(given))
    name = "the collection given as truth" if isinstance(given, Collection) else str(given)
    judged = collection.judgements
    ours, items = _records(subject)
    _refuse_numbered(ours, collection.anchors, subject, name)
    _refuse_numbered(items, collection.items, subject, name)
    anchor_rows, anchors_by = same_records(ours, collection.anchors, np.unique(judged.anchors))
    positives = collection.filter_index().relation
    # The relation also holds copies of what was judged; a copy is as good a match as the judged item.
    item_rows, items_by = same_records(items, collection.items, np.union1d(judged.items, positives.items))
    if not (positives.degrees[anchor_rows] * (anchor_rows >= 0)).any() or not (item_rows >= 0).any():
        raise DataError(
            f"{name}: judges no anchor of {subject.name} positive; give judgements of the same anchors and items "
            f"(anchors were compared by {anchors_by}, items by {items_by})"
        )
    relation = Relation.from_pairs(judged.anchors, judged.items, len(collection.anchors))
    counts = _judged_anchors(subject, collection, anchor_rows, item_rows)
    return Truth(name, anchor_rows, item_rows, positives, relation, counts, (anchors_by, items_by))


def _records(subject: Subject) -> tuple[Records, Records]:
    """Give the audited anchors by cluster, and the items; with texts where the data is known."""
    audited = np.unique(subject.anchors)
    if subject.collection is not None:
        return subject.collection.anchors.take(audited), subject.collection.items
    return Records(subject.anchor_ids.take(pa.array(audited))), Records(subject.item_ids)


def _refuse_numbered(ours: Records, theirs: Records, subject: Subject, name: str) -> None:
    """Refuse ids that were numbered within a file where there is no text to compare.

    Raises:
        DataError: they were.
    """
    if ours.texts is None and theirs.texts is not None and numbered(theirs.ids):
        raise DataError(
            f"{name}: its texts have no ids of their own ({theirs.ids[0].as_py()!r} is the first row of that file), so "
            f"that they can be matched by text only, and {subject.name} was opened without texts; give the data that "
            "was mined as well (--data, or Mined.open(path, data))"
        )


def _judged_anchors(subject: Subject, truth: Collection, anchor_rows: Int64, item_rows: Int64) -> Bool:
    """Tell which audited anchors the truth judges: bool[clusters], those with a positive in it.

    Where the truth repeats the audited split and holds further ones, the repetition judges nothing.
    """
    judged = truth.judgements
    right = judged.grades > 0
    if subject.split in judged.split_names:
        repeated = judged.splits == judged.split_names.index(subject.split)
        anchors = anchor_rows[np.repeat(subject.clusters, np.diff(subject.positive_indptr))]
        items = item_rows[subject.positives]
        both = (anchors >= 0) & (items >= 0)
        known = Relation.from_pairs(anchors[both], items[both], len(truth.anchors))
        audited = right & np.isin(judged.anchors, anchor_rows)
        old = audited & repeated
        if known.contains(judged.anchors[old], judged.items[old]).all() and (audited & ~repeated).any():
            right &= ~repeated
    holds = np.zeros(len(truth.anchors) + 1, bool)  # the last entry is for −1
    holds[judged.anchors[right]] = True
    return holds[anchor_rows]


def _read(subject: Subject, path: Path) -> Collection:
    """Read a collection where the path is one, else a file of judgements of the subject's own ids."""
    table = path.is_file() and Source(path).suffixes[0] in READERS and recognised(path) is not None
    if path.is_dir() or path.suffix == ".zip" or table:
        return Collection.from_path(path)
    if subject.collection is None:
        anchors, items = Records(subject.anchor_ids.cast(pa.large_string())), Records(subject.item_ids)
    else:
        anchors, items = subject.collection.anchors, subject.collection.items
    judgements = read_qrels(
        Source(path), "truth", Known("query", anchors, subject.name), Known("item", items, subject.name)
    )
    if subject.collection is None:
        return Collection(anchors, items, judgements)
    return Collection(anchors, items, judgements, subject.collection.normaliser, subject.collection.item_groups)
