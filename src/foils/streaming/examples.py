"""Examples of a batch, brought to one form and checked: which anchors each has, and what its randomness is keyed by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.drawing import contains
from foils.errors import DataError, InputError
from foils.positives import PAIR_BITS, Examples, Int64, Positives
from foils.triples import HEAD, TAIL, Triples


@dataclass(frozen=True, eq=False)
class Asked:
    """A batch of examples.

    Attributes:
        keys: int64[E], the number that an example's randomness is keyed by, whatever the batch.
        anchors: int64[E, S], the anchors of each example: one, or that without the head and that without the tail.
        triples: int64[E, 3], heads, relations and tails, where the examples are triples; else None.
    """

    keys: Int64
    anchors: Int64
    triples: Int64 | None = None

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, eq=False)
class Anchorage:
    """Finds the anchors (h, r, ?) and (?, r, t) of triples.

    Attributes:
        triples: the triples of the collection.
        order: int64[A], anchors by ``addresses``.
        addresses: int64[A], side, relation and entity in one number, ascending.
        n_entities: number of entities.
    """

    triples: Triples
    order: Int64
    addresses: Int64
    n_entities: int

    @classmethod
    def of(cls, triples: Triples, n_entities: int) -> Anchorage:
        """Index the anchors."""
        addresses = _address(triples.sides, triples.anchor_relations, triples.anchor_entities, n_entities)
        order = np.argsort(addresses, kind="stable")
        return cls(triples, order, addresses[order], n_entities)

    def find(self, sides: int, relations: Int64, entities: Int64) -> Int64:
        """Give int64[E] anchor rows; −1 where nothing is known of such an anchor."""
        wanted = _address(np.int64(sides), relations, entities, self.n_entities)
        places = np.minimum(np.searchsorted(self.addresses, wanted), len(self.addresses) - 1)
        return np.where(self.addresses[places] == wanted, self.order[places], -1)


def _address(sides: npt.ArrayLike, relations: Int64, entities: Int64, n_entities: int) -> Int64:
    return (2 * relations + np.asarray(sides, np.int64)) * np.int64(n_entities) + entities


def of_pairs(examples: Examples, positives: Positives, split: str) -> Asked:
    """Read (anchor, positive) pairs.

    Raises:
        DataError: a row is outside the collection, or a pair is no positive of the split.
    """
    anchors, items = (_rows(side, 1) for side in (examples.anchors, examples.positives))
    if len(anchors) != len(items):
        raise DataError(f"the examples have {len(anchors)} anchors and {len(items)} positives; give one of each")
    _check_rows("anchor", anchors, positives.n_anchors)
    _check_rows("positive", items, positives.n_items)
    _check_known(anchors, items, positives, split)
    return Asked((anchors << PAIR_BITS) | items, anchors[:, None])


def of_triples(rows: npt.ArrayLike, anchorage: Anchorage, positives: Positives, split: str) -> Asked:
    """Read triples: int[E] rows of the collection's triples, or int[E, 3] (h, r, t).

    Raises:
        DataError: a row is outside the collection, or a triple is not known in the split.
    """
    given, triples = np.asarray(rows), anchorage.triples
    if given.ndim == 1:
        places = _rows(given, 1)
        _check_rows("triple", places, len(triples))
        parts = np.stack([triples.heads[places], triples.relations[places], triples.tails[places]], axis=1)
        sides = {HEAD: triples.head_anchors[places], TAIL: triples.tail_anchors[places]}
    else:
        parts = _check_parts(_rows(given, 2), anchorage)
        heads, relations, tails = parts.T
        sides = {HEAD: anchorage.find(HEAD, relations, tails), TAIL: anchorage.find(TAIL, relations, heads)}
    _check_known(sides[TAIL], parts[:, 2], positives, split)
    anchors = np.stack([sides[HEAD], sides[TAIL]], axis=1)
    return Asked((sides[TAIL] << PAIR_BITS) | parts[:, 2], anchors, parts)


def refuse_form(examples: object) -> InputError:
    """Say what examples look like."""
    return InputError(
        f"examples are {type(examples).__name__}; expected foils.Examples(anchors, positives), or for a collection of "
        "triples int[E] triple rows or int[E, 3] (h, r, t)"
    )


def _rows(given: npt.ArrayLike, dimensions: int) -> Int64:
    rows = np.asarray(given)
    if rows.ndim != dimensions or (rows.dtype.kind not in "iu" and rows.size):
        raise DataError(f"examples are {rows.dtype}{list(rows.shape)}; expected int64 row numbers")
    return rows.astype(np.int64, copy=False)


def _check_parts(parts: Int64, anchorage: Anchorage) -> Int64:
    """Refuse (h, r, t) that are not three columns of the collection's rows."""
    if parts.shape[1] != 3:
        raise DataError(f"triples are {list(parts.shape)}; expected [E] row numbers, or [E, 3] (h, r, t)")
    counts = (anchorage.n_entities, len(anchorage.triples.relation_ids), anchorage.n_entities)
    for name, column, most in zip(("head", "relation", "tail"), parts.T, counts, strict=True):
        _check_rows(name, column, most)
    return parts


def _check_rows(name: str, rows: Int64, most: int) -> None:
    if rows.view(np.uint64).max(initial=0) >= most:  # below 0 is far above
        wrong = np.flatnonzero((rows < 0) | (rows >= most))
        raise DataError(
            f"example {wrong[0]} has the {name} row {rows[wrong[0]]}; the collection has {most:,} of them, from row 0"
        )


def _check_known(anchors: Int64, items: Int64, positives: Positives, split: str) -> None:
    known = (anchors >= 0) & contains(positives.relation, np.maximum(anchors, 0), items)
    if not known.all():
        wrong = np.flatnonzero(~known)
        raise DataError(
            f"example {wrong[0]} ({len(wrong)} in all) is no positive of the split {split!r}; take examples from "
            f"collection.positives(({split!r},)).examples() or from the triples of the split, or name another split"
        )
