"""How likely is an item a positive, to a judge learnt on frozen vectors? The adapter of RRRA (2025).

    p(q, d) = σ(Σ_k u_k q_k d_k + Σ_k v_k |q_k − d_k| + w·cos(q, d) + b)

Positives are known positives, one per anchor; negatives are drawn per anchor from the ranks behind the ambiguous band,
in which unlabelled positives are likely and which is not learnt from, and from all items. Both classes have half of the
weight, and half of the negatives are of each sort, so p is no calibrated probability: it tells which candidates look
more like positives. A convex fit (``adapter_fit``) stands for the paper's network: it needs no seed and no schedule.

Cross-fitted by anchor: an anchor's pairs are scored by a model that never saw it. Cost, once when a run opens it: an
exact search for at most 2,000 anchors, and ``folds`` fits of 2d + 1 features on at most 18,000 pairs, some seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils._folds_numpy import fold
from foils.candidates import Kind
from foils.positives import Int64, Relation
from foils.scorers.adapter_fit import (
    PAIRS_AT_ONCE,
    RIDGE,
    Logistic,
    Taught,
    chosen_positives,
    fit_folds,
    folds_of,
    in_parts,
    require_anchors,
)
from foils.search import MODEL, ExactIndex, Inputs, VectorPair
from foils.search.vectors import Float32

Float64 = npt.NDArray[np.float64]

MOST_ANCHORS = 2000
"""Anchors that are learnt from."""
FROM_RANKS, FROM_ALL = 4, 4
"""Negatives per anchor: behind the ambiguous band, and from all items."""


class AdapterScorer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Probability of a match, by a judge learnt on frozen vectors from known positives; cross-fitted by anchor."""

    relevance: ClassVar[bool] = True
    vectors: str = MODEL
    """Whose vectors."""
    ambiguous: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 100
    """First ranks that no negative is learnt from: unlabelled positives are likely there."""
    depth: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 500
    """Last rank that negatives are learnt from."""
    folds: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    """Groups of anchors; each is scored by what was learnt from the others."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "adapter"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The probability, as column ``name``."""
        return {self.name: Kind.PROBABILITY}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors, and see that there is something to learn from."""
        inputs.check_vectors(self.vectors, "cosine")
        require_anchors(inputs.positives.given().relation, "adapter")

    def open(self, inputs: Inputs) -> OpenAdapter:
        """Learn from the known positives of a run."""
        pair = inputs.vectors(self.vectors, "cosine")
        dealt = folds_of(inputs.positives.given().relation, self.folds, Key(inputs.seed, "adapter.folds", 0))
        taught = pairs_to_learn(inputs, pair, (self.ambiguous, self.depth), (FROM_RANKS, FROM_ALL))
        features = in_parts(len(taught.items), lambda part: features_of(pair, taught.anchors[part], taught.items[part]))
        models = fit_folds(features, taught.labels, dealt[taught.anchors], self.folds, RIDGE)
        return OpenAdapter(pair, dealt, models)


@dataclass(frozen=True, eq=False)
class OpenAdapter:
    """A learnt judge bound to the vectors of a run.

    Attributes:
        pair: vectors.
        folds: int64[A], which model scores each anchor.
        models: one per fold.
    """

    pair: VectorPair
    folds: Int64
    models: Logistic

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        scores = np.full(len(items), np.nan, np.float32)
        at = np.flatnonzero(_array.take_valid(self.pair.mineable, items, fill=False))
        for group in segments.slices(len(at), PAIRS_AT_ONCE):
            part = at[group]
            features = features_of(self.pair, anchors[part], items[part])
            features *= self.models.weights[self.folds[anchors[part]]]
            scores[part] = _array.sigmoid(fold(features) + self.models.offsets[self.folds[anchors[part]]])
        return scores


def features_of(pair: VectorPair, anchors: Int64, items: Int64) -> Float64:
    """Give [q⊙d; |q − d|; cos(q, d)] of pairs: float64[P, 2d + 1]."""
    left = pair.anchors.read(anchors).astype(np.float64)
    right = pair.items.read(items).astype(np.float64)
    products = left * right
    cosine = fold(products.copy())
    return np.concatenate([products, np.abs(left - right), cosine[:, None]], axis=1)


def pairs_to_learn(inputs: Inputs, pair: VectorPair, band: tuple[int, int], counts: tuple[int, int]) -> Taught:
    """Draw a known positive of each anchor, and negatives for it.

    Args:
        inputs: of the run.
        pair: vectors; the ranks are those of their cosine, after known positives are left out.
        band: negatives are drawn uniformly from the ranks behind the first number up to the second.
        counts: how many negatives per anchor from these ranks, and how many from all items.
    """
    given = inputs.positives.given().relation
    anchors, positives = chosen_positives(given, MOST_ANCHORS, Key(inputs.seed, "adapter.positives", 0))
    usable = inputs.mineable[positives]
    anchors, positives = anchors[usable], positives[usable]
    ranked, _ = nearest(inputs, pair, anchors, max(band))
    behind = drawn_ranks(ranked[:, min(band) :], anchors, counts[0], Key(inputs.seed, "adapter.ranks", 0))
    return set_against(anchors, positives, np.concatenate([behind, _from_all(inputs, anchors, counts[1])], axis=1))


def set_against(anchors: Int64, positives: Int64, negatives: Int64) -> Taught:
    """Put each positive beside its negatives, int64[A, n], −1 = absent."""
    rows, places = np.nonzero(negatives >= 0)
    return Taught(
        np.concatenate([anchors, anchors[rows]]),
        np.concatenate([positives, negatives[rows, places]]),
        np.concatenate([positives, positives[rows]]),
        np.arange(len(anchors) + len(rows)) < len(anchors),
    )


def nearest(inputs: Inputs, pair: VectorPair, anchors: Int64, depth: int) -> tuple[Int64, Float32]:
    """Search what a dense source would find: int64[A, depth] items and float32[A, depth] cosines."""
    depth = min(depth, inputs.positives.n_items)
    items, cosines = np.full((len(anchors), depth), -1, np.int64), np.full((len(anchors), depth), np.nan, np.float32)
    index = ExactIndex(pair.items, inputs.mineable)
    for part in segments.slices(len(anchors), inputs.blocks.anchors):
        some = anchors[part]
        items[part], cosines[part] = index.search(
            pair.anchors.read(some), depth, inputs.forbidden.relation(some), inputs.blocks,
            partial(inputs.forbidden.mask, some),
        )  # fmt: skip
    return items, cosines


def drawn_ranks(ranked: Int64, anchors: Int64, count: int, key: Key) -> Int64:
    """Draw from ranked items, int64[A, K], each once: int64[A, count], −1 where there is nothing left."""
    drawn = np.full((len(anchors), count), -1, np.int64)
    noise = np.where(ranked >= 0, _array.counter_uniform(key, anchors[:, None], ranked), -1.0)
    order = _array.top_k(noise, min(count, ranked.shape[1]))
    drawn[:, : order.shape[1]] = np.take_along_axis(ranked, order, axis=1)
    return drawn


def _from_all(inputs: Inputs, anchors: Int64, count: int) -> Int64:
    """Draw from all items that may be mined, with replacement: int64[A, count], −1 where a known positive was drawn."""
    mineable = np.flatnonzero(inputs.mineable)
    key = Key(inputs.seed, "adapter.all", 0)
    noise = _array.counter_uniform(key, anchors[:, None], np.arange(count)[None, :])
    drawn = mineable[(noise * len(mineable)).astype(np.int64)]
    known: Relation = inputs.positives.relation
    return np.where(known.contains(anchors, drawn), -1, drawn)
