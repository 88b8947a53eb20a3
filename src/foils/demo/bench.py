"""What every seed of the demo shares: collections, and texts as bags of tokens; and the evaluation of an encoder."""

from __future__ import annotations

from dataclasses import dataclass

from foils.collection import Collection
from foils.demo.measures import Float64
from foils.demo.settings import METRIC, DemoSettings
from foils.demo.truth import Truth
from foils.encoders import StaticEncoder
from foils.encoders.bags import Bags, bag_tokens
from foils.evaluating import evaluate_vectors
from foils.training import CollectionBags, bag_collection


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
        return evaluate_vectors(self.evaluation, anchors, items, metrics=[METRIC]).values[METRIC]


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
