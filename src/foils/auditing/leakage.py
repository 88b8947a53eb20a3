"""Leakage into the evaluation splits: what of dev and test the negatives touch.

A negative that is a positive of the same anchor in another split teaches the model the wrong answer to an evaluation
question. An item that is relevant in an evaluation and used as a negative of other anchors is pushed away from
everything, and never pulled; it lowers the measured quality without being wrong. Anchors in two splits, by row or by
text, make the evaluation too kind.

Users and entities stand in every split by design: there the pairs are divided, not the anchors. That is taken to be so
where anchors are names without a text or payload, and for triples.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.folded import folded, same_text
from foils.auditing.hidden import Truth
from foils.auditing.subject import Bool, Subject
from foils.collection import Collection
from foils.positives import Int64


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """What touches one split."""

    split: str
    positives_of_same_anchor: int
    """Negatives that are a positive of their anchor in this split (and not in the audited one)."""
    anchors_in_split: int
    """Audited anchors that have positives in this split, too."""
    anchors_with_equal_text: int
    """Further audited anchors whose text is that of an anchor with positives in this split."""
    relevant_items: int
    """Items that are a positive in this split."""
    relevant_items_used: int
    """Of these, how many are a negative here."""
    negatives_on_relevant_items: int
    anchors_shared_by_design: bool
    """Whether anchors are users or entities, which stand in all splits."""


def leakage(subject: Subject, truth: Truth | None = None) -> tuple[list[Leak] | None, Bool]:
    """Look at every other split; None without a collection. Also tell which negatives are positives there: bool[N].

    Splits that were given as the truth are left out: what is found by them is counted as hidden, not as leaked.
    """
    leaking = np.zeros(len(subject.items), bool)
    collection = subject.collection
    if collection is None:
        return None, leaking
    found = []
    known = collection.positives((subject.split,))
    anchors = subject.anchors[subject.units]
    left_out = () if truth is None else splits_in(subject, truth)
    for split in collection.splits:
        positives = collection.positives((split,))
        if split == subject.split or not len(positives.items) or split in left_out:
            continue
        wrong = positives.contains(anchors, subject.items) & ~known.contains(anchors, subject.items)
        leaking |= wrong
        relevant = np.unique(positives.items)
        on_relevant = np.isin(subject.items, relevant)
        audited = np.unique(subject.anchors)
        inside = positives.degrees[audited] > 0
        found.append(
            Leak(
                split=split,
                positives_of_same_anchor=int(wrong.sum()),
                anchors_in_split=int(inside.sum()),
                anchors_with_equal_text=_equal(collection, audited[~inside], np.flatnonzero(positives.degrees)),
                relevant_items=len(relevant),
                relevant_items_used=len(np.unique(subject.items[on_relevant])),
                negatives_on_relevant_items=int(on_relevant.sum()),
                anchors_shared_by_design=_by_design(collection),
            )
        )
    return found, leaking


def splits_in(subject: Subject, truth: Truth) -> list[str]:
    """Name the other splits of the data that the truth is made of.

    The truth is made of splits where it knows no positive of an audited anchor that no split has; of these, it is made
    of those all of whose positives of audited anchors it holds.
    """
    collection = subject.collection
    if collection is None:
        return []
    audited = np.unique(subject.anchors)
    everywhere = collection.filter_index().relation.take(audited)
    inside = truth.holds(truth.positives, *everywhere.coordinates())
    of_audited = truth.positives.take(truth.anchors[truth.anchors >= 0])
    if inside.sum() < np.isin(of_audited.items, truth.items).sum():
        return []
    found = []
    for split in collection.splits:
        positives = collection.positives((split,)).relation.take(audited)
        held = truth.holds(truth.positives, *positives.coordinates())
        if split != subject.split and len(held) and held.all():
            found.append(split)
    return found


def _by_design(collection: Collection) -> bool:
    """Tell whether splits divide pairs and not anchors."""
    return collection.triples is not None or (collection.anchors.texts is None and collection.anchors.payloads is None)


def _equal(collection: Collection, audited: Int64, others: Int64) -> int:
    if collection.anchors.texts is None or not len(others):
        return 0
    return int((same_text(collection.anchors, audited, folded(collection.anchors, others)) >= 0).sum())
