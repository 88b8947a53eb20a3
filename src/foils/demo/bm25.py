"""BM25 (Robertson & Zaragoza, 2009), a lexical ranking without any training, for reference."""

from __future__ import annotations

import re
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.errors import MissingExtraError
from foils.evaluating import Qrels, evaluate_ranking

DEPTH = 100
"""Items ranked per anchor, ten times what the metric looks at: room for ties at its cut-off."""
WORD = re.compile(r"[^\W_]+")
"""Letters and digits; a qualified name falls into its parts."""


def evaluate_bm25(collection: Collection, metric: str, *, split: str = "test") -> NDArray[np.float64]:
    """Rank the items by BM25 for every anchor that has a positive in the split.

    Returns:
        float64[Q], the metric per anchor, in the order of the anchor rows.

    Raises:
        MissingExtraError: bm25s is not installed.
    """
    try:
        bm25s = import_module("bm25s")
    except ImportError as error:
        raise MissingExtraError("bm25s", "demo") from error
    judged = collection.judgements.select((split,))
    rows, queries = np.unique(judged.anchors, return_inverse=True)
    vocabulary: dict[str, int] = {}
    texts = [_token_ids(text, vocabulary) for text in collection.items.full_texts()]
    anchors = collection.anchors.full_texts()
    index = bm25s.BM25(backend="numpy")
    index.index((texts, vocabulary), show_progress=False)
    depth = min(DEPTH, len(texts))
    found = np.full((len(rows), depth), -1, np.int64)
    scores = np.zeros((len(rows), depth), np.float32)
    for place, row in enumerate(rows):
        known = [vocabulary[word] for word in _words(anchors[row]) if word in vocabulary]
        values = index.get_scores_from_ids(known)
        best = np.argpartition(-values, depth - 1)[:depth]
        found[place], scores[place] = best, values[best]
    qrels = Qrels.from_pairs(queries, judged.items, judged.grades, n_queries=len(rows))
    return evaluate_ranking(found, scores, qrels, [metric])[metric]


def _token_ids(text: str, vocabulary: dict[str, int]) -> list[int]:
    return [vocabulary.setdefault(word, len(vocabulary)) for word in _words(text)]


def _words(text: str) -> list[str]:
    return WORD.findall(text.casefold())
