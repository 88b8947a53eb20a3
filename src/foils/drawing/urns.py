"""Lists of items to draw from, each item with a whole number of tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.positives import Int64, Relation

Float64 = npt.NDArray[np.float64]

TICKETS = 1 << 44
"""Tickets of an urn with weights: noise has 52 bits, so each ticket gets 256 values of it, give or take one."""

GUESSES = 2
"""Entries of the table of guesses per item: more of them are right more often, and fetched more slowly."""


def none() -> Int64:
    """Give no numbers: what the kernels get in place of a table that is not needed."""
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Urns:
    """Urns one after another: their tickets are numbered through, and so are their places, which hold an item each.

    Attributes:
        edges: int64[U + 1], the first ticket of each urn, and the end of the last.
        items: int64[P], the item at each place, ascending within an urn; empty = item i is at place i.
        ends: int64[P], tickets up to and with each place; empty = one ticket each, so a ticket is its place.
        log_weights: float64[P], what the tickets were made of; empty = one ticket each.
    """

    edges: Int64
    items: Int64 = field(default_factory=none)
    ends: Int64 = field(default_factory=none)
    log_weights: Float64 = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def whole(cls, n_items: int) -> Urns:
        """Make one urn of all items, one ticket each; takes no memory."""
        return cls(np.array([0, n_items], np.int64))

    @classmethod
    def equal(cls, lists: Relation) -> Urns:
        """Make an urn of each row of ``lists``, one ticket per item."""
        return cls(lists.indptr, lists.items)

    @classmethod
    def allowed(cls, allowed: npt.NDArray[np.bool_]) -> Urns:
        """Make one urn of the items where ``allowed`` is True, one ticket each."""
        if allowed.all():
            return cls.whole(len(allowed))
        items = np.flatnonzero(allowed)
        return cls(np.array([0, len(items)]), items)

    @classmethod
    def weighted(cls, weights: Float64) -> Urns:
        """Make one urn of the items with a weight above 0: tickets in proportion, one at least.

        Args:
            weights: float64[N], by item row, not negative.
        """
        items = np.flatnonzero(weights)
        if not len(items):
            return cls(np.zeros(2, np.int64))
        shares = weights[items] / weights.sum()
        ends = np.cumsum(np.maximum(np.rint(shares * TICKETS), 1).astype(np.int64))
        return cls(np.array([0, ends[-1]]), items, ends, np.log(weights[items]))

    @property
    def is_equal(self) -> bool:
        """Whether every item has one ticket."""
        return not len(self.ends)

    @cached_property
    def tickets(self) -> Int64:
        """int64[P], tickets of each place of weighted urns."""
        return np.diff(self.ends, prepend=0)

    @cached_property
    def log_tickets(self) -> Float64:
        """float64[P], log of ``tickets``."""
        return np.log(self.tickets)

    @cached_property
    def guesses(self) -> tuple[npt.NDArray[np.int32], int]:
        """By a ticket's leading bits the first place that it may belong to, and how many other bits there are."""
        if self.is_equal:
            return np.zeros(0, np.int32), 0
        last = int(self.ends[-1])
        shift = max(0, last.bit_length() - (GUESSES * len(self.ends)).bit_length())
        firsts = np.arange(((last - 1) >> shift) + 1) << shift
        return np.searchsorted(self.ends, firsts, "right").astype(np.int32), shift

    def items_at(self, places: Int64) -> Int64:
        """Give the items at places; −1 stays."""
        if not len(self.items):
            return places
        items = self.items.take(places, mode="clip")
        items[places < 0] = -1
        return items

    def find(self, urns: Int64, items: Int64) -> tuple[Int64, npt.NDArray[np.bool_]]:
        """Find items in urns.

        Args:
            urns: int64[X].
            items: int64[X], item rows.

        Returns:
            int64[X] places, and bool[X], False where the urn does not hold the item.
        """
        if not len(self.items):
            return items, np.full(len(items), self.edges[-1] > 0)
        if len(self.edges) == 2:
            places = self._place_of.take(items, mode="clip")
            return places, places >= 0
        # lists, with one ticket for each item
        places = self.edges[urns] + _array.row_searchsorted(self.items, self.edges, urns, items, "left")
        inside = places < self.edges[urns + 1]
        inside[inside] = self.items[places[inside]] == items[inside]
        return places, inside

    @cached_property
    def _place_of(self) -> Int64:
        """Places of the only urn by item row, −1 where it does not hold the item, as for all beyond the last."""
        places = np.full(self.items[-1] + 2, -1, np.int64)
        places[self.items] = np.arange(len(self.items))
        return places
