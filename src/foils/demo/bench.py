"""What every seed of the demo shares: collections, and texts as bags of tokens; and the evaluation of an encoder."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foils.collection import Collection
from foils.demo.bm25 import DEPTH
from foils.demo.measures import Float64
from foils.demo.settings import METRIC, DemoSettings
from foils.demo.truth import Truth
from foils.encoders import StaticEncoder
from foils.encoders.bags import Bags, bag_tokens
from foils.evaluating import Qrels, evaluate_ranking
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors
from foils.training import CollectionBags, bag_collection

MEMORY_BYTES = 500_000_000
"""Of the blocks of one search."""


@dataclass(frozen=True, eq=False)
class Bench:
    """A truth made ready for work.

    Attributes:
        truth: labels and split.
        training: one labelled positive per anchor, nothing known of duplicates.
        resolved: the same, with equal bodies known as duplicates.
        evaluation: the test anchors over one item per body.
        bags: tokens of the training collection.
        test_anchors: tokens of the test anchors, float32[Q, V].
        test_items: tokens of the evaluation's items, float32[bodies, V].
    """

    truth: Truth
    training: Collection
    resolved: Collection
    evaluation: Collection
    bags: CollectionBags
    test_anchors: Bags
    test_items: Bags

    def evaluate(self, encoder: StaticEncoder) -> Float64:
        """Give the metric of each test anchor: float64[Q]."""
        anchors, items = encoder.pool(self.test_anchors), encoder.pool(self.test_items)
        depth = min(DEPTH, len(items))
        index = ExactIndex(Vectors(items, "cosine", "items"), ~self.evaluation.items.empty)
        nothing = Relation(np.zeros(len(anchors) + 1, np.int64), np.zeros(0, np.int64))
        blocks = Blocks.within(MEMORY_BYTES, dim=items.shape[1], depth=depth)
        queries = Vectors(anchors, "cosine", "anchors").read(slice(0, len(anchors)))
        found, scores = index.search(queries, depth, nothing, blocks)
        judged = self.evaluation.judgements
        qrels = Qrels.from_pairs(judged.anchors, judged.items, judged.grades, n_queries=len(anchors))
        return evaluate_ranking(found, scores, qrels, [METRIC])[METRIC]


def prepare(truth: Truth, settings: DemoSettings) -> Bench:
    """Build the collections and tokenise their texts once; the tokenizer learns nothing from the test."""
    training, evaluation = truth.training(), truth.evaluation()
    bags = bag_collection(training, vocabulary_size=settings.static.vocabulary_size)
    return Bench(
        truth=truth,
        training=training,
        resolved=truth.resolved(training),
        evaluation=evaluation,
        bags=bags,
        test_anchors=bag_tokens(bags.tokenizer, evaluation.anchors.full_texts()),
        test_items=bag_tokens(bags.tokenizer, evaluation.items.full_texts()),
    )
