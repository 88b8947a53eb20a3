"""BM25 (Robertson & Zaragoza, 2009): a ranking by shared words, without any training.

    score(q, d) = Σ_w n_w(q) · impact(w, d),    n_w(q) = occurrences of w in q; see ``postings`` for the impacts

The items that hold a word lie together, with what the word adds to each. A search adds them up in one array over the
items, word by word, and takes the best from it; what an anchor must not get is struck out before that. Words are added
in float32 in a fixed order, those that the fewest items hold first, so a score does not depend on blocks or threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils import _compiled
from foils import _segments as segments
from foils.positives import Int64, Relation, gather_segments
from foils.search.lexical_words import Int32, Tokens, words
from foils.search.postings import Method, Postings
from foils.search.vectors import Float32

__all__ = ["LexicalIndex", "Method", "WordCounts", "word_counts", "words"]

Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WordCounts:
    """The words of anchors that some item holds, each once.

    Attributes:
        numbers: int32[T], word numbers of an index; within an anchor those that the fewest items hold come first.
        counts: float32[T], how often the anchor holds each.
        indptr: int64[A + 1], where each anchor begins.
    """

    numbers: Int32
    counts: Float32
    indptr: Int64

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def take(self, rows: Int64) -> WordCounts:
        """Keep the anchors of these rows, in their order."""
        indptr, at = gather_segments(self.indptr, rows)
        return WordCounts(self.numbers[at], self.counts[at], indptr)


@dataclass(frozen=True, eq=False)
class LexicalIndex:
    """The items of a collection, ranked by BM25.

    Attributes:
        vocabulary: large_string[V], the word of each number.
        postings: the items that hold each word.
    """

    vocabulary: pa.LargeStringArray
    postings: Postings

    @classmethod
    def build(cls, texts: Iterable[str], *, k1: float, b: float, method: Method) -> LexicalIndex:
        """Index the texts of all items; see ``Postings.of``."""
        tokens = Tokens.of(texts)
        postings = Postings.of(tokens.numbers, tokens.indptr, len(tokens.vocabulary), k1=k1, b=b, method=method)
        return cls(tokens.vocabulary, postings)

    def only(self, allowed: Bool) -> LexicalIndex:
        """Let the search never return other items than these: bool[N]."""
        return LexicalIndex(self.vocabulary, self.postings.only(allowed))

    def counts(self, texts: Iterable[str]) -> WordCounts:
        """Count the words of texts; words that no item holds are left out."""
        tokens = Tokens.of(texts).numbered_by(self.vocabulary)
        return word_counts(tokens.numbers, tokens.indptr, self.postings)

    def search(
        self,
        counts: WordCounts,
        k: int,
        excluded: Relation,
        *,
        masked: Bool | None = None,
        asked: Relation | None = None,
    ) -> tuple[Int64, Float32, Float32]:
        """Find the k best items of every anchor, and score some others.

        Args:
            counts: words of the anchors, as ``counts`` gives them.
            k: how many items, at least 1; rows with fewer that share a word end in −1 and NaN.
            excluded: items that must not be returned; row i belongs to row i of ``counts``.
            masked: bool[A, N], True = must not be returned either; None = all others may be.
            asked: items, ascending in a row, to be scored whatever else holds.

        Returns:
            int64[A, k] items and float32[A, k] scores, by (−score, item row); float32[P], the scores of ``asked``,
            0 where no word is shared.
        """
        if k < 1:
            raise ValueError(f"k is {k}; it must be at least 1")
        anchors = len(counts)
        asked = Relation.empty(anchors) if asked is None else asked
        masked = np.zeros((0, 0), bool) if masked is None else np.ascontiguousarray(masked)
        items, scores = np.full((anchors, k), -1, np.int64), np.full((anchors, k), np.nan, np.float32)
        answers = np.zeros(len(asked.items), np.float32)
        _compiled.kernels("foils.search.lexical").best(
            *(self.postings.data, self.postings.indices, self.postings.indptr, self.postings.n_items),
            *(counts.numbers, counts.counts, counts.indptr),
            *(excluded.items, excluded.indptr, masked, asked.items, asked.indptr),
            *(items, scores, answers),
        )
        return items, scores, answers


def word_counts(numbers: Int32, indptr: Int64, postings: Postings) -> WordCounts:
    """Count words given as numbers.

    Args:
        numbers: int32[T], the words of all anchors, one anchor after the other; repeated ones repeated.
        indptr: int64[A + 1], where each anchor begins.
        postings: of the index that the numbers belong to.
    """
    rows = segments.owners(np.diff(indptr))
    pairs, counts = np.unique((rows << 32) | numbers, return_counts=True)
    rows, known = pairs >> 32, pairs & 0xFFFFFFFF
    order = np.lexsort((known, postings.degrees[known], rows))
    bounds = segments.bounds(np.bincount(rows, minlength=len(indptr) - 1))
    return WordCounts(known[order].astype(np.int32), counts[order].astype(np.float32), bounds)
