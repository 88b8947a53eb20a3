"""A small world in which every query has one listed positive, two that nobody listed, and items of other topics."""

from __future__ import annotations

import numpy as np
from llm_server import by_words

from foils.collection import Collection
from foils.mining.identity import Execution
from foils.mining.prepare import prepare
from foils.recipes import load
from foils.scorers import LlmScorer

ITEMS_PER_TOPIC = 6
HIDDEN = 2


def world(topics: int = 8, *, attack: str = "") -> tuple[Collection, np.ndarray, np.ndarray]:
    """Make a collection and its vectors: item 0 of a topic is its positive, 1 and 2 answer too, 3 to 5 do not."""
    texts = []
    for topic in range(topics):
        answers = [f"passage {place} which answers t{topic} indeed" for place in range(1 + HIDDEN)]
        others = [f"passage {place} near {topic} {attack}" for place in range(ITEMS_PER_TOPIC - 1 - HIDDEN)]
        texts += answers + others
    pairs = [(topic, ITEMS_PER_TOPIC * topic) for topic in range(topics)]
    collection = Collection.from_arrays(pairs, anchors=[f"what is t{topic}" for topic in range(topics)], items=texts)
    noise = np.random.default_rng(0)
    queries = np.eye(topics, dtype=np.float32)
    owners = np.repeat(np.arange(topics), ITEMS_PER_TOPIC)
    corpus = queries[owners] + 0.1 * noise.random((len(texts), topics)).astype(np.float32)
    return collection, queries, corpus


def hidden_positives(topics: int = 8) -> set[tuple[str, str]]:
    """List the pairs of ids that answer and are not listed."""
    return {(str(topic), str(ITEMS_PER_TOPIC * topic + place)) for topic in range(topics) for place in (1, 2)}


FIELDS = {"model": "judge", "timeout": 5.0, "concurrency": 3, "retries": 6}


def inputs(cache=None, topics=8, **options):
    collection, queries, corpus = world(topics, **options)
    prepared = prepare(
        collection, load("naive-top-k"), {"model": (queries, corpus)}, negatives=2, split="train", seed=0,
        execution=Execution(), cache=cache,
    )  # fmt: skip
    return prepared.inputs


def scorer(server, **fields):
    return LlmScorer(url=server.url, **{**FIELDS, **fields})


def all_pairs(topics=8):
    anchors = np.repeat(np.arange(topics), topics * ITEMS_PER_TOPIC)
    return anchors, np.tile(np.arange(topics * ITEMS_PER_TOPIC), topics)


def few_pairs(topics=8):
    anchors = np.repeat(np.arange(topics), ITEMS_PER_TOPIC)
    return anchors, np.arange(topics * ITEMS_PER_TOPIC)


def truth(data, anchors, items):
    queries, passages = data.collection.anchors.full_texts(), data.collection.items.full_texts()
    judged = [by_words(queries[a], passages[i]) for a, i in zip(anchors, items, strict=True)]
    return np.array(judged, np.float32)
