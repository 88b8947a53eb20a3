"""Independent draws from lists of items, with items excluded per question, exact and without rejection.

An urn is a list of items, each with a whole number of tickets. To draw for a question with the excluded items
a_0 < a_1 < …, let D_j be the tickets of what lies before a_j and is not excluded; draw a ticket t among those that are
left, and answer

    the item at ticket   t + Σ {tickets of a_j : D_j ≤ t}

With one ticket each this is *skip-rank*, and its cost does not grow with how much is excluded. Whole numbers make it
exact: an excluded item is never drawn, and the law is tickets_j / (tickets left) to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.positives import Int64, Relation

Float64 = npt.NDArray[np.float64]

TICKETS = 1 << 44
"""Tickets of an urn with weights: noise has 52 bits, so each ticket gets 256 values of it, give or take one."""

GUESSES = 4
"""Entries of the table of guesses per item: more of them are right more often, and fetched more slowly."""


@dataclass(frozen=True, eq=False)
class Urns:
    """Lists of items with their tickets, one after another.

    Attributes:
        lists: row u holds the items of urn u, ascending.
        ends: int64[P], tickets up to and with each item, over all urns.
        n_items: number of items in the collection.
    """

    lists: Relation
    ends: Int64
    n_items: int

    @classmethod
    def equal(cls, lists: Relation, n_items: int) -> Urns:
        """Give every item one ticket."""
        return cls(lists, np.arange(1, len(lists.items) + 1), n_items)

    @classmethod
    def weighted(cls, weights: Float64) -> Urns:
        """Make one urn of the items with a weight above 0: tickets in proportion, one at least.

        Args:
            weights: float64[N], by item row, not negative.
        """
        items = np.flatnonzero(weights)
        shares = weights[items] / max(weights.sum(), np.finfo(np.float64).tiny)
        tickets = np.maximum(np.rint(shares * TICKETS), 1).astype(np.int64)
        return cls(Relation(np.array([0, len(items)]), items), np.cumsum(tickets), len(weights))

    @property
    def tickets(self) -> Int64:
        """int64[P], tickets of each item."""
        return np.diff(self.ends, prepend=0)

    @cached_property
    def edges(self) -> Int64:
        """int64[U + 1], the first ticket of each urn, and the end of the last."""
        return np.concatenate([[0], self.ends])[self.lists.indptr]

    @cached_property
    def is_equal(self) -> bool:
        """Whether every item has one ticket: a ticket is then its item's position."""
        return not len(self.ends) or int(self.ends[-1]) == len(self.ends)

    @cached_property
    def log_tickets(self) -> Float64:
        """float64[P], log of the tickets of each item."""
        return np.log(self.tickets)

    @cached_property
    def guesses(self) -> tuple[Int64, int]:
        """Where the item of a ticket most likely stands: int64[G] by the ticket's leading bits, and the other bits."""
        last = int(self.ends[-1])
        shift = max(0, last.bit_length() - (GUESSES * len(self.ends)).bit_length())
        firsts = np.arange((last >> shift) + 1) << shift
        return np.minimum(np.searchsorted(self.ends, firsts, "right"), len(self.ends) - 1), shift

    def places(self, tickets: Int64) -> Int64:
        """Find the items that tickets belong to: int64 positions in ``ends``; tickets of no urn give anything."""
        if self.is_equal:
            return tickets
        table, shift = self.guesses
        places: Int64 = table.take(tickets >> shift, mode="clip")
        missed = np.nonzero(self.ends[places] <= tickets)
        places[missed] = np.searchsorted(self.ends, tickets[missed], "right")
        return places

    @cached_property
    def addresses(self) -> Int64:
        """int64[P], urn and item in one number, ascending."""
        rows, items = self.lists.coordinates()
        return rows * np.int64(self.n_items) + items


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions to draw for: each has an urn and items that it must not get.

    Attributes:
        urns: what is drawn from.
        left: int64[Q], tickets that are left to draw from; 0 = nothing may be drawn.
        skips: int64[X], question and D_j in one number, ascending.
        stride: what a question's number is multiplied by in ``skips``.
        skipped: int64[X + 1], tickets of the excluded items before each entry of ``skips``.
        offsets: int64[Q], what turns a question's tickets and ``skipped`` into tickets of all urns.
    """

    urns: Urns
    left: Int64
    skips: Int64
    stride: int
    skipped: Int64
    offsets: Int64

    @classmethod
    def of(cls, urns: Urns, chosen: Int64, excluded: Relation) -> Questions:
        """Prepare questions; row q of ``excluded`` belongs to question q and may name items outside its urn."""
        rows, items = excluded.coordinates()
        wanted = chosen[rows] * np.int64(urns.n_items) + items
        places = np.searchsorted(urns.addresses, wanted)
        inside = places < len(urns.addresses)
        inside[inside] = urns.addresses[places[inside]] == wanted[inside]
        rows, places = rows[inside], places[inside]
        ends = urns.ends[places]
        skipped = segments.bounds(urns.tickets[places])
        firsts = np.searchsorted(rows, np.arange(len(chosen) + 1))
        before = skipped[:-1] - skipped[firsts[rows]]  # tickets of the question's excluded items before this one
        starts = ends - np.diff(skipped) - urns.edges[chosen[rows]]
        stride = int(np.diff(urns.edges).max(initial=0)) + 1
        left = np.diff(urns.edges)[chosen] - (skipped[firsts[1:]] - skipped[firsts[:-1]])
        offsets = urns.edges[chosen] - skipped[firsts[:-1]]
        return cls(urns, left, rows * np.int64(stride) + starts - before, stride, skipped, offsets)

    @cached_property
    def log_left(self) -> Float64:
        """float64[Q], log of the tickets that are left; 0 where there are none."""
        return np.log(np.maximum(self.left, 1))

    def draw(self, questions: Int64, noise: Float64) -> tuple[Int64, Float64]:
        """Draw an item for each cell.

        Args:
            questions: int64[E, M], the question of each cell.
            noise: float64[E, M] in (0, 1).

        Returns:
            int64[E, M] items, −1 where nothing is left; float64[E, M] log of the probability of the item, NaN there.
        """
        tickets = (noise * self.left[questions]).astype(np.int64)  # below what is left: noise has 52 bits, it has fewer
        at = np.searchsorted(self.skips, questions * np.int64(self.stride) + tickets, "right")
        tickets += self.skipped[at]
        tickets += self.offsets[questions]
        if not len(self.urns.ends):
            return np.full(noise.shape, -1), np.full(noise.shape, np.nan)
        places, log_p = self.urns.places(tickets), -self.log_left[questions]
        items = self.urns.lists.items.take(places, mode="clip")
        if not self.urns.is_equal:
            log_p += self.urns.log_tickets.take(places, mode="clip")
        if not self.left.all():
            nothing = self.left[questions] == 0
            items, log_p = np.where(nothing, -1, items), np.where(nothing, np.nan, log_p)
        return items, log_p
