"""Evaluate an encoder's vectors on a split: full ranking by exact search, one value per anchor and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.errors import DataError
from foils.evaluating.metrics import Metric, evaluate_ranking
from foils.evaluating.qrels import Qrels
from foils.positives import Int64, Relation
from foils.search import Blocks, ExactIndex, Similarity, Vectors
from foils.search.vectors import Matrix

METRICS = ("ndcg@10", "mrr@10", "recall@100", "map")
DEPTH = 1000
"""Items ranked per anchor at least: what trec_eval's uncut measures look at, and room for ties at a cut-off."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values of the metrics.

    Attributes:
        anchors: int64[Q], the evaluated anchors: those with a positive in the split.
        values: metric → float64[Q].
    """

    anchors: Int64
    values: dict[str, npt.NDArray[np.float64]]

    def means(self) -> dict[str, float]:
        """Average over the anchors."""
        return {name: float(values.mean()) for name, values in self.values.items()}


def evaluate_vectors(
    collection: Collection,
    anchors: Matrix,
    items: Matrix,
    *,
    split: str = "test",
    metrics: Sequence[str] = METRICS,
    similarity: Similarity = "cosine",
    memory_bytes: int = 1_000_000_000,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Rank all items for every anchor that has a positive in the split.

    Ties count by their expected value. Items with empty text are not ranked.

    Args:
        collection: anchors, items and judgements.
        anchors: float[anchors, d].
        items: float[items, d].
        split: whose judgements count.
        metrics: names such as ``ndcg@10``, ``mrr@10``, ``recall@100``, ``map``.
        similarity: ``cosine`` or ``dot``.
        memory_bytes: what blocks may take.
        progress: called with (anchors done, anchors in all).

    Raises:
        InputError: there is no such split or metric, or it has no positive.
    """
    wanted = [Metric.parse(name) for name in metrics]
    judged = collection.judgements.select((split,))
    rows = np.unique(judged.anchors[judged.grades > 0])
    if not len(rows):
        raise DataError(f"the split {split!r} has no positive; there are: {', '.join(collection.splits)}")
    inside = np.isin(judged.anchors, rows)
    queries = np.searchsorted(rows, judged.anchors[inside])
    depth = min(max(DEPTH, *(metric.k or 0 for metric in wanted)), len(collection.items))
    index = ExactIndex(Vectors(items, similarity, "corpus vectors"), ~collection.items.empty)
    blocks = Blocks.within(memory_bytes, dim=items.shape[1], depth=depth)
    vectors = Vectors(anchors, similarity, "query vectors")
    found, scores = np.empty((len(rows), depth), np.int64), np.empty((len(rows), depth), np.float32)
    for start in range(0, len(rows), blocks.anchors):
        part = slice(start, min(start + blocks.anchors, len(rows)))
        nothing = Relation(np.zeros(part.stop - start + 1, np.int64), np.zeros(0, np.int64))
        found[part], scores[part] = index.search(vectors.read(rows[part]), depth, nothing, blocks)
        if progress is not None:
            progress(part.stop, len(rows))
    qrels = Qrels.from_pairs(queries, judged.items[inside], judged.grades[inside], n_queries=len(rows))
    return Evaluation(rows, evaluate_ranking(found, np.nan_to_num(scores), qrels, wanted))
