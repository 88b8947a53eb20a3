"""What each word adds to the score of each item, from the numbers of the words alone.

    impact(w, d) = idf(w) · f / (f + k1·(1 − b + b·|d| / mean |d|)),    f = occurrences of w in d, N items
    lucene     idf(w) = ln(1 + (N − n_w + ½) / (n_w + ½))               n_w = items that hold w
    robertson  idf(w) = max(0, ln((N − n_w + ½) / (n_w + ½)))
    atire      idf(w) = ln(N / n_w), times k1 + 1

No impact is negative. Computed in float64 and rounded once. The arrays are laid out as bm25s (Lù, 2024) does. Words are
brought together by a counting sort, in time linear in their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from foils import _segments as segments
from foils.positives import Int64
from foils.search.lexical_words import Int32
from foils.search.vectors import Float32

Method = Literal["lucene", "robertson", "atire"]
"""Variants of the formula (Kamphuis et al., 2020). ``lucene`` gives every word a positive weight."""

IMPACTS = 1
"""Version of the numbers that come out; it identifies runs."""
Float64 = npt.NDArray[np.float64]
STEP = 1 << 18
"""Postings whose impacts are computed together: their float64 terms stay in cache."""
MOST_TOKENS = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Postings:
    """The items that hold each word.

    Attributes:
        data: float32[P], impacts; none is negative.
        indices: int32[P], item rows, ascending within a word.
        indptr: int64[V + 1], where each word begins.
        n_items: number of items.
    """

    data: Float32
    indices: Int32
    indptr: Int64
    n_items: int

    @classmethod
    def of(cls, numbers: Int32, indptr: Int64, n_words: int, *, k1: float, b: float, method: Method) -> Postings:
        """Index items by their words.

        Args:
            numbers: int32[T], the words of all items as numbers below ``n_words``, one item after the other.
            indptr: int64[N + 1], where each item begins.
            n_words: size of the vocabulary.
            k1: how slowly further occurrences of a word count less.
            b: 0 = long items are not held against their length, 1 = fully.
            method: variant of the formula.
        """
        n_items = len(indptr) - 1
        items, times, degrees = _inverted(numbers, indptr, n_words)
        lengths = np.diff(indptr)
        norms = k1 * (1 - b + b * lengths / max(float(lengths.mean()) if n_items else 0.0, 1e-300))
        weights = _idf(degrees, n_items, method) * (k1 + 1 if method == "atire" else 1.0)
        weights = np.repeat(weights, degrees)
        data = np.empty(len(items), np.float32)
        for start in range(0, len(items), STEP):
            part = slice(start, start + STEP)
            data[part] = weights[part] * (times[part] / (times[part] + norms[items[part]]))
        return cls(data, items, segments.bounds(degrees), n_items)

    @property
    def degrees(self) -> Int64:
        """int64[V], the number of items that hold each word."""
        return np.diff(self.indptr)

    def only(self, allowed: npt.NDArray[np.bool_]) -> Postings:
        """Let no word add anything to items that are not allowed: bool[N]; what counts words does not change."""
        kept = allowed[self.indices]
        if kept.all():
            return self
        return Postings(np.where(kept, self.data, np.float32(0)), self.indices, self.indptr, self.n_items)


def _inverted(numbers: Int32, indptr: Int64, n_words: int) -> tuple[Int32, Int32, Int64]:
    """Turn words by item into items by word: int32[P] items, int32[P] occurrences, int64[V] items of each word."""
    within = np.int32 if len(numbers) <= MOST_TOKENS else np.int64  # SciPy wants both index arrays of one type
    held = sp.csr_array(
        (np.ones(len(numbers), np.int8), numbers.astype(within, copy=False), indptr.astype(within)),
        shape=(len(indptr) - 1, n_words),
    ).tocsc()
    items, begins = held.indices.astype(np.int32, copy=False), held.indptr[:-1]
    first = np.ones(len(items), bool)
    np.not_equal(items[1:], items[:-1], out=first[1:])
    first[begins[begins < len(items)]] = True
    at = np.flatnonzero(first)
    times = np.diff(at, append=len(items)).astype(np.int32)
    return items[at], times, np.diff(np.searchsorted(at, held.indptr)).astype(np.int64)


def _idf(degrees: Int64, n_items: int, method: Method) -> Float64:
    """Weigh words: float64[V]; 0 for words that no item holds."""
    held, n_items = np.maximum(degrees, 1), max(n_items, 1)
    odds = (n_items - held + 0.5) / (held + 0.5)
    ratio = {"lucene": 1 + odds, "robertson": np.maximum(odds, 1.0), "atire": n_items / held}[method]
    weights: Float64 = np.log(ratio) * (degrees > 0)
    return weights
