"""Near-duplicates of positives, on a sample: Jaccard similarity of word shingles (Broder, 1997).

A negative that repeats its positive with a word changed is often a positive too, and sometimes the best negative there
is (a minimal pair); so they are counted and shown, and left to whoever looks.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils import _array
from foils import _segments as segments
from foils.auditing.folded import folded
from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Subject, sums_by
from foils.positives import Int64

SAMPLE = 3000
"""Negatives looked at."""
POSITIVES = 4
"""Positives of a unit that each is compared with."""
SHINGLE = 3
"""Words of a shingle."""
THRESHOLD = 0.8


class NearDuplicates(msgspec.Struct, frozen=True, kw_only=True):
    """How many negatives nearly repeat a positive of their unit, exact copies included."""

    sampled: int
    threshold: float
    shingle_words: int
    rate: Estimate
    """Share of the sampled negatives."""


def near_duplicates(subject: Subject) -> tuple[NearDuplicates | None, Int64]:
    """Estimate the share of near-duplicates, and name those of the sample: positions among the negatives."""
    none = np.zeros(0, np.int64)
    collection = subject.collection
    if collection is None or collection.items.texts is None:
        return None, none
    with_positive = np.diff(subject.positive_indptr)[subject.units] > 0
    at = _sample(np.flatnonzero(with_positive), subject)
    if not len(at):
        return None, none
    units = subject.units[at]
    first = subject.positive_indptr[units]
    lengths = np.minimum(np.diff(subject.positive_indptr)[units], POSITIVES)
    rows = segments.owners(lengths)
    left, right = subject.items[at][rows], subject.positives[first[rows] + segments.places(lengths)]
    items, codes = np.unique(np.concatenate([left, right]), return_inverse=True)
    shingles = [_shingles(text) for text in folded(collection.items, items).to_pylist()]
    alike = np.array(
        [_jaccard(shingles[a], shingles[b]) for a, b in zip(codes[: len(left)], codes[len(left) :], strict=True)]
    )
    near = np.zeros(len(at), bool)
    np.logical_or.at(near, rows, alike >= THRESHOLD)
    owners = subject.clusters[units]
    n = int(owners.max()) + 1
    rate = share(sums_by(owners, near, n), sums_by(owners, np.ones(len(at)), n))
    if rate is None:
        return None, none
    found = NearDuplicates(sampled=len(at), threshold=THRESHOLD, shingle_words=SHINGLE, rate=rate)
    return found, at[near]


def _sample(at: Int64, subject: Subject) -> Int64:
    """Choose by hash of the pair, so that the choice depends on nothing else."""
    if len(at) <= SAMPLE:
        return at
    key = _array.Key(0, "audit.near", 0)
    noise = _array.counter_uniform(key, subject.anchors[subject.units[at]], subject.items[at])
    return np.sort(at[np.argsort(noise, kind="stable")[:SAMPLE]])


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = text.split()
    whole = min(1, len(words))  # a short text is one shingle; of a picture without words there is none
    return frozenset(tuple(words[place : place + SHINGLE]) for place in range(max(whole, len(words) - SHINGLE + 1)))


def _jaccard(a: frozenset[tuple[str, ...]], b: frozenset[tuple[str, ...]]) -> float:
    return len(a & b) / max(1, len(a | b))
