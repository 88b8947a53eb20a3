"""Duplicates: negatives that are a known positive, a copy of one, a copy of each other, or the anchor itself.

The first two are false negatives beyond doubt, and so are the positives of a *twin*: another anchor with the same text.
Copies of each other spend two places on one lesson.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.folded import folded, same_text
from foils.auditing.subject import Bool, Subject
from foils.positives import Int64


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of negatives; None where texts or judgements are not at hand."""

    known_positives: int
    """That are a given positive of their anchor in the split, or in the file itself."""
    copies_of_positives: int | None
    """That are an exact duplicate of one, under the collection's normaliser."""
    positives_of_twins: int | None
    """That are a positive of another anchor with the same text, or a copy of one."""
    copies_of_each_other: int | None
    """Beyond the first of equal texts of one unit."""
    the_anchor_itself: int | None
    """Whose text is the anchor's, but for case and white space."""
    repeated_in_file: int
    """Further occurrences of the same pair, which are not audited again."""


def duplicates(subject: Subject) -> tuple[Duplicates, Bool]:
    """Count duplicates, and tell which negatives are known positives, of twins too, or copies of them: bool[N]."""
    known, copies, of_twins = _known(subject)
    collection = subject.collection
    each_other = None if collection is None else _each_other(subject, collection.duplicate_groups)
    has_text = collection is not None and collection.items.texts is not None and collection.anchors.texts is not None
    return Duplicates(
        known_positives=int(known.sum()),
        copies_of_positives=None if collection is None else int(copies.sum()),
        positives_of_twins=None if collection is None else int(of_twins.sum()),
        copies_of_each_other=each_other,
        the_anchor_itself=int(_itself(subject).sum()) if has_text else None,
        repeated_in_file=subject.repeated,
    ), known | copies | of_twins


def _known(subject: Subject) -> tuple[Bool, Bool, Bool]:
    """Tell which negatives are given positives, which are exact duplicates of one, and which are those of a twin."""
    n = len(subject.item_ids)
    owners = np.repeat(subject.clusters, np.diff(subject.positive_indptr))
    clusters = subject.clusters[subject.units]
    given = np.isin(clusters * n + subject.items, owners * n + subject.positives)
    if subject.collection is None:
        return given, np.zeros_like(given), np.zeros_like(given)
    positives = subject.collection.positives((subject.split,))
    anchors = subject.anchors[subject.units]
    given |= positives.given().contains(anchors, subject.items)
    groups = subject.collection.duplicate_groups
    width = max(int(groups.max(initial=-1)) + 1, 1)
    grouped = groups[subject.positives] >= 0
    copies = np.isin(
        clusters * width + groups[subject.items], owners[grouped] * width + groups[subject.positives][grouped]
    )
    copies &= (groups[subject.items] >= 0) & ~given
    return given, copies, positives.contains(anchors, subject.items) & ~given & ~copies


def _each_other(subject: Subject, groups: Int64) -> int:
    codes = groups[subject.items]
    copies = codes >= 0
    pairs = np.stack([subject.units[copies], codes[copies]], axis=1)
    return int(len(pairs) - len(np.unique(pairs, axis=0)))


def _itself(subject: Subject) -> Bool:
    """Tell which negatives have the text of their anchor."""
    collection = subject.collection
    if collection is None:
        return np.zeros(len(subject.items), bool)
    anchors, places = np.unique(subject.anchors, return_inverse=True)
    keys = folded(collection.anchors, anchors).dictionary_encode()
    code_of_anchor = keys.indices.to_numpy().astype(np.int64)[places]
    used, inverse = np.unique(subject.items, return_inverse=True)
    code_of_item = same_text(collection.items, used, keys.dictionary)[inverse]
    same: Bool = (code_of_item >= 0) & (code_of_item == code_of_anchor[subject.units])
    return same
