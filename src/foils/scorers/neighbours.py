"""What the neighbours of an item say: are they known positives of this anchor, or of anchors like it?

    vote(a, i) = Σ_j w_ij · L_aj / Σ_j w_ij,       j = the k items nearest to i,  w_ij = max(cos(i, j), 0)
    L_aj = max over b in {a, anchors nearest to a} of max(cos(a, b), 0) where j is a known positive of b, else 0

This is the extrinsic vote of noise detection by neighbours (Noise in TACRED, 2023), with known positives as what is
clean: a candidate that lies among the positives of its anchor is suspected. An item never votes for itself, so its own
label is not seen, and known positives can be scored alike. Negative similarities do not vote. With ``mutual`` an
item's neighbours are those that count it among their own, which keeps hubs, near to everything, from voting everywhere.

Most candidates have no voter at all and score 0: rules must name the column. Memory: 8·k bytes per item and anchor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.candidates import Kind
from foils.positives import Int64, Relation
from foils.scorers.neighbours_lists import Lists, mutual, weighted_mean
from foils.search import MODEL, Inputs
from foils.search.vectors import Float32

Float64 = npt.NDArray[np.float64]

PAIRS_AT_ONCE = 4096
"""Pairs that are voted on at a time."""


class Neighbours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Share of the item's neighbours that are known positives of the anchor, or of anchors like it."""

    relevance: ClassVar[bool] = False
    vectors: str = MODEL
    """Whose vectors."""
    k: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """Neighbours of an item; with 0 nobody votes."""
    anchors: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    """Nearest anchors whose positives count too, by their similarity; 0 = the anchor's own alone."""
    mutual: bool = False
    """Whether only neighbours vote that count the item among their own."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "neighbours"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The vote, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, "cosine")

    def open(self, inputs: Inputs) -> OpenNeighbours:
        """Bind to the vectors and known positives of a run."""
        return OpenNeighbours(
            inputs.mineable, Voters.of(inputs, self.vectors, self.k, self.anchors, mutual=self.mutual)
        )


@dataclass(frozen=True, eq=False)
class Voters:
    """Who votes on an item for an anchor.

    Attributes:
        positives: the given known positives; copies of a positive would make its own label seen.
        items: the neighbours of items.
        anchors: the neighbours of anchors, among those that have a positive.
        mutual: whether only mutual neighbours vote.
    """

    positives: Relation
    items: Lists
    anchors: Lists
    mutual: bool

    @classmethod
    def of(cls, inputs: Inputs, vectors: str, k: int, anchors: int, *, mutual: bool) -> Voters:
        """Bind to the vectors and known positives of a run."""
        pair, given = inputs.vectors(vectors, "cosine"), inputs.positives.given().relation
        items = Lists.of(pair.items, pair.items, inputs.mineable, k, inputs.blocks, excludes_itself=True)
        owners = Lists.of(pair.anchors, pair.anchors, given.degrees > 0, anchors, inputs.blocks, excludes_itself=True)
        return cls(given, items, owners, mutual)

    def neighbours(self, items: Int64) -> tuple[Int64, Float32]:
        """Give int64[P, k] neighbours of items, −1 = absent, and float32[P, k] weights."""
        near, weights = self.items.of_rows(items)
        return mutual(self.items, items, near, weights) if self.mutual else (near, weights)

    def votes(self, anchors: Int64, items: Int64, unseen: Int64) -> Float64:
        """Let the neighbours of items vote.

        Args:
            anchors: int64[P], anchor rows.
            items: int64[P], item rows; −1 gives 0.
            unseen: int64[P], an item whose label for the anchor is not looked at; −1 = all are.

        Returns:
            float64[P], between 0 and 1.
        """
        near, weights = self.neighbours(items)
        return weighted_mean(self.labels(anchors, near, unseen), weights)

    def labels(self, anchors: Int64, items: Int64, unseen: Int64) -> Float64:
        """Give L: float64[P, K] of the anchors int64[P] and the items int64[P, K]; 0 for −1."""
        own = self.positives.contains(anchors, items) & (items != unseen[:, None])
        labels: Float64 = own.astype(np.float64)
        near, weights = self.anchors.of_rows(anchors)
        for place in range(near.shape[1]):
            present = np.flatnonzero(near[:, place] >= 0)
            theirs = self.positives.contains(near[present, place], items[present])
            labels[present] = np.maximum(labels[present], theirs * weights[present, place, None].astype(np.float64))
        return labels


@dataclass(frozen=True, eq=False)
class OpenNeighbours:
    """The vote of neighbours, bound to the vectors of a run."""

    mineable: npt.NDArray[np.bool_]
    voters: Voters

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1 and for items with empty text."""
        scores = np.full(len(items), np.nan, np.float32)
        at = np.flatnonzero(_array.take_valid(self.mineable, items, fill=False))
        for group in segments.slices(len(at), PAIRS_AT_ONCE):
            part = at[group]
            scores[part] = self.voters.votes(anchors[part], items[part], items[part])
        return scores
