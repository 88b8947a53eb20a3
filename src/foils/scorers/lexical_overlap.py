"""The share of the anchor's words that the item holds.

    overlap = |W(anchor) ∩ W(item)| / |W(anchor)|,   W = the distinct words of a text

Words are those of BM25 (``foils.search.lexical``): runs of letters and digits after NFKC and case-folding, neither
stemmed nor stopped. An anchor without words shares nothing: 0. With the rule ``max_score`` on this column, items that
repeat the query are left out; with ``min_score``, only those that look like a match are kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from foils.candidates import Kind
from foils.positives import Int64
from foils.scorers.sets import Sets, sets_of, shared, sizes
from foils.scorers.texts import check_both, scored, texts_at
from foils.search import Inputs
from foils.search.lexical import words
from foils.search.vectors import Float32


class LexicalOverlap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Share of the anchor's words that the item holds."""

    relevance: ClassVar[bool] = False
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "lexical_overlap"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The share, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """No vectors."""
        return ()

    def check(self, inputs: Inputs) -> None:
        """See that there are texts."""
        check_both(inputs)

    def open(self, inputs: Inputs) -> OpenLexicalOverlap:
        """Bind to the texts of a run."""
        return OpenLexicalOverlap(inputs)


@dataclass(frozen=True, eq=False)
class OpenLexicalOverlap:
    """Lexical overlap bound to its texts."""

    inputs: Inputs

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        at = scored(self.inputs, items)
        rows, anchor_of = np.unique(anchors[at], return_inverse=True)
        columns, item_of = np.unique(items[at], return_inverse=True)
        collection = self.inputs.collection
        texts = texts_at(collection.anchors, rows), texts_at(collection.items, columns)
        left, right = word_sets(*texts)
        scores = np.full(len(items), np.nan, np.float32)
        scores[at] = shared(left, right, anchor_of, item_of) / np.maximum(sizes(left)[anchor_of], 1)
        return scores


def word_sets(*sides: Sequence[str]) -> list[Sets]:
    """Give the words of texts as sets over one vocabulary, one matrix per side."""
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    numbered = [[[numbers[word] for word in distinct_words(text)] for text in side] for side in sides]
    vocabulary = np.arange(len(numbers), dtype=np.uint64)
    found = []
    for side in numbered:
        rows = np.repeat(np.arange(len(side)), [len(text) for text in side])
        elements = np.fromiter(chain.from_iterable(side), np.uint64, len(rows))
        found.append(sets_of(rows, elements, len(side), vocabulary))
    return found


def distinct_words(text: str) -> list[str]:
    """Cut a text into its distinct words, in order of first use."""
    return list(dict.fromkeys(words(text)))
