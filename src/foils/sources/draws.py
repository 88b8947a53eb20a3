"""Exact draws without replacement, with items excluded per row.

Uniform, by *skip-rank*: with a row's excluded items a_0 < a_1 < …, draw r from {0 … n − deg − 1} and answer
r + #{j : a_j − j ≤ r}. No rejection of excluded items, so a row with 99 % of the items excluded costs nothing more.

Weighted, by *alias table* (Vose, 1991) with redraw: excluded and repeated items are drawn again, which is sampling
from P(j) ∝ w_j among what is left, one after another (Plackett–Luce). Rows in which too little of the weight may be
drawn use Gumbel keys over all items instead: the same law, at the cost of n per row. Which way a row goes depends on
its weights and on k alone.

The noise of draw number c is hash(key, unit, c), so a row's draws do not depend on the other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.positives import Int64, Relation, Units
from foils.search import Forbidden

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

SMALL = 4
"""A row with at most this many times k items to draw from gets a random key for each of them."""
ENOUGH_WEIGHT = 0.25
"""A row is drawn by rejection if at least this share of all weight remains even after its k heaviest draws."""
DENSE_CELLS = 1 << 20
"""Gumbel keys held at once."""


@dataclass(frozen=True, eq=False)
class Pool:
    """The items that may be drawn at all, numbered 0 … n − 1.

    Attributes:
        items: int64[n], ascending item rows.
        places: int64[I], the number of each item in the pool; −1 = not in it.
    """

    items: Int64
    places: Int64

    @classmethod
    def of(cls, allowed: npt.NDArray[np.bool_]) -> Pool:
        """Number the items where ``allowed`` is True."""
        return cls(np.flatnonzero(allowed), np.where(allowed, np.cumsum(allowed) - 1, -1))

    def restrict(self, excluded: Relation) -> Relation:
        """Restate excluded items by their numbers in the pool; those outside fall away."""
        places = self.places[excluded.items]
        inside = places >= 0
        return Relation(segments.bounds(inside)[excluded.indptr], places[inside])


def uniform_distinct(key: Key, units: Int64, excluded: Relation, pool: Pool, k: int) -> tuple[Int64, Float32]:
    """Draw k distinct items of the pool per row, uniformly among those not excluded.

    Args:
        key: key of the noise.
        units: int64[A], the rows' own numbers.
        excluded: row i holds the items that ``units[i]`` must not get.
        pool: the items to draw from.
        k: how many to draw.

    Returns:
        int64[A, k] items in random order, −1 where a row has no more; float32[A, k], log of the inclusion probability
        min(1, k / (n − deg)).
    """
    barred = pool.restrict(excluded)
    rows, places = barred.coordinates()
    skips = places - (np.arange(len(places)) - barred.indptr[:-1][rows])
    free = len(pool.items) - barred.degrees
    drawn = np.full((len(units), k), -1, np.int64)

    def skip(rows: Int64, ranks: Int64) -> Int64:
        below = _array.row_searchsorted(skips, barred.indptr, rows, ranks, "right")
        return np.where(ranks >= 0, pool.items[np.where(ranks >= 0, ranks + below, 0)], -1)

    def draw(rows: Int64, count: int) -> Int64:
        noise = _array.counter_uniform(key, units[rows, None], np.arange(count)[None, :])
        return skip(rows, (noise * free[rows, None]).astype(np.int64))

    small = np.flatnonzero((free <= SMALL * k) & (free > 0))
    if len(small):
        ranks = np.arange(int(free[small].max()))
        noise = _array.counter_uniform(key, units[small, None], ranks[None, :])
        chosen = _array.top_k(np.where(ranks < free[small, None], noise, -np.inf), min(k, len(ranks)))
        chosen = np.where(chosen < free[small, None], chosen, -1)
        drawn[small, : chosen.shape[1]] = skip(small, chosen)
    large = np.flatnonzero(free > SMALL * k)
    drawn[large] = _first_distinct(draw, large, k)
    log_q = np.log(np.minimum(1.0, k / np.maximum(free, 1))).astype(np.float32)
    return drawn, np.broadcast_to(log_q[:, None], drawn.shape)


@dataclass(frozen=True, eq=False)
class AliasTable:
    """Constant-time draws from P(j) ∝ w_j.

    Attributes:
        weights: float64[n], by item row, not negative.
        items: int64[c], the item of each cell: those with a weight above 0.
        accept: float64[c], the chance that a cell answers its own item.
        alias: int64[c], the item it answers otherwise.
    """

    weights: Float64
    items: Int64
    accept: Float64
    alias: Int64

    @classmethod
    def build(cls, weights: Float64) -> AliasTable:
        """Build the table in O(n) (Vose, 1991)."""
        items = np.flatnonzero(weights)
        share = weights[items] / weights.sum() * len(items)
        accept, alias = np.ones(len(items)), np.arange(len(items))
        small, large = np.flatnonzero(share < 1).tolist(), np.flatnonzero(share >= 1).tolist()
        while small and large:
            low, high = small.pop(), large[-1]
            accept[low], alias[low] = share[low], high
            share[high] -= 1 - share[low]
            if share[high] < 1:
                small.append(large.pop())
        return cls(weights, items, accept, items[alias])  # what is left over is 1 up to rounding

    def draw(self, key: Key, units: Int64, counters: Int64) -> Int64:
        """Draw one item per (unit, counter), with replacement: int64 of their broadcast shape."""
        scaled = _array.counter_uniform(key, units, 2 * counters) * len(self.items)
        cell = scaled.astype(np.int64)
        noise = _array.counter_uniform(key, units, 2 * counters + 1)
        answer: Int64 = np.where(noise < self.accept[cell], self.items[cell], self.alias[cell])
        return answer


def weighted_distinct(key: Key, units: Int64, excluded: Relation, table: AliasTable, k: int) -> tuple[Int64, Float32]:
    """Draw k distinct items per row one after another, each by P(j) ∝ w_j among what is left.

    Returns:
        int64[A, k] in the order drawn, −1 where a row has no more; float32[A, k], log of the inclusion probability
        conditional on the threshold κ (Kool et al., 2020): 1 − exp(−exp(log w_j − κ)).
    """
    weights = table.weights
    drawn = np.full((len(units), k), -1, np.int64)
    log_q = np.full((len(units), k), np.nan, np.float32)
    total = float(weights.sum())
    if total == 0:
        return drawn, log_q
    barred = _array.segment_reduce(weights[excluded.items], excluded.indptr, "sum")
    heaviest = float(np.partition(weights, max(len(weights) - k, 0))[max(len(weights) - k, 0) :].sum())
    by_rejection = total - barred - heaviest >= ENOUGH_WEIGHT * total

    def draw(rows: Int64, count: int) -> Int64:
        found = table.draw(key, units[rows, None], np.arange(count)[None, :])
        return np.where(excluded.contains(rows, found), -1, found)

    rows = np.flatnonzero(by_rejection)
    drawn[rows] = _first_distinct(draw, rows, k)
    log_q[rows] = _race(key, units[rows], weights[drawn[rows]], total - barred[rows])
    step = max(1, DENSE_CELLS // len(weights))
    dense = np.flatnonzero(~by_rejection)
    for start in range(0, len(dense), step):
        part = dense[start : start + step]
        drawn[part], log_q[part] = _dense_keys(key, units[part], excluded.take(part), weights, k)
    return drawn, log_q


def in_parts(
    draw: Callable[[Int64, Relation], tuple[Int64, Float32]], units: Units, forbidden: Forbidden
) -> tuple[Int64, Float32]:
    """Draw for a part of the units at a time, so that what is forbidden for them fits in memory.

    Args:
        draw: unit keys, and what each must not get → items and log_q.
        units: who draws.
        forbidden: what nobody may get.
    """
    found = [draw(units.keys[part], forbidden.whole(units.anchors[part])) for part in forbidden.parts(len(units))]
    items, log_q = zip(*found, strict=True)
    return np.concatenate(items), np.concatenate(log_q)


def _first_distinct(draw: Callable[[Int64, int], Int64], rows: Int64, k: int) -> Int64:
    """Take the first k distinct numbers of each row's endless sequence of draws; −1 in a draw means redraw."""
    taken = np.full((len(rows), k), -1, np.int64)
    todo, count = np.arange(len(rows)), k + k // 2 + 8
    while len(todo):
        found = draw(rows[todo], count)
        fresh = _array.row_unique(found)
        order = np.cumsum(fresh, axis=1)
        done = order[:, -1] >= k
        at = np.nonzero(fresh & (order <= k) & done[:, None])
        taken[todo[at[0]], order[at] - 1] = found[at]
        todo, count = todo[~done], 2 * count
    return taken


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


def _dense_keys(key: Key, units: Int64, excluded: Relation, weights: Float64, k: int) -> tuple[Int64, Float32]:
    """Draw by Gumbel keys over all items; for rows in which little of the weight may be drawn."""
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights)
    stage = key._replace(stage=key.stage + ".dense")
    keys = log_weights + _array.gumbel(stage, units[:, None], np.arange(len(weights))[None, :])
    keys[excluded.coordinates()] = -np.inf
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
