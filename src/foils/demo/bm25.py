"""BM25 (Robertson & Zaragoza, 2009), a lexical ranking without any training, for reference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foils.collection import Collection
from foils.evaluating import Qrels, evaluate_ranking
from foils.positives import Relation
from foils.search import LexicalIndex

DEPTH = 100
"""Items ranked per anchor, ten times what the metric looks at: room for ties at its cut-off."""
K1, B = 1.5, 0.75
"""The defaults of bm25s."""
BLOCK = 256
"""Anchors ranked at a time."""


def evaluate_bm25(collection: Collection, metric: str, *, split: str = "test") -> NDArray[np.float64]:
    """Rank the items by BM25 for every anchor that has a positive in the split.

    Returns:
        float64[Q], the metric per anchor, in the order of the anchor rows.
    """
    judged = collection.judgements.select((split,))
    rows, queries = np.unique(judged.anchors, return_inverse=True)
    index = LexicalIndex.build(collection.items.full_texts(), k1=K1, b=B, method="lucene")
    counts = index.counts(collection.anchors.full_texts())
    found, scores = [], []
    for start in range(0, len(rows), BLOCK):
        block = counts.take(rows[start : start + BLOCK])
        items, best, _ = index.search(block, DEPTH, Relation.empty(len(block)))
        found.append(items)
        scores.append(best)
    qrels = Qrels.from_pairs(queries, judged.items, judged.grades, n_queries=len(rows))
    return evaluate_ranking(np.concatenate(found), np.concatenate(scores), qrels, [metric])[metric]
