"""Who stands where in the known triples: the entities of each side of each relation, and how many there are.

    heads(r) = {h : (h, r, t) is known}      tph_r = mean number of tails per (h, r)
    tails(r) = {t : (h, r, t) is known}      hpt_r = mean number of heads per (r, t)

Known means: in the split whose positives are given. A slot's number is 2·r + side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.errors import InputError
from foils.positives import Int64, Positives, Relation
from foils.triples import Triples

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Slots:
    """The two slots of every relation.

    Attributes:
        entities: row 2·r + side holds the entities known on that side of r; those that may not be mined left out.
        pairs: int64[2R], known pairs of an anchor and an entity in the slot.
        questions: int64[2R], anchors that have such a pair: (h, r, ?) for the tails, (?, r, t) for the heads.
        of_anchors: int64[A], the slot that is missing in each anchor.
    """

    entities: Relation
    pairs: Int64
    questions: Int64
    of_anchors: Int64

    @classmethod
    def of(cls, collection: Collection, positives: Positives, mineable: npt.NDArray[np.bool_]) -> Slots:
        """Count the known triples; see ``require_triples`` for the error."""
        triples = require_triples(collection)
        count = 2 * len(triples.relation_ids)
        of_anchors = 2 * triples.anchor_relations + triples.sides
        given = positives.given()
        slots = np.repeat(of_anchors, given.degrees)
        questions = np.bincount(of_anchors[given.degrees > 0], minlength=count)
        keep = mineable[given.items]
        entities = Relation.from_pairs(slots[keep], given.items[keep], count)
        return cls(entities, np.bincount(slots, minlength=count), questions, of_anchors)

    @property
    def per_question(self) -> Float64:
        """float64[2R], mean number of entities per anchor: hpt_r at 2·r, tph_r at 2·r + 1; NaN without a triple."""
        safe = np.maximum(self.questions, 1)
        return np.where(self.questions > 0, self.pairs / safe, np.nan)


def require_triples(collection: Collection) -> Triples:
    """Give the triples of the collection.

    Raises:
        InputError: it was not read from triples.
    """
    if collection.triples is None:
        raise InputError(
            "this recipe corrupts triples, and the collection holds none; read it with "
            "Collection.from_triples(path), or choose uniform or popularity"
        )
    return collection.triples


def head_share(heads: npt.ArrayLike, tails: npt.ArrayLike) -> Float64:
    """Give heads / (heads + tails), the probability of corrupting the head; 0.5 where there is nothing to go by."""
    heads, tails = np.nan_to_num(np.asarray(heads, np.float64)), np.nan_to_num(np.asarray(tails, np.float64))
    total = heads + tails
    share: Float64 = np.where(total > 0, heads / np.where(total > 0, total, 1.0), 0.5)
    return share
