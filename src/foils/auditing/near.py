"""Near-duplicates of positives, on a sample: how alike the characters are, as the scorer ``near_duplicate`` says.

A negative that repeats its positive with a word changed is often a positive too, and sometimes the best negative there
is (a minimal pair); so they are counted and shown, and left to whoever looks. The scorer in a recipe, with the rule
``max_score`` at the same threshold, rejects what is counted here.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils import _array
from foils import _segments as segments
from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Float32, Subject, sums_by
from foils.positives import Int64
from foils.records import Records
from foils.scorers.near_duplicate import Signed, likeness
from foils.scorers.shingles import LENGTH

SAMPLE = 3000
"""Negatives looked at."""
POSITIVES = 16
"""Positives of a unit that each is compared with."""
PAIRS_AT_ONCE = 256
"""Pairs compared at a time; what is alike is counted from all characters of both texts."""
THRESHOLD = 0.8


class NearDuplicates(msgspec.Struct, frozen=True, kw_only=True):
    """How many negatives nearly repeat a positive of their unit, exact copies included."""

    sampled: int
    threshold: float
    shingle_characters: int
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
    alike = _alike(collection.items, left, right)
    near = np.zeros(len(at), bool)
    np.logical_or.at(near, rows, alike >= THRESHOLD)
    owners = subject.clusters[units]
    n = int(owners.max()) + 1
    rate = share(sums_by(owners, near, n), sums_by(owners, np.ones(len(at)), n))
    if rate is None:
        return None, none
    found = NearDuplicates(sampled=len(at), threshold=THRESHOLD, shingle_characters=LENGTH, rate=rate)
    return found, at[near]


def _sample(at: Int64, subject: Subject) -> Int64:
    """Choose by hash of the pair, so that the choice depends on nothing else."""
    if len(at) <= SAMPLE:
        return at
    key = _array.Key(0, "audit.near", 0)
    noise = _array.counter_uniform(key, subject.anchors[subject.units[at]], subject.items[at])
    return np.sort(at[np.argsort(noise, kind="stable")[:SAMPLE]])


def _alike(items: Records, left: Int64, right: Int64) -> Float32:
    """Compare pairs of items; those without words are like nothing: float32[P]."""
    rows, codes = np.unique(np.concatenate([left, right]), return_inverse=True)
    used = items.take(rows)
    read = Records(used.ids, used.texts, used.titles)
    signed, alike = Signed.of(read), np.zeros(len(left), np.float32)
    a, b = codes[: len(left)], codes[len(left) :]
    at = np.flatnonzero(~read.empty[a] & ~read.empty[b])
    for start in range(0, len(at), PAIRS_AT_ONCE):
        part = at[start : start + PAIRS_AT_ONCE]
        alike[part] = likeness(signed, a[part], signed, b[part])
    return alike
