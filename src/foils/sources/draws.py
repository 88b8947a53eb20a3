"""Exact draws without replacement, with what is forbidden excluded per row; see ``foils.drawing`` for how.

Items are drawn one after another, each by its tickets among what is left (Plackett–Luce): uniformly, or by weight.
Where too little is left for that, a row gets a random key per item instead and takes the largest: the same law, at the
cost of all items that it may draw. Which way a row goes depends on its urn, its exclusions and k alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.drawing import TICKETS, Exclusions, Urns, distinct
from foils.drawing.kernels_numpy import places_of
from foils.positives import Int64, Relation, Units
from foils.search import Forbidden

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

SMALL = 4
"""A row with at most this many times k items to draw from gets a random key for each of them."""
ENOUGH_WEIGHT = 0.25
"""A row is drawn one after another if at least this share of what it has left remains after its k heaviest draws."""
ENOUGH_TICKETS = TICKETS >> 12
"""And if it has so many left: next to them, the rounding of weights to whole tickets is nothing."""
DENSE_CELLS = 1 << 20
"""Random keys held at once."""


@dataclass(frozen=True, eq=False)
class Drawer:
    """Draws for the units of a run.

    Attributes:
        urns: what is drawn from.
        of_anchors: int64[A], the urn of each anchor.
        forbidden: what nobody may get.
        known: all anchors prepared, where what is forbidden is sparse; None = prepared for the units at hand.
    """

    urns: Urns
    of_anchors: Int64
    forbidden: Forbidden
    known: Exclusions | None

    @classmethod
    def of(cls, urns: Urns, of_anchors: Int64, forbidden: Forbidden) -> Drawer:
        """Prepare the anchors."""
        known = None if forbidden.masks else Exclusions.of(urns, of_anchors, forbidden.known)
        return cls(urns, of_anchors, forbidden, known)

    @classmethod
    def of_one(cls, urns: Urns, forbidden: Forbidden) -> Drawer:
        """Prepare anchors that all draw from the same urn."""
        return cls.of(urns, np.zeros(len(forbidden.known.indptr) - 1, np.int64), forbidden)

    def draw(self, key: Key, units: Units, k: int) -> tuple[Int64, Float32]:
        """Draw k distinct items per unit: int64[U, k] items, −1 where there are no more; float32[U, k] log_q."""
        draws = uniform_distinct if self.urns.is_equal else weighted_distinct
        found = [draws(exclusions, key, keys, rows, k) for exclusions, keys, rows in self._parts(units)]
        items, log_q = zip(*found, strict=True)
        return np.concatenate(items), np.concatenate(log_q)

    def _parts(self, units: Units) -> Iterator[tuple[Exclusions, Int64, Int64]]:
        """Give a part of the units at a time, so that what is forbidden for them fits in memory."""
        if self.known is not None:
            yield self.known, units.keys, units.anchors
            return
        for part in self.forbidden.parts(len(units)):
            anchors, rows = units.anchors[part], np.arange(part.stop - part.start)
            if self.urns.is_equal:  # constraints may leave few items, so list these rather than the others
                allowed = Urns.equal(self._allowed(anchors))
                yield Exclusions.of(allowed, rows, Relation.empty(len(rows))), units.keys[part], rows
            else:
                excluded = self.forbidden.whole(anchors)
                yield Exclusions.of(self.urns, self.of_anchors[anchors], excluded), units.keys[part], rows

    def _allowed(self, anchors: Int64) -> Relation:
        """List what anchors may get of their urns, under constraints."""
        blocked = self.forbidden.mask(anchors, slice(None))
        if blocked is None:
            raise ValueError("there are no constraints")
        blocked[self.forbidden.relation(anchors).coordinates()] = True
        if len(self.urns.edges) == 2:
            blocked |= self._outside
            np.logical_not(blocked, out=blocked)
            return Relation(segments.bounds(np.count_nonzero(blocked, axis=1)), np.nonzero(blocked)[1])
        lists = Relation(self.urns.edges, self.urns.items).take(self.of_anchors[anchors])
        keep = ~blocked[lists.coordinates()]
        return Relation(segments.bounds(keep)[lists.indptr], lists.items[keep])

    @cached_property
    def _outside(self) -> npt.NDArray[np.bool_]:
        """bool[I], the items that are not in the only urn."""
        outside = np.ones(self.forbidden.n_items, np.bool_)
        outside[self.urns.items if len(self.urns.items) else slice(int(self.urns.edges[-1]))] = False
        return outside


def uniform_distinct(exclusions: Exclusions, key: Key, units: Int64, rows: Int64, k: int) -> tuple[Int64, Float32]:
    """Draw k distinct items per row, uniformly among those not excluded.

    Args:
        exclusions: rows of urns with one ticket per item.
        key: key of the noise.
        units: int64[R], the rows' own numbers.
        rows: int64[R], the rows to draw for.
        k: how many to draw.

    Returns:
        int64[R, k] items in random order, −1 where a row has no more; float32[R, k], log of the inclusion probability
        min(1, k / (n − deg)).
    """
    free = exclusions.tables.left[rows]
    places = np.full((len(rows), k), -1, np.int64)
    small = np.flatnonzero((free <= SMALL * k) & (free > 0))
    step = max(1, DENSE_CELLS // (SMALL * k))
    for part in (small[start : start + step] for start in range(0, len(small), step)):
        ranks = np.arange(int(free[part].max()))
        noise = _array.counter_uniform(key, units[part, None], ranks[None, :])
        chosen = _array.top_k(np.where(ranks < free[part, None], noise, -np.inf), min(k, len(ranks)))
        found = places_of(exclusions.tables, rows[part], np.ascontiguousarray(chosen.T)).T
        places[part, : chosen.shape[1]] = np.where(chosen < free[part, None], found, -1)
    large = np.flatnonzero(free > SMALL * k)
    places[large] = distinct(exclusions, key, units[large], rows[large], k)
    log_q = np.log(np.minimum(1.0, k / np.maximum(free, 1))).astype(np.float32)
    return exclusions.urns.items_at(places), np.broadcast_to(log_q[:, None], places.shape)


def weighted_distinct(exclusions: Exclusions, key: Key, units: Int64, rows: Int64, k: int) -> tuple[Int64, Float32]:
    """Draw k distinct items per row one after another, each by its tickets among what is left.

    Args:
        exclusions: rows of an urn with weights.
        key: key of the noise.
        units: int64[R], the rows' own numbers.
        rows: int64[R], the rows to draw for.
        k: how many to draw.

    Returns:
        int64[R, k] in the order drawn, −1 where a row has no more; float32[R, k], log of the inclusion probability
        conditional on the threshold κ (Kool et al., 2020): 1 − exp(−exp(log w_j − κ)).
    """
    tickets, left = exclusions.urns.tickets, exclusions.tables.left[rows]
    places = np.full((len(rows), k), -1, np.int64)
    log_q = np.full((len(rows), k), np.nan, np.float32)
    heaviest = int(np.partition(tickets, max(len(tickets) - k, 0))[max(len(tickets) - k, 0) :].sum())
    by_turns = (left - heaviest > ENOUGH_WEIGHT * left) & (left >= ENOUGH_TICKETS)
    turns = np.flatnonzero(by_turns)
    places[turns] = distinct(exclusions, key, units[turns], rows[turns], k)
    log_q[turns] = _race(key, units[turns], tickets[places[turns]].astype(np.float64), left[turns].astype(np.float64))
    step = max(1, DENSE_CELLS // max(len(tickets), 1))
    dense = np.flatnonzero(~by_turns & (left > 0))
    for part in (dense[start : start + step] for start in range(0, len(dense), step)):
        places[part], log_q[part] = _dense_keys(exclusions, key, units[part], rows[part], k)
    return exclusions.urns.items_at(places), log_q


def _race(key: Key, units: Int64, weights: Float64, total: Float64) -> Float32:
    """Give log inclusion probabilities of draws made one after another, weights in the order drawn.

    Successive sampling is an exponential race: item j arrives at an Exp(w_j) time. Given the order of arrival the
    waiting times are independent, Exp(weight that has not arrived), so the time t of arrival k + 1 can be drawn
    afterwards; e^−κ = t.
    """
    gone = np.cumsum(np.concatenate([np.zeros((len(units), 1)), weights], axis=1), axis=1)
    noise = _array.counter_uniform(key._replace(stage=key.stage + ".race"), units[:, None], np.arange(gone.shape[1]))
    time = _array.row_sum(-np.log(noise) / (total[:, None] - gone))
    chance: Float32 = np.log(-np.expm1(-weights * time[:, None])).astype(np.float32)
    return chance


def _dense_keys(exclusions: Exclusions, key: Key, units: Int64, rows: Int64, k: int) -> tuple[Int64, Float32]:
    """Draw places by Gumbel keys over all items; for rows in which little of the weight may be drawn."""
    log_weights = exclusions.urns.log_weights
    stage = key._replace(stage=key.stage + ".dense")
    keys = log_weights + _array.gumbel(stage, units[:, None], exclusions.urns.items[None, :])
    keys[exclusions.places(rows).coordinates()] = -np.inf
    best = _array.top_k(keys, min(k + 1, keys.shape[1]))
    found = np.take_along_axis(keys, best, axis=1)
    threshold = found[:, k:] if found.shape[1] > k else np.full((len(units), 1), -np.inf)
    best = np.where(found > -np.inf, best, -1)[:, :k]
    excess = _array.take_valid(log_weights, best, np.nan) - threshold
    with np.errstate(over="ignore"):  # far above κ, or without one, the chance is 1
        log_q = np.log(-np.expm1(-np.exp(excess)))
    drawn = np.full((len(units), k), -1, np.int64)
    law = np.full((len(units), k), np.nan, np.float32)
    drawn[:, : best.shape[1]], law[:, : best.shape[1]] = best, log_q
    return drawn, law
