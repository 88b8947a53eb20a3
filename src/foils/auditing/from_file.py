"""Anybody's negatives as a subject.

Its units are the anchors of the file and those with a positive in the split: an anchor that a miner dropped without a
word is a unit without negatives, and so is seen.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from foils import _segments as segments
from foils.auditing.subject import Float32, Subject
from foils.collection import Collection
from foils.errors import InputError
from foils.formats.negatives import GivenNegatives, read_negatives
from foils.positives import Int64
from foils.search import Vectors, VectorSource, open_sides, pair_scores, require_equal_dims

PAIRS_AT_ONCE = 65_536


def file_subject(collection: Collection, path: Path, split: str) -> Subject:
    """Read a file of negatives of a collection.

    Raises:
        DataError: the file cannot be read, or has nothing to do with the collection.
    """
    given = read_negatives(path, collection)
    n_items = len(collection.items)
    pairs, first = np.unique(given.negatives.anchors * n_items + given.negatives.items, return_index=True)
    first = np.sort(first)
    positive_pairs, positive_scores = _positives(collection, given, split)
    anchors = np.unique(np.concatenate([given.negatives.anchors, positive_pairs // n_items]))
    units = np.searchsorted(anchors, given.negatives.anchors[first])
    counts = np.bincount(units, minlength=len(anchors))
    has_scores = not np.isnan(given.negatives.scores).all()
    return Subject(
        name=str(path),
        form=given.form,
        split=split,
        asked=int(np.bincount(counts[counts > 0]).argmax()),
        unit_ids=collection.anchors.ids.take(pa.array(anchors)),
        anchors=anchors,
        indptr=segments.bounds(counts),
        items=given.negatives.items[first],
        scores=given.negatives.scores[first],
        ranks=given.negatives.ranks[first],
        sources=np.zeros(len(first), np.int16),
        source_names=(path.name,),
        positive_indptr=np.searchsorted(positive_pairs // n_items, np.append(anchors, len(collection.anchors))),
        positives=positive_pairs % n_items,
        positive_scores=positive_scores,
        item_ids=collection.items.ids,
        anchor_ids=collection.anchors.ids,
        collection=collection,
        score_name="file" if has_scores else None,
        score_origin=f"file {path}" if has_scores else None,
        repeated=len(given.negatives) - len(pairs),
        unmatched=given.unmatched,
    )


def rescored(subject: Subject, query_vectors: VectorSource, item_vectors: VectorSource) -> Subject:
    """Score negatives and positives by the cosine of vectors, instead of what was there.

    Raises:
        DataError: the vectors do not fit the collection.
        InputError: the subject was opened without its collection.
    """
    collection = subject.collection
    if collection is None:
        raise InputError("to compare vectors, the data that the negatives were mined from is needed; give it")
    queries, items = open_sides(query_vectors, item_vectors, collection)
    require_equal_dims(queries, items)
    sides = Vectors(queries, "cosine", "query vectors"), Vectors(items, "cosine", "corpus vectors")
    sides[0].check()
    sides[1].check(may_be_zero=collection.items.empty)

    def score(anchors: Int64, rows: Int64) -> Float32:
        return pair_scores(*sides, anchors, np.where(collection.items.empty[rows], -1, rows), PAIRS_AT_ONCE)

    owners = np.repeat(subject.anchors, np.diff(subject.positive_indptr))
    return replace(
        subject,
        scores=score(subject.anchors[subject.units], subject.items),
        positive_scores=score(owners, subject.positives),
        score_name="vectors",
        score_origin="the vectors given to the audit",
    )


def _positives(collection: Collection, given: GivenNegatives, split: str) -> tuple[Int64, Float32]:
    """Unite the positives of the split and of the file: int64[P] ascending pair numbers, float32[P] scores."""
    examples = collection.positives((split,)).examples()
    n_items = len(collection.items)
    told = given.positives.anchors * n_items + given.positives.items
    pairs = np.unique(np.concatenate([told, examples.anchors * n_items + examples.positives]))
    scores = np.full(len(pairs), np.nan, np.float32)
    scores[np.searchsorted(pairs, told)] = given.positives.scores
    return pairs, scores
