"""How alike the characters of two texts are: the Jaccard similarity of their shingles.

    J(a, b) = c / (|S(a)| + |S(b)| − c),   c = |S(a) ∩ S(b)|,   S = all runs of 5 characters (Broder, 1997)

A candidate's score is the highest over the anchor and its known positives: an edited copy of a positive is a positive
that nobody labelled. Every pair is first estimated by one-permutation hashing (Li, Owen and Zhang, 2012): of the hashes
of a text's shingles, each of 128 bins keeps the smallest, and two texts agree in a bin with probability J (bins that
are empty for both do not count). Pairs estimated at 0.3 or more are then counted exactly; below, the estimate stands,
with a standard error of at most 0.05.

Texts are compared after NFKC and case-folding, white space as one space; a shorter text is one shingle. Memory: 512
bytes per anchor and item that is looked at, once per run.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.candidates import Kind
from foils.positives import Int64, gather_segments
from foils.records import Records
from foils.scorers.sets import sets_of, shared, sizes
from foils.scorers.shingles import BINS, estimate, shingles, signatures
from foils.scorers.texts import check_both, scored, texts_at
from foils.search import Inputs
from foils.search.vectors import Float32

EXACT_FROM = 0.3
"""Estimates from here on are counted exactly."""

PAIRS_AT_ONCE = 16384
"""Pairs of texts whose signatures are compared at a time; 1 kB each."""

RECORDS_AT_ONCE = 256
"""Texts that are cut into shingles at a time."""


class NearDuplicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Likeness (Jaccard of 5-character shingles) to the anchor or its likest positive."""

    relevance: ClassVar[bool] = False
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "near_duplicate"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def check(self, inputs: Inputs) -> None:
        """See that there are texts."""
        check_both(inputs)

    def open(self, inputs: Inputs) -> OpenNearDuplicate:
        """Bind to the texts of a run."""
        collection = inputs.collection
        return OpenNearDuplicate(inputs, Signed.of(collection.anchors), Signed.of(collection.items))


@dataclass(frozen=True, eq=False)
class Signed:
    """Records with the signatures of those that were looked at.

    Attributes:
        records: anchors or items.
        table: uint32[N, BINS], zero until a record is looked at; memory is used only from then on.
        known: bool[N], whether it was.
        lock: one thread fills at a time.
    """

    records: Records
    table: npt.NDArray[np.uint32]
    known: npt.NDArray[np.bool_]
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, records: Records) -> Signed:
        """Begin with none."""
        return cls(records, np.zeros((len(records), BINS), np.uint32), np.zeros(len(records), bool))

    def require(self, rows: Int64) -> None:
        """Sign the records of these rows that are not signed yet."""
        with self.lock:
            missing = np.unique(rows[~self.known[rows]])
            for start in range(0, len(missing), RECORDS_AT_ONCE):
                part = missing[start : start + RECORDS_AT_ONCE]
                self.table[part] = signatures(*shingles(texts_at(self.records, part)), len(part))
                self.known[part] = True


@dataclass(frozen=True, eq=False)
class OpenNearDuplicate:
    """Near-duplicates bound to the texts of a run."""

    inputs: Inputs
    anchors: Signed
    items: Signed

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        at = scored(self.inputs, items)
        positives = self.inputs.positives
        scores = np.full(len(items), np.nan, np.float32)
        for group in segments.groups(positives.degrees[anchors[at]] + 1, PAIRS_AT_ONCE):
            part = at[group]
            scores[part] = self._highest(anchors[part], items[part])
        return scores

    def _highest(self, anchors: Int64, items: Int64) -> Float32:
        """Compare items with their anchors, and with each of the anchors' positives."""
        highest = likeness(self.anchors, anchors, self.items, items)
        positives = self.inputs.positives
        indptr, at = gather_segments(positives.indptr, anchors)
        owners = np.repeat(np.arange(len(anchors)), np.diff(indptr))
        np.maximum.at(highest, owners, likeness(self.items, positives.items[at], self.items, items[owners]))
        return highest


def likeness(left: Signed, rows: Int64, right: Signed, columns: Int64) -> Float32:
    """Estimate the Jaccard similarity of pairs of texts, and count it where it matters: float32[P]."""
    left.require(rows)
    right.require(columns)
    alike = estimate(left.table[rows], right.table[columns])
    near = np.flatnonzero(alike >= EXACT_FROM)
    alike[near] = jaccard(left.records, rows[near], right.records, columns[near])
    return alike


def jaccard(left: Records, rows: Int64, right: Records, columns: Int64) -> Float32:
    """Count the Jaccard similarity of pairs of texts: float32[P]."""
    sides = []
    for records, side in ((left, rows), (right, columns)):
        unique, place = np.unique(side, return_inverse=True)
        sides.append((*shingles(texts_at(records, unique)), len(unique), place))
    vocabulary = np.unique(np.concatenate([sides[0][1], sides[1][1]]))
    (a, at), (b, bt) = ((sets_of(owner, value, n, vocabulary), place) for owner, value, n, place in sides)
    common = shared(a, b, at, bt)
    found: Float32 = (common / np.maximum(sizes(a)[at] + sizes(b)[bt] - common, 1)).astype(np.float32)
    return found
