"""How like the anchor are the owners of an item: the anchors that it is a known positive of (SaHa, 2025).

    score(a, i) = max over b in owners(i), b ≠ a, of cos(q_a, q_b)

An item that answers a question which means the same is a positive that nobody labelled; no text of an item is read, and
no model is asked. A candidate without another owner has no score: rules on this column should say ``unscored: keep``
(the paper never uses such candidates; ``unscored: reject`` does the same). The scale is that of anchor to anchor, so
margins against a positive mean nothing: use ``max_score`` and name the column.

Equal anchors score exactly 1. Memory: owners of a popular item are compared some at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from foils import _array
from foils import _segments as segments
from foils.candidates import Kind
from foils.positives import Int64, Relation, gather_segments
from foils.search import MODEL, Inputs, VectorPair, pair_scores
from foils.search.vectors import NEARLY_ONE, Float32

OWNERS_AT_ONCE = 65536
"""Pairs of anchors that are compared at a time; their vectors are read in smaller parts."""


class OwnerQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Similarity of the anchor to the likest other anchor that the item is a known positive of."""

    relevance: ClassVar[bool] = False
    vectors: str = MODEL
    """Whose vectors; those of the anchors are compared."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "owner_query"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The cosine, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, "cosine")

    def open(self, inputs: Inputs) -> OpenOwnerQuery:
        """Bind to the vectors and known positives of a run."""
        return OpenOwnerQuery(inputs.vectors(self.vectors, "cosine"), owners_of(inputs))


@dataclass(frozen=True, eq=False)
class OpenOwnerQuery:
    """The owners of all items, bound to the vectors of the anchors.

    Attributes:
        pair: vectors.
        owners: item row → anchor rows that it is a known positive of.
    """

    pair: VectorPair
    owners: Relation

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1, for items with empty text, and for items without another owner."""
        scores = np.full(len(items), np.nan, np.float32)
        at = np.flatnonzero(_array.take_valid(self.pair.mineable, items, fill=False))
        for group in segments.groups(self.owners.degrees[items[at]], OWNERS_AT_ONCE):
            part = at[group]
            scores[part] = self._likest(anchors[part], items[part])
        return scores

    def _likest(self, anchors: Int64, items: Int64) -> Float32:
        indptr, places = gather_segments(self.owners.indptr, items)
        pairs, owners = segments.owners(np.diff(indptr)), self.owners.items[places]
        others = owners != anchors[pairs]
        pairs, owners = pairs[others], owners[others]
        cosines = anchor_cosines(self.pair, anchors[pairs], owners)
        highest = np.full(len(items), -np.inf, np.float32)
        np.maximum.at(highest, pairs, cosines)
        return np.where(np.isinf(highest), np.float32(np.nan), highest)


def owners_of(inputs: Inputs) -> Relation:
    """Turn the known positives round: item row → anchor rows, exact duplicates of positives included."""
    anchors, items = inputs.positives.relation.coordinates()
    return Relation.from_pairs(items, anchors, inputs.positives.n_items)


def anchor_cosines(pair: VectorPair, anchors: Int64, others: Int64) -> Float32:
    """Give the cosines of pairs of anchors: float32[P], exactly 1 where two vectors differ by rounding alone."""
    cosines = pair_scores(pair.anchors, pair.anchors, anchors, others, pair.pairs_at_once)
    return np.where(cosines > 1 - NEARLY_ONE, np.float32(1), cosines)
