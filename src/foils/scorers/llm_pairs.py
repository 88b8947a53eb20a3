"""Pairs of texts, each once however many rows have them, and how they go into calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foils import _segments as segments
from foils.collection import Collection
from foils.encoders.chunks import Digests, text_digests
from foils.positives import Int64
from foils.scorers.llm_outcomes import Keys
from foils.scorers.llm_prompt import Question
from foils.scorers.texts import texts_at

MIXED = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no bit of a query's hash is lost."""


@dataclass(frozen=True, eq=False)
class TextPairs:
    """Distinct pairs of texts.

    Attributes:
        queries: distinct texts of anchors.
        passages: distinct texts of items.
        query_keys: S16, their hashes.
        passage_keys: S16.
        query: int64[U], the query of each pair.
        passage: int64[U].
        of: int64[P], which of them each pair is that was asked for.
    """

    queries: Sequence[str]
    passages: Sequence[str]
    query_keys: Digests
    passage_keys: Digests
    query: Int64
    passage: Int64
    of: Int64

    @classmethod
    def of_rows(cls, collection: Collection, anchors: Int64, items: Int64) -> TextPairs:
        """Look up the texts of pairs: int64[P] anchor rows and item rows."""
        queries, query_keys, query = _distinct(texts_at(collection.anchors, rows := np.unique(anchors)))
        passages, passage_keys, passage = _distinct(texts_at(collection.items, columns := np.unique(items)))
        codes = query[np.searchsorted(rows, anchors)] * max(len(passages), 1) + passage[np.searchsorted(columns, items)]
        distinct, of = np.unique(codes, return_inverse=True)
        pair = np.divmod(distinct, max(len(passages), 1))
        return cls(queries, passages, query_keys, passage_keys, *pair, of)

    def __len__(self) -> int:
        return len(self.query)

    @property
    def keys(self) -> tuple[Digests, Digests]:
        """What answers are kept by: S16[U] of anchors, S16[U] of items."""
        return self.query_keys[self.query], self.passage_keys[self.passage]

    @property
    def codes(self) -> Keys:
        """Number the pairs by their content: uint64[U]; that two get one number is as good as impossible."""
        query, passage = (_bits(keys).view(np.uint64) for keys in (self.query_keys, self.passage_keys))
        return query[self.query] * MIXED + passage[self.passage]

    def take(self, places: Int64) -> TextPairs:
        """Keep some pairs."""
        return replace(self, query=self.query[places], passage=self.passage[places], of=np.arange(len(places)))

    def calls(self, most: int) -> list[Int64]:
        """Group the pairs of each anchor into calls: places, at most so many each, by the hashes of their texts."""
        order = np.lexsort((self.passage, self.query))  # both are numbered in the order of their hashes
        lengths = np.bincount(self.query)
        begins = np.flatnonzero(segments.places(lengths[lengths > 0]) % most == 0)
        return np.split(order, begins[1:]) if len(order) else []

    def question(self, places: Int64) -> Question:
        """Write pairs of one anchor as a question."""
        passages, query = self.passage[places], self.query[places[0]]
        bits = _bits(self.passage_keys)[passages], _bits(self.query_keys)[query]
        return Question(self.queries[query], [self.passages[passage] for passage in passages], *bits)

    def sent_bytes(self, calls: Sequence[Int64]) -> int:
        """Add up the bytes of all texts that calls send."""
        of_queries = np.array([len(text.encode()) for text in self.queries], np.int64)
        of_passages = np.array([len(text.encode()) for text in self.passages], np.int64)
        firsts = np.array([call[0] for call in calls], np.int64)
        return int(of_queries[self.query[firsts]].sum() + of_passages[self.passage].sum())


def _distinct(texts: list[str]) -> tuple[list[str], Digests, Int64]:
    """Give distinct texts, their hashes, and which of them each text is."""
    keys = text_digests(texts)
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    return [texts[place] for place in first], keys[first], of


def _bits(keys: Digests) -> Int64:
    """Read the first half of each hash as a number."""
    return np.frombuffer(np.ascontiguousarray(keys).tobytes(), "<i8")[::2]
