"""What says, during a training, how good the model is: nDCG@10 of the held-out anchors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foils import _array
from foils.encoders.encoding import encode_collection
from foils.encoders.sentence import SentenceEncoder
from foils.evaluating import Qrels, evaluate_ranking, evaluate_vectors
from foils.evaluating.metrics import Metric
from foils.positives import Int64, gather_segments
from foils.training.held_out import CHOSEN, METRIC, HeldOut
from foils.training.pool import Pool

RERANK_BATCH = 64


@dataclass(frozen=True, eq=False)
class RetrieverQuality:
    """Ranks the held-out items for the held-out anchors by a retriever's vectors.

    Attributes:
        held_out: what is ranked.
    """

    held_out: HeldOut

    def __call__(self, model: Any) -> float:
        """Encode, rank and measure."""
        anchors, items = encode_collection(SentenceEncoder(model), self.held_out.collection)
        values = evaluate_vectors(self.held_out.collection, anchors, items, split=CHOSEN, metrics=[METRIC])
        return values.means()[METRIC]


@dataclass(frozen=True, eq=False)
class RerankerQuality:
    """Ranks a list of items for each held-out anchor by a reranker's scores.

    Attributes:
        queries: texts of the anchors, one per pair.
        passages: texts of the items, one per pair.
        lists: int64[D, K], item rows, −1 = absent.
        qrels: the judgements.
    """

    queries: list[str]
    passages: list[str]
    lists: Int64
    qrels: Qrels

    @classmethod
    def of(cls, held_out: HeldOut, pool: Pool, size: int, seed: int) -> RerankerQuality:
        """Choose the lists: an anchor's positives, then its mined negatives, then random items, ``size`` in all."""
        judged, collection = held_out.collection.judgements, held_out.collection
        qrels = Qrels.from_pairs(judged.anchors, judged.items, judged.grades, n_queries=len(held_out.anchors))
        count = len(held_out.anchors)
        indptr, places = gather_segments(pool.mined_indptr, held_out.anchors)
        owners = np.repeat(np.arange(count), np.diff(indptr))
        draws = np.arange(size)
        noise = _array.counter_uniform(_array.Key(seed, "dev candidates", 0), held_out.anchors[:, None], draws)
        drawn = np.minimum((noise * len(collection.items)).astype(np.int64), len(collection.items) - 1)
        positive = qrels.grades > 0
        parts = (
            (qrels.rows()[positive], qrels.items[positive]),
            (owners, pool.mined_items[places]),
            (np.repeat(np.arange(count), size), drawn.ravel()),
        )
        rows, items = (np.concatenate(side) for side in zip(*parts, strict=True))
        usable = ~collection.items.empty[items]
        lists = _first_of_each(rows[usable], items[usable], count, size)
        at, _ = np.nonzero(lists >= 0)
        queries = collection.anchors.texts_at(at).to_pylist()
        return cls(queries, collection.items.texts_at(lists[lists >= 0]).to_pylist(), lists, qrels)

    def __call__(self, model: Any) -> float:
        """Score, rank and measure."""
        pairs = list(zip(self.queries, self.passages, strict=True))
        scores = np.full(self.lists.shape, -np.inf, np.float32)
        scores[self.lists >= 0] = model.predict(
            pairs, batch_size=RERANK_BATCH, show_progress_bar=False, convert_to_numpy=True
        )
        return float(evaluate_ranking(self.lists, scores, self.qrels, [Metric.parse(METRIC)])[METRIC].mean())


def _first_of_each(rows: Int64, items: Int64, count: int, size: int) -> Int64:
    """Give the first ``size`` different items of each row, int64[count, size], −1 = absent."""
    pairs = rows * (items.max(initial=0) + 1) + items
    first = np.sort(np.unique(pairs, return_index=True)[1])
    rows, items = rows[first], items[first]
    order = np.argsort(rows, kind="stable")
    rows, items = rows[order], items[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    lists = np.full((count, size), -1, np.int64)
    keep = place < size
    lists[rows[keep], place[keep]] = items[keep]
    return lists
