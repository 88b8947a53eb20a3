"""BM25 (Robertson & Zaragoza, 2009): a ranking by shared words, without any training.

    score(q, d) = Σ_w n_w(q) · idf(w) · f / (f + k1·(1 − b + b·|d| / mean |d|)),    f = occurrences of w in d
    idf(w) = ln(1 + (N − n_w + ½) / (n_w + ½))                                      n_w = items that hold w  (Lucene)

The index (bm25s, Lù, 2024) holds what a word adds to an item's score, so that the scores of a block of anchors are a
product of two sparse matrices: counts of words × impacts. It adds up in float64, for every anchor in the order of the
word numbers, and rounds once to float32; so a score does not depend on blocks or threads.

A word is a run of letters and digits of any script with their marks, after NFKC and case-folding; no stemming and no
stop words. A script written without spaces gives one word per run: use an encoder for it, or put spaces in.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from foils.positives import Int64, Relation
from foils.search.best import Best, ByItem, survivors
from foils.search.exact import Masked, no_mask
from foils.search.vectors import Float32

Method = Literal["lucene", "robertson", "atire"]
"""Variants of the formula (Kamphuis et al., 2020). ``lucene`` never gives a word a negative weight."""

Bool = npt.NDArray[np.bool_]
Pairs = tuple[Int64, Int64]
PLAIN_WORD = re.compile("[a-z0-9]+")
LAST_MARK = 0x1FFFF
"""No script has marks beyond this code point."""
Counts = Any
"""csr_array float64[A, V], how often each anchor holds each word."""


@dataclass(frozen=True, eq=False)
class LexicalIndex:
    """The items of a collection, ranked by BM25.

    Attributes:
        vocabulary: word → its number, in the order of first occurrence.
        parts: what each word adds to the score of each item: csr_array float64[V, I], items cut into blocks.
        starts: int64[parts + 1], the first item of each block.
    """

    vocabulary: dict[str, int]
    parts: Sequence[Any]
    starts: Int64

    @classmethod
    def build(cls, texts: Iterable[str], *, k1: float, b: float, method: Method, block: int) -> LexicalIndex:
        """Index the texts of all items.

        Args:
            texts: one per item.
            k1: how slowly further occurrences of a word count less.
            b: 0 = long items are not held against their length, 1 = fully.
            method: variant of the formula.
            block: items of a block.
        """
        vocabulary: dict[str, int] = {}
        numbers = [[vocabulary.setdefault(word, len(vocabulary)) for word in words(text)] for text in texts]
        impacts: Any = sp.csr_array((len(vocabulary), len(numbers)), dtype=np.float64)
        if vocabulary:
            index = import_module("bm25s").BM25(k1=k1, b=b, method=method, dtype="float64", backend="numpy")
            built = index.build_index_from_ids(range(len(vocabulary)), numbers, show_progress=False)
            impacts = sp.csr_array((built["data"], built["indices"], built["indptr"]), shape=impacts.shape)
        starts = np.append(np.arange(0, len(numbers), block), len(numbers))
        by_item = impacts.tocsc()
        parts = [by_item[:, start:stop].tocsr() for start, stop in itertools.pairwise(starts)]
        return cls(vocabulary, parts, starts)

    def counts(self, texts: Sequence[str]) -> Counts:
        """Count the words of texts; words that no item holds are left out."""
        found = [[self.vocabulary[word] for word in words(text) if word in self.vocabulary] for text in texts]
        rows = np.repeat(np.arange(len(found)), [len(numbers) for numbers in found])
        columns = np.array([number for numbers in found for number in numbers], np.int64)
        shape = (len(found), len(self.vocabulary))
        counts = sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
        counts.sort_indices()
        return counts

    def search(
        self, counts: Counts, k: int, excluded: Relation, *, allowed: Bool, masked: Masked = no_mask, pairs: Pairs
    ) -> tuple[Int64, Float32, Float32]:
        """Find the k best items of every anchor, and score some pairs.

        Args:
            counts: words of the anchors, as ``counts`` gives them.
            k: how many items; rows with fewer that share a word end in −1 and NaN.
            excluded: items that must not be returned; row i belongs to row i of ``counts``.
            allowed: bool[N], False for items that are never returned.
            masked: what else must not be returned, by slice of items.
            pairs: int64[P] rows of ``counts`` and int64[P] items, to be scored whatever else holds.

        Returns:
            int64[A, k] items and float32[A, k] scores, by (−score, item row); float32[P], 0 where no word is shared.
        """
        anchors = counts.shape[0]
        best, exactly = Best.empty(anchors, k), np.zeros(anchors)
        barred, asked = ByItem.of(*excluded.coordinates()), ByItem.of(*pairs)
        answers = np.zeros(len(asked.order), np.float32)
        for start, stop, part in self._blocks():
            product = counts @ part
            rows, scores = (
                np.repeat(np.arange(anchors, dtype=np.int32), np.diff(product.indptr)),
                product.data.astype(np.float32),
            )
            screen = np.full(product.shape, -np.inf, np.float32)
            screen[rows, product.indices] = np.where(scores > 0, scores, -np.inf)
            answers[asked.order[asked.within(start, stop)]] = np.maximum(screen[asked.cells(start, stop)], 0)
            screen[:, ~allowed[start:stop]] = -np.inf
            screen[barred.cells(start, stop)] = -np.inf
            mask = masked(slice(start, stop))
            if mask is not None:
                np.copyto(screen, -np.inf, where=mask)
            found = survivors(screen, best.threshold, exactly, k)
            best = best.merged(found[0], found[1] + start, screen[found])
        return best.items, best.scores, answers

    def _blocks(self) -> Iterator[tuple[int, int, Any]]:
        return zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), self.parts, strict=True)


def words(text: str) -> list[str]:
    """Cut a text into words, repeated ones repeated.

    >>> words("The café_au_lait, 5")
    ['the', 'café', 'au', 'lait', '5']
    """
    if text.isascii():
        return PLAIN_WORD.findall(text.lower())
    return _pattern().findall(unicodedata.normalize("NFKC", text).casefold())


@cache
def _pattern() -> re.Pattern[str]:
    """Match letters and digits, and the marks on them: to ``re`` the vowel signs of many scripts are no word."""
    marks = "".join(chr(code) for code in range(LAST_MARK + 1) if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf"[^\W_]+(?:[{re.escape(marks)}]+[^\W_]*)*")
