"""Evaluate an encoder's vectors on a split: full ranking by exact search, one value per anchor and metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.errors import DataError, InputError
from foils.evaluating.metrics import Metric, evaluate_ranking
from foils.evaluating.qrels import Qrels
from foils.positives import Int64, Relation
from foils.search import Blocks, ExactIndex, Similarity, Vectors, open_sides, require_equal_dims
from foils.search.vectors import Float32, Matrix

METRICS = ("ndcg@10", "mrr@10", "recall@100", "map")
UNCUT = 1000
"""Items ranked for a metric without a cut-off, as in trec_eval."""
ROOM = 10
"""Ranked this many times deeper than a cut-off, so that ties at it are seen whole."""


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


@dataclass(frozen=True, eq=False)
class Rankings:
    """The highest-scored items of each evaluated anchor.

    Attributes:
        anchors: int64[Q], the anchors that have a positive in the split.
        items: int64[Q, K], item rows, best first; −1 = absent.
        scores: float32[Q, K].
        qrels: their judgements.
    """

    anchors: Int64
    items: Int64
    scores: Float32
    qrels: Qrels

    def evaluate(self, metrics: Sequence[str]) -> Evaluation:
        """Measure the rankings; ties count by their expected value."""
        wanted = [Metric.parse(name) for name in metrics]
        return Evaluation(self.anchors, evaluate_ranking(self.items, self.scores, self.qrels, wanted))


def evaluate_vectors(
    collection: Collection,
    anchors: Matrix,
    items: Matrix,
    *,
    split: str = "test",
    exclude: Sequence[str] = (),
    metrics: Sequence[str] = METRICS,
    similarity: Similarity = "cosine",
    memory_bytes: int = 1_000_000_000,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Rank all items for every anchor that has a positive in the split.

    Ties count by their expected value. Items with empty text are not ranked. A user has seen the items of training, and
    the known answers of a knowledge graph are no wrong ones: ``exclude=("train",)`` leaves an anchor's positives of
    train, and their exact duplicates, out of its ranking. What ``split`` itself judges relevant is always ranked.

    Args:
        collection: anchors, items and judgements.
        anchors: float[anchors, d].
        items: float[items, d].
        split: whose judgements count.
        exclude: splits whose positives an anchor's ranking leaves out.
        metrics: names such as ``ndcg@10``, ``mrr@10``, ``recall@100``, ``map``.
        similarity: ``cosine`` or ``dot``.
        memory_bytes: what blocks may take.
        progress: called with (anchors done, anchors in all).

    Raises:
        InputError: no such split or metric, no positive in it, or vectors of a wrong shape or with NaN.
    """
    rankings = rank_vectors(
        collection, anchors, items, depth=depth_of(metrics), split=split, exclude=exclude,
        similarity=similarity, memory_bytes=memory_bytes, progress=progress,
    )  # fmt: skip
    return rankings.evaluate(metrics)


def depth_of(metrics: Sequence[str]) -> int:
    """Tell how deep must be ranked for these metrics.

    Raises:
        InputError: there is none, or one is not known.
    """
    if isinstance(metrics, str):
        raise InputError(f"metrics is the single text {metrics!r:.80}; give a list: [{metrics!r:.80}]")
    wanted = [Metric.parse(name) for name in metrics]
    if not wanted:
        raise InputError(f"no metric was asked for; give for instance {', '.join(METRICS)}")
    return max(ROOM * metric.k if metric.k else UNCUT for metric in wanted)


def rank_vectors(
    collection: Collection,
    anchors: Matrix,
    items: Matrix,
    *,
    depth: int,
    split: str = "test",
    exclude: Sequence[str] = (),
    similarity: Similarity = "cosine",
    memory_bytes: int = 1_000_000_000,
    progress: Callable[[int, int], None] | None = None,
) -> Rankings:
    """Rank all items for every anchor that has a positive in the split; see ``evaluate_vectors``.

    Args:
        collection: anchors, items and judgements.
        anchors: float[anchors, d].
        items: float[items, d].
        depth: items to keep per anchor.
        split: whose judgements count.
        exclude: splits whose positives an anchor's ranking leaves out.
        similarity: ``cosine`` or ``dot``.
        memory_bytes: what blocks may take.
        progress: called with (anchors done, anchors in all).

    Raises:
        InputError: no such split, no positive in it, or vectors of a wrong shape or with NaN.
    """
    sides = _checked(collection, anchors, items, similarity)
    judged = collection.judgements.select((split,))
    rows = np.unique(judged.anchors[judged.grades > 0])
    if not len(rows):
        raise DataError(f"the split {split!r} has no positive; there are: {', '.join(collection.splits)}")
    inside = np.isin(judged.anchors, rows)
    queries = np.searchsorted(rows, judged.anchors[inside])
    qrels = Qrels.from_pairs(queries, judged.items[inside], judged.grades[inside], n_queries=len(rows))
    known = _known(collection, exclude, rows, qrels)
    depth = min(depth, len(collection.items))
    index = ExactIndex(sides[1], ~collection.items.empty)
    blocks = Blocks.within(memory_bytes, dim=sides[1].dim, depth=depth)
    found, scores = np.empty((len(rows), depth), np.int64), np.empty((len(rows), depth), np.float32)
    for start in range(0, len(rows), blocks.anchors):
        part = slice(start, min(start + blocks.anchors, len(rows)))
        left_out = known.take(np.arange(part.start, part.stop))
        found[part], scores[part] = index.search(sides[0].read(rows[part]), depth, left_out, blocks)
        if progress is not None:
            progress(part.stop, len(rows))
    return Rankings(rows, found, scores, qrels)


def _known(collection: Collection, exclude: Sequence[str], anchors: Int64, qrels: Qrels) -> Relation:
    """Give what is left out of the rankings of these anchors, row by row."""
    if not exclude:
        return Relation.empty(len(anchors))
    rows, items = collection.positives(exclude).relation.take(anchors).coordinates()
    relevant = qrels.grades > 0
    asked = Relation.from_pairs(qrels.rows()[relevant], qrels.items[relevant], len(anchors))
    keep = ~asked.contains(rows, items)
    return Relation.from_pairs(rows[keep], items[keep], len(anchors))


def _checked(collection: Collection, anchors: Matrix, items: Matrix, similarity: Similarity) -> tuple[Vectors, Vectors]:
    """Check both sides; a zero vector is allowed: it is similar to nothing."""
    anchors, items = open_sides(anchors, items, collection)
    require_equal_dims(anchors, items)
    sides = Vectors(anchors, similarity, "query vectors"), Vectors(items, similarity, "corpus vectors")
    for side in sides:
        side.check(may_be_zero=np.ones(len(side), bool))
    return sides
