"""What each row must not get, prepared for drawing: D_j and the tickets that an excluded item takes away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.drawing.urns import Urns, none
from foils.positives import Int64, Relation

Float64 = npt.NDArray[np.float64]


class Tables(NamedTuple):
    """What kernels read; A rows, X excluded items, P places.

    Attributes:
        indptr: int64[A + 1], where each row begins in ``before``.
        before: int64[X], D_j, ascending in a row.
        skipped: int64[X + 1], tickets of the excluded items before each, over all rows; empty = one ticket each.
        left: int64[A], tickets left to draw from; 0 = nothing may be drawn.
        offsets: int64[A], what turns a row's ticket and ``skipped`` into a ticket of all urns.
        items: int64[P], see ``Urns``.
        ends: int64[P], see ``Urns``.
        guesses: int32[G], see ``Urns.guesses``.
        shift: the bits of a ticket that ``guesses`` leaves out.
        log_tickets: float64[P], see ``Urns``; empty where every item has one ticket.
    """

    indptr: Int64
    before: Int64
    skipped: Int64
    left: Int64
    offsets: Int64
    items: Int64
    ends: Int64
    guesses: npt.NDArray[np.int32]
    shift: int
    log_tickets: Float64


@dataclass(frozen=True, eq=False)
class Exclusions:
    """Rows that draw, each from an urn and without what it must not get.

    Attributes:
        urns: what is drawn from.
        of_rows: int64[A], the urn of each row.
        tables: what the kernels read.
    """

    urns: Urns
    of_rows: Int64
    tables: Tables

    @classmethod
    def of(cls, urns: Urns, of_rows: Int64, excluded: Relation) -> Exclusions:
        """Prepare rows; row a of ``excluded`` may name items outside of its urn."""
        owners, items = excluded.coordinates()
        places, inside = urns.find(of_rows[owners], items)
        indptr = excluded.indptr
        if not inside.all():
            owners, places, indptr = owners[inside], places[inside], segments.bounds(inside)[indptr]
        if urns.is_equal:
            starts, skipped = places, np.arange(len(places) + 1)
        else:
            tickets = urns.tickets[places]
            starts, skipped = urns.ends[places] - tickets, segments.bounds(tickets)
        # Sums over all rows may wrap around, their differences within a row are right all the same.
        firsts, edges = skipped[indptr], urns.edges
        offsets = edges[of_rows] - firsts[:-1]
        before = starts - skipped[:-1] - np.repeat(offsets, np.diff(indptr))
        left = np.diff(edges)[of_rows] - np.diff(firsts)
        tables = Tables(
            indptr, before, none() if urns.is_equal else skipped, left, offsets,
            urns.items, urns.ends, *urns.guesses, np.zeros(0) if urns.is_equal else urns.log_tickets,
        )  # fmt: skip
        return cls(urns, of_rows, tables)

    @cached_property
    def log_left(self) -> Float64:
        """float64[A], log of the tickets left; NaN where there are none."""
        return np.log(np.where(self.tables.left > 0, self.tables.left, np.nan))

    def places(self, rows: Int64) -> Relation:
        """Give the places of what these rows must not get; row i of the result belongs to ``rows[i]``."""
        taken = Relation(self.tables.indptr, self.tables.before).take(rows)
        owners, before = taken.coordinates()
        at = segments.places(taken.degrees) + self.tables.indptr[rows][owners]
        skipped = at if self.urns.is_equal else self.tables.skipped[at]
        tickets = before + skipped + self.tables.offsets[rows][owners]
        if not self.urns.is_equal:
            tickets = np.searchsorted(self.urns.ends, tickets, "right")
        return Relation(taken.indptr, tickets)
