"""Constraints bound to the rows of a collection; True = forbidden. They are evaluated for a block at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foils.positives import Int64, Relation

Bool = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]


class Mask(Protocol):
    """A constraint bound to the rows of a collection."""

    def block(self, anchors: Int64, items: Int64) -> Bool:
        """Give bool[A, I] for anchor rows and distinct item rows, True = forbidden."""

    def pairs(self, anchors: Int64, items: Int64) -> Bool:
        """Give bool[P] for pairs of rows, True = forbidden."""

    @property
    def digest(self) -> str:
        """Hash of what it forbids."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A comparison of one value per anchor with one per item.

    Attributes:
        forbids: elementwise comparison of anchor values and item values, True = forbidden.
        anchors: [A], comparable values.
        items: [I], comparable values.
        anchors_missing: bool[A], True where there is no value: all items are forbidden.
        items_missing: bool[I], True where there is no value: forbidden to all anchors.
    """

    forbids: Callable[[Values, Values], Bool]
    anchors: Values
    items: Values
    anchors_missing: Bool
    items_missing: Bool

    def block(self, anchors: Int64, items: Int64) -> Bool:
        """Compare every anchor with every item."""
        found = self.forbids(self.anchors[anchors][:, None], self.items[items])
        found |= self.items_missing[items]
        found[self.anchors_missing[anchors]] = True
        return found

    def pairs(self, anchors: Int64, items: Int64) -> Bool:
        """Compare the pairs."""
        missing = self.anchors_missing[anchors] | self.items_missing[items]
        return self.forbids(self.anchors[anchors], self.items[items]) | missing

    @property
    def digest(self) -> str:
        """Hash of the values, as they are compared."""
        return hashed(self.anchors, self.items, self.anchors_missing, self.items_missing)


@dataclass(frozen=True, eq=False)
class Listed:
    """A list of allowed items for some of the anchors.

    Attributes:
        allowed: allowed items by anchor row.
        listed: bool[A], False for anchors that have no list and may get everything.
    """

    allowed: Relation
    listed: Bool

    def block(self, anchors: Int64, items: Int64) -> Bool:
        """Forbid all items to listed anchors, then allow those of their lists."""
        found = np.repeat(self.listed[anchors][:, None], len(items), axis=1)
        rows, allowed = self.allowed.take(anchors).coordinates()
        order = np.argsort(items, kind="stable")
        places = np.searchsorted(items, allowed, sorter=order)
        inside = places < len(items)
        inside[inside] = items[order[places[inside]]] == allowed[inside]
        found[rows[inside], order[places[inside]]] = False
        return found

    def pairs(self, anchors: Int64, items: Int64) -> Bool:
        """Look the pairs up."""
        return self.listed[anchors] & ~self.allowed.contains(anchors, items)

    @property
    def digest(self) -> str:
        """Hash of the list."""
        return hashed(self.allowed.indptr, self.allowed.items, self.listed)


def hashed(*arrays: Values) -> str:
    """Hash numbers and booleans, whatever the byte order of this machine."""
    state = hashlib.blake2b(b"constraint/1", digest_size=16)
    for array in arrays:
        state.update(f"{len(array)} {array.dtype.kind}{array.dtype.itemsize}".encode())
        state.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return state.hexdigest()
