"""Known triples (h, r, t), as in a knowledge graph, and the two questions that each of them answers.

    (h, r, ?)   the tail is missing: the anchor ``[h, r, "?"]``, with every known t as a positive
    (?, r, t)   the head is missing: the anchor ``["?", r, t]``, with every known h as a positive

Items are the entities. Corrupting a triple is finding a negative for one of its two anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.errors import DataError
from foils.positives import Int64

HEAD, TAIL = 0, 1
"""The side of an anchor: what is missing, and so what its items stand for."""


@dataclass(frozen=True, eq=False, repr=False)
class Triples:
    """Known triples (h, r, t), and the two anchors each has: (h, r, ?) lacks its tail, (?, r, t) its head.

    Attributes:
        heads: int64[T], entity rows, which are item rows.
        relations: int64[T], relation rows.
        tails: int64[T], entity rows.
        splits: int16[T], index into the split names of the collection's judgements.
        relation_ids: large_string[R].
        tail_anchors: int64[T], the anchor row of (h, r, ?).
        head_anchors: int64[T], the anchor row of (?, r, t).
        sides: int8[A], per anchor: ``HEAD`` = 0 (the head is missing) or ``TAIL`` = 1.
        anchor_entities: int64[A], the entity that the anchor gives.
        anchor_relations: int64[A], the relation that the anchor gives.
    """

    heads: Int64
    relations: Int64
    tails: Int64
    splits: npt.NDArray[np.int16]
    relation_ids: pa.LargeStringArray
    tail_anchors: Int64
    head_anchors: Int64
    sides: npt.NDArray[np.int8]
    anchor_entities: Int64
    anchor_relations: Int64

    def __post_init__(self) -> None:
        """Check that the columns of the triples, and those of the anchors, are equally long."""
        per_triple = (self.relations, self.tails, self.splits, self.tail_anchors, self.head_anchors)
        per_anchor = (self.anchor_entities, self.anchor_relations)
        if any(len(column) != len(self.heads) for column in per_triple):
            raise DataError("heads, relations, tails, splits and the anchors of triples must be equally long")
        if any(len(column) != len(self.sides) for column in per_anchor):
            raise DataError("sides, anchor_entities and anchor_relations must be equally long: one per anchor")

    def __len__(self) -> int:
        return len(self.heads)

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"Triples({len(self):,} triples, {len(self.relation_ids):,} relations, {len(self.sides):,} anchors)"
