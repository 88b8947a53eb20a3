"""Corrupted triples, each in its own epoch: drawn by a stream, or taken from what was mined."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from foils import _array
from foils._array import Key
from foils.errors import DataError, InputError
from foils.mining import Mined
from foils.positives import PAIR_BITS, Int64
from foils.streaming import NegativeStream
from foils.streaming.examples import Anchorage
from foils.triples import HEAD, TAIL

STAGE = "pykeen.rotation"
SAME_ROWS = (
    "PyKEEN's ids must be the rows of the collection: take its factories from triples_factories(collection), or the "
    "collection from collection_of(factories)"
)

Corrupted = tuple[Int64, npt.NDArray[np.bool_]]
"""int64[E, M, 3] triples (h, r, t) with one side replaced; bool[E, M], False where there is no negative and the cell
holds the triple itself."""


class Draws(Protocol):
    """Gives triples their negatives.

    Attributes:
        negatives: M, per triple.
        relations: number of relations in the collection.
    """

    negatives: int
    relations: int

    def __call__(self, triples: Int64, epochs: Int64) -> Corrupted:
        """Corrupt int64[E, 3] triples, each in its epoch, int64[E]."""


class StreamDraws:
    """The negatives that a stream draws.

    Args:
        stream: of a collection of triples.

    Raises:
        InputError: it is of another collection.
    """

    def __init__(self, stream: NegativeStream) -> None:
        self.stream, self.negatives, self.relations = stream, stream.negatives, len(stream.law.head_share)
        if not self.relations:
            raise InputError(f"{stream!r} is not of triples; make it of Collection.from_triples or collection_of")

    def __repr__(self) -> str:
        """Say what is drawn."""
        return repr(self.stream)

    def __call__(self, triples: Int64, epochs: Int64) -> Corrupted:
        """Corrupt triples.

        Raises:
            DataError: one is not a positive of the stream's split.
        """
        negatives = np.repeat(triples[:, None], self.negatives, axis=1)
        valid = np.zeros(negatives.shape[:2], np.bool_)
        for epoch in np.unique(epochs):
            rows = np.flatnonzero(epochs == epoch)
            try:
                found = self.stream.batch(triples[rows], int(epoch)).triples
            except DataError as error:
                raise DataError(f"{error}. {SAME_ROWS}") from error
            if found is not None:
                valid[rows] = found.sides >= 0
                drawn = np.stack([found.heads, found.relations, found.tails], axis=-1)
                negatives[rows] = np.where(valid[rows][..., None], drawn, negatives[rows])
        return negatives, valid


class MinedDraws:
    """The negatives that were mined for (h, r, ?) and (?, r, t); an epoch takes the next M, round and round.

    Args:
        mined: of a collection of triples, per anchor.
        negatives: M.

    Raises:
        InputError: the result is of another collection, or mined per pair.
    """

    def __init__(self, mined: Mined, negatives: int) -> None:
        data = mined.collection
        if data is None or data.triples is None:
            raise InputError(
                f"{mined.path} is not of triples, or opened without its collection: Mined.open(path, data)"
            )
        anchors, items = mined.rows(data)
        if len(np.unique(anchors)) < len(anchors):
            raise InputError(f"{mined.path} was mined per pair; mine it per anchor")
        if not 1 <= negatives <= 2 * items.shape[1]:
            raise InputError(
                f"negatives is {negatives}; {mined.path} holds {items.shape[1]} for each side of a triple: ask for 1 "
                f"to {2 * items.shape[1]}, or mine more"
            )
        self.negatives, self.relations, self.name = negatives, len(data.triples.relation_ids), str(mined.path)
        self._seed, self._anchorage = mined.identity.seed, Anchorage.of(data.triples, len(data.items))
        self._pools = np.full((len(data.anchors), items.shape[1]), -1, np.int64)
        self._pools[anchors] = items

    def __repr__(self) -> str:
        """Say what is given."""
        return f"negatives of {self.name}, {self.negatives} per triple and epoch"

    def __call__(self, triples: Int64, epochs: Int64) -> Corrupted:
        """Corrupt triples.

        Raises:
            DataError: nothing is known of a triple.
        """
        heads, relations, tails = triples.T
        missing = {
            HEAD: self._anchorage.find(HEAD, relations, tails),
            TAIL: self._anchorage.find(TAIL, relations, heads),
        }
        if any((anchors < 0).any() for anchors in missing.values()):
            raise DataError(f"the collection does not have all of these triples. {SAME_ROWS}")
        pool = np.concatenate([self._pools[missing[HEAD]], self._pools[missing[TAIL]]], axis=1)
        keys = (missing[TAIL] << PAIR_BITS) | tails
        noise = _array.counter_uniform(Key(self._seed, STAGE, 0), keys[:, None], np.arange(pool.shape[1])[None, :])
        order = np.argsort(np.where(pool >= 0, noise, np.inf), axis=1, kind="stable")
        lengths = (pool >= 0).sum(axis=1)[:, None]
        steps = np.arange(self.negatives)
        places = (epochs[:, None] * self.negatives + steps) % np.maximum(lengths, 1)
        taken = np.take_along_axis(order, places, axis=1)
        entities, is_head = np.take_along_axis(pool, taken, axis=1), taken < self._pools.shape[1]
        valid = steps < lengths
        negatives = np.repeat(triples[:, None], self.negatives, axis=1)
        negatives[..., 0] = np.where(valid & is_head, entities, negatives[..., 0])
        negatives[..., 2] = np.where(valid & ~is_head, entities, negatives[..., 2])
        return negatives, valid
