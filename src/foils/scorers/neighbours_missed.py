"""How near is a pair to a known positive that the encoder misses (the intrinsic form of Noise in TACRED, 2023)?

    score(a, i) = max over missed (b, p) ≠ (a, i) of ½·(cos(a, b) + cos(i, p))

A known positive is *missed* where the encoder scores it among the lowest ``share`` of all positives: it would be taken
for a negative. Where the encoder fails on labelled pairs it fails on unlabelled ones like them. The similarity of two
pairs is the mean of that of their anchors and of their items, which is the inner product of [q; d] / √2.

At most 4,096 missed positives are compared with, the lowest-scored ones, so that memory is bounded; the cost is pairs ×
missed positives × 2 d multiplications.
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
from foils.positives import PAIR_BITS, Int64, Relation
from foils.search import MODEL, Blocks, ExactIndex, Inputs, VectorPair, Vectors
from foils.search.vectors import Float32

MOST_MISSED = 4096
"""Missed positives that are compared with."""
BLOCKS = Blocks(anchors=512, items=512, pairs=1024)
"""Pairs, missed positives and exact scores that are worked on at a time: some megabytes, however few are asked for."""


class MissedPositives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Similarity of the pair to the nearest known positive that the encoder misses."""

    relevance: ClassVar[bool] = False
    vectors: str = MODEL
    """Whose vectors."""
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.25
    """Of the known positives, the lowest-scored ones that count as missed."""
    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")] = "missed_positives"
    """Name of the column."""

    def columns(self) -> Mapping[str, Kind]:
        """The similarity, as column ``name``."""
        return {self.name: Kind.RATIO}

    def reads(self) -> tuple[str, ...]:
        """The vectors of one encoder."""
        return (self.vectors,)

    def check(self, inputs: Inputs) -> None:
        """Look at every value of the vectors."""
        inputs.check_vectors(self.vectors, "cosine")

    def open(self, inputs: Inputs) -> OpenMissedPositives:
        """Find the missed positives of a run."""
        pair = inputs.vectors(self.vectors, "cosine")
        anchors, items = missed(inputs, pair, self.share)
        index = Vectors(joined(pair, anchors, items), "dot")
        return OpenMissedPositives(pair, anchors, items, ExactIndex(index, np.ones(len(items), bool)))


@dataclass(frozen=True, eq=False)
class OpenMissedPositives:
    """The missed positives of a run.

    Attributes:
        pair: vectors.
        anchors: int64[M], of the missed positives.
        items: int64[M].
        index: float32[M, 2d], both sides of each.
    """

    pair: VectorPair
    anchors: Int64
    items: Int64
    index: ExactIndex

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: float32[P]; NaN for −1, for items with empty text, and where no other positive is missed."""
        scores = np.full(len(items), np.nan, np.float32)
        at = np.flatnonzero(_array.take_valid(self.pair.mineable, items, fill=False))
        for group in segments.slices(len(at) if len(self.items) else 0, BLOCKS.anchors):
            part = at[group]
            itself = self._themselves(anchors[part], items[part])
            vectors = joined(self.pair, anchors[part], items[part])
            scores[part] = self.index.search(vectors, 1, itself, BLOCKS)[1][:, 0]
        return scores

    def _themselves(self, anchors: Int64, items: Int64) -> Relation:
        """Relate each pair to the missed positive that it is, if it is one."""
        keys = (self.anchors << PAIR_BITS) | self.items  # ascending
        asked = (anchors << PAIR_BITS) | items
        places = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        same = np.flatnonzero(keys[places] == asked)
        return Relation.from_pairs(same, places[same], len(items))


def missed(inputs: Inputs, pair: VectorPair, share: float) -> tuple[Int64, Int64]:
    """Find the known positives that the encoder scores lowest: int64[M] anchors and items, ascending.

    Args:
        inputs: of the run.
        pair: the encoder's vectors.
        share: how many of the positives count, at least one.
    """
    given = inputs.positives.examples()
    scores = pair.pair_scores(given.anchors, given.positives)
    scored = np.flatnonzero(~np.isnan(scores))
    most = min(int(np.ceil(share * len(scored))), MOST_MISSED)
    lowest = np.sort(scored[np.argsort(scores[scored], kind="stable")[:most]])
    return given.anchors[lowest], given.positives[lowest]


def joined(pair: VectorPair, anchors: Int64, items: Int64) -> Float32:
    """Join both sides of pairs: float32[P, 2d], of length 1."""
    both = np.concatenate([pair.anchors.read(anchors), pair.items.read(items)], axis=1)
    both *= np.float32(np.sqrt(0.5))
    return both
