"""Worlds whose truth is known: pairs with planted scores, and a mined result with planted positives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foils.calibrating.pairs import Pairs
from foils.candidates import Candidates, Column, Kind
from foils.collection import Collection
from foils.mining import Mined, mine
from foils.positives import Units

RECIPE = """
source: {dense: {k: 20, max_depth: 20}}
scorers: [{vectors: {vectors: second, name: second}}]
sampler: {top_k: {column: dense}}
"""


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels as ``foils.labelling`` gives them."""

    anchor_ids: pa.Array
    item_ids: pa.Array
    labels: np.ndarray
    pi: np.ndarray


def pairs_of(columns, targets, *, weights=None, anchors=None, positives=None) -> Pairs:
    """Make pairs with these scores; every pair is a unit with one positive, scored 0 unless said otherwise."""
    count = len(targets)
    rows = np.arange(count)
    anchors = rows if anchors is None else np.asarray(anchors)
    of_positives = np.zeros(count, np.float32) if positives is None else np.asarray(positives, np.float32)
    made = {
        name: Column(np.asarray(values, np.float32)[:, None], Kind.RATIO, of_positives)
        for name, values in columns.items()
    }
    units = Units(anchors, rows, np.arange(count + 1), np.full(count, 10**6))
    candidates = Candidates(units, rows[:, None], made)
    weights = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    return Pairs(candidates, anchors, np.asarray(targets, np.float64), weights, designed=False, left_out={})


@dataclass(frozen=True, eq=False)
class World:
    """A collection with one known positive for each anchor and hidden ones, and two encoders of unlike quality."""

    collection: Collection
    vectors: dict[str, tuple[np.ndarray, np.ndarray]]
    truth: set[tuple[str, str]]
    recipe: Path

    def mine(self, out: Path | None = None, recipe: Any = None, **options: Any) -> Mined:
        return mine(
            self.collection,
            recipe or self.recipe,
            negatives=4,
            query_vectors=self.vectors["model"][0],
            item_vectors=self.vectors["model"][1],
            vectors={"second": self.vectors["second"]},
            out=out,
            **options,
        )

    def open(self, path: Path) -> Mined:
        return Mined.open(
            path,
            self.collection,
            query_vectors=self.vectors["model"][0],
            item_vectors=self.vectors["model"][1],
            vectors={"second": self.vectors["second"]},
        )

    def labels(self, mined: Mined, count: int, seed: int = 0, *, pi: float = np.nan) -> Labels:
        """Label candidates drawn at random."""
        anchors, items = candidate_ids(mined)
        chosen = np.random.default_rng(seed).choice(len(anchors), min(count, len(anchors)), replace=False)
        pairs = [(anchors[place], items[place]) for place in chosen]
        given = np.array([pair in self.truth for pair in pairs], np.int8)
        return labels_of(pairs, given, pi)


def labels_of(pairs, given, pi=np.nan) -> Labels:
    anchors, items = ([pair[side] for pair in pairs] for side in (0, 1))
    weights = np.broadcast_to(np.asarray(pi, np.float64), len(pairs)).copy()
    return Labels(
        pa.array(anchors, pa.large_string()), pa.array(items, pa.large_string()), np.asarray(given, np.int8), weights
    )


def candidate_ids(mined: Mined) -> tuple[list[str], list[str]]:
    """List all candidates by ids."""
    table, ids = mined.result.candidates(["unit_id", "items"]), mined.result.names.items
    pairs = [
        (unit, ids[item].as_py())
        for unit, items in zip(table["unit_id"].to_pylist(), table["items"].to_pylist(), strict=True)
        for item in items
    ]
    return [anchor for anchor, _ in pairs], [item for _, item in pairs]


def world(folder: Path, *, anchors: int = 100, per_topic: int = 12, seed: int = 0) -> World:
    """Plant topics: an anchor's positives are the items of its topic, of which one is known."""
    rng = np.random.default_rng(seed)
    topics = anchors // 2
    centres = rng.standard_normal((topics, 16))
    item_topics = np.repeat(np.arange(topics), per_topic)
    relevant = rng.random(len(item_topics)) < 0.4  # the others are about it, and no answer
    of_item = centres[item_topics] * np.where(relevant, 1.0, 0.55)[:, None]
    anchor_topics = np.arange(anchors) % topics
    vectors = {
        name: (
            (centres[anchor_topics] + noise * rng.standard_normal((anchors, 16))).astype(np.float32),
            (of_item + noise * rng.standard_normal((len(item_topics), 16))).astype(np.float32),
        )
        for name, noise in (("model", 0.55), ("second", 0.4))
    }
    pairs, truth = [], set()
    for anchor, topic in enumerate(anchor_topics.tolist()):
        of_topic = np.flatnonzero(item_topics == topic)
        good, bad = of_topic[relevant[of_topic]], of_topic[~relevant[of_topic]]
        if len(good) and len(bad):
            pairs += [(anchor, int(rng.choice(good)), 1.0), (anchor, int(bad[0]), 0.0)]
            truth |= {(str(anchor), str(item)) for item in good.tolist()}
    collection = Collection.from_arrays(
        [pair[:2] for pair in pairs],
        anchors=[f"anchor {row}" for row in range(anchors)],
        items=[f"item {row}" for row in range(len(item_topics))],
        grades=[pair[2] for pair in pairs],
    )
    path = folder / "two.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return World(collection, vectors, truth, path)
