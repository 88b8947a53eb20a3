"""Select what may be among the best k of each row of a block of scores, compiled.

A row's shortlist holds what may still be among its best: ``counts[a]`` entries of ``items[a]`` and ``scores[a]``, by
item row. A score may be off by half of ``reach[a]`` either way, so an entry goes when k others are better by more than
``reach[a]``, or when it is below ``bounds[a]``. These rise with the k-th best; where they begin higher, the caller sees
to it that this was right. Shortlists are gone through when they have ``limits[a]`` entries. One that is full of scores
too close to tell apart is *stuck*.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from foils._fetch_numba import fetch
from foils.search.reaching_numba import CHUNK, lowest_bit, reaching, score_at

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32] | Int64
Screened = npt.NDArray[np.float32] | npt.NDArray[np.uint16] | Int32

HIGHEST = 2**31 - 1
"""Above the rank of every number."""


def first_limit(k: int, room: int) -> int:
    """Say how many entries a shortlist may have before it is gone through for the first time."""
    return min(2 * k, room)


@njit(nogil=True, cache=True, error_model="numpy")
def take(
    screen: Screened,
    units: Float32,
    first: int,
    reach: Float64,
    k: int,
    items: Rows,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    limits: Int64,
    resume: Int64,
) -> bool:
    """Add a block of scores to the shortlists.

    Args:
        screen: [A, I], scores of the items ``first`` …, contiguous: float32, −inf = must not be taken; or uint16, the
            upper halves of such numbers; or int32, the least = must not be taken.
        units: float32[A], what 1 is worth where they are integers.
        first: item row of the first column.
        reach: float64[A].
        k: how many are wanted.
        items: int32 or int64[A, R], written.
        scores: float32[A, R], written.
        counts: int64[A], written.
        bounds: float32[A], written.
        limits: int64[A], written.
        resume: int64[A], the column that each row goes on from; written: I where the row is done.

    Returns:
        whether a row is stuck; its ``resume`` says where.
    """
    ranks, values = np.empty(items.shape[1], np.int32), screen.reshape(screen.size)
    width, room, stuck = screen.shape[1], items.shape[1], False
    items_flat, scores_flat = items.reshape(items.size), scores.reshape(scores.size)
    for a in range(screen.shape[0]):
        if a + 1 < screen.shape[0]:
            fetch(items_flat, (a + 1) * room + counts[a + 1])
            fetch(scores_flat, (a + 1) * room + counts[a + 1])
        start, column, count, bound, limit, full = a * width, resume[a], counts[a], bounds[a], limits[a], False
        while column < width and not full:
            end = min(column + CHUNK, width)
            if end - column == CHUNK:
                hits = reaching(values, start + column, units[a], bound)
            else:
                hits = _reaching_some(values, start + column, start + end, units[a], bound)
            while hits:
                at = column + lowest_bit(hits)
                hits &= hits - np.uint64(1)
                if count >= limit:
                    count, bound = _pruned(items, scores, a, count, bound, reach[a], k, ranks)
                    limit = min(room, max(2 * k, count + count // 2 + 1))
                    full = count > (room + k) // 2
                    if full:
                        end = at
                        break
                value = score_at(values, start + at, units[a])
                if value >= bound:
                    items[a, count], scores[a, count] = first + at, value
                    count += 1
            column = end
        resume[a], counts[a], bounds[a], limits[a] = column, count, bound, limit
        stuck |= full
    return stuck


@njit(nogil=True, cache=True, error_model="numpy")
def prune(reach: Float64, k: int, items: Rows, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    scratch = np.empty(items.shape[1], np.int32)
    for a in range(items.shape[0]):
        if counts[a] > k:
            counts[a], bounds[a] = _pruned(items, scores, a, counts[a], bounds[a], reach[a], k, scratch)


@njit(nogil=True, cache=True, error_model="numpy")
def adopt(
    rows: Int64, values: Float32, reach: Float64, k: int, items: Rows, scores: Float32, counts: Int64, bounds: Float32
) -> None:
    """Let better scores take the place of a screen's, and go of every entry that has none or cannot be among the best.

    Args:
        rows: int64[S], whose shortlists.
        values: float32[S, L], better scores by place; NaN = none.
        reach: float64[S], twice what these may be off by.
        k: how many are wanted.
        items: int32 or int64[A, R], written.
        scores: float32[A, R], written.
        counts: int64[A], written.
        bounds: float32[S], written: what their k-th best less ``reach`` is; raised only.
    """
    scratch = np.empty(items.shape[1], np.int32)
    for s in range(rows.size):
        a, kept = rows[s], np.int64(0)
        for i in range(counts[a]):
            if not np.isnan(values[s, i]):
                items[a, kept], scores[a, kept] = items[a, i], values[s, i]
                kept += 1
        if kept > k:
            kept, bounds[s] = _pruned(items, scores, a, kept, bounds[s], reach[s], k, scratch)
        counts[a] = kept


@njit(nogil=True, cache=True, error_model="numpy")
def leading(rows: Int64, scores: Float32, counts: Int64, k: int, at: Int64, places: Int64) -> int:
    """List the entries that are among the best k of their row as far as the screen tells, ties included.

    Args:
        rows: int64[S], whose shortlists.
        scores: float32[A, R].
        counts: int64[A].
        k: how many.
        at: int64[at least as many as their counts], written: where in ``rows``.
        places: int64[the same], written.

    Returns:
        how many were written.
    """
    scratch = np.empty(scores.shape[1], np.int32)
    written = 0
    for s in range(rows.size):
        a = rows[s]
        least = np.float32(-np.inf)
        if counts[a] > k:
            least = _largest(scores[a], counts[a], k, scratch)
        for i in range(counts[a]):
            if scores[a, i] >= least:
                at[written], places[written] = s, i
                written += 1
    return written


@njit(nogil=True, cache=True, error_model="numpy")
def near(rows: Int64, scores: Float32, values: Float32, counts: Int64, slack: Float64, at: Int64, places: Int64) -> int:
    """List the entries without a better score that may still equal the least such score of their row, or be above it.

    Args:
        rows: int64[S], whose shortlists.
        scores: float32[A, R], of the screen.
        values: float32[S, L], better scores by place; NaN = not known.
        counts: int64[A].
        slack: float64[A], by which the two may differ.
        at: int64[at least as many as their counts], written: where in ``rows``.
        places: int64[the same], written.

    Returns:
        how many were written.
    """
    written = 0
    for s in range(rows.size):
        a, least = rows[s], np.inf
        for i in range(counts[a]):
            if values[s, i] < least:
                least = np.float64(values[s, i])
        for i in range(counts[a]):
            if np.isnan(values[s, i]) and scores[a, i] >= least - slack[a]:
                at[written], places[written] = s, i
                written += 1
    return written


@njit(nogil=True, cache=True, error_model="numpy")
def best(rows: Int64, items: Rows, values: Float32, counts: Int64, found: Int64, scores: Float32) -> None:
    """Write the best k of some shortlists, by (−value, item row).

    Args:
        rows: int64[S], whose.
        items: int32 or int64[A, R].
        values: float32[S, L], canonical, by place; NaN = not among the best.
        counts: int64[A].
        found: int64[S, k], written: −1 where there are fewer.
        scores: float32[S, k], written: NaN where there are fewer.
    """
    k = found.shape[1]
    for s in range(rows.size):
        a = rows[s]
        # One number orders both: the bits of the falling value above, the place below.
        keys = np.empty(counts[a], np.int64)
        bits = values[s, : counts[a]].view(np.int32)
        known = 0
        for i in range(counts[a]):
            if not np.isnan(values[s, i]):
                rising = bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))
                keys[known] = ((-np.int64(rising)) << np.int64(32)) + i
                known += 1
        ordered = np.sort(keys[:known])
        taken = min(known, k)
        for place in range(taken):
            i = ordered[place] & np.int64(0xFFFFFFFF)
            found[s, place], scores[s, place] = items[a, i], values[s, i]
        found[s, taken:] = -1
        scores[s, taken:] = np.nan


@njit(nogil=True, cache=True, error_model="numpy")
def _reaching_some(values: Screened, start: int, stop: int, unit: np.float32, bound: np.float32) -> np.uint64:
    """Do what ``reaching`` does with fewer scores."""
    hits = np.uint64(0)
    for at in range(start, stop):
        hits |= np.uint64(score_at(values, at, unit) >= bound) << np.uint64(at - start)
    return hits


@njit(nogil=True, cache=True, error_model="numpy")
def _pruned(
    items: Rows, scores: Float32, a: int, count: np.int64, bound: np.float32, reach: float, k: int, ranks: Int32
) -> tuple[np.int64, np.float32]:
    """Keep the entries of one row within reach of its k-th best; give their number and the new bound."""
    # Rounding to nearest is at most half a step too high.
    limit = np.float32(np.float64(_largest(scores[a], count, k, ranks)) - reach)
    bound = max(bound, np.nextafter(limit, np.float32(-np.inf)))
    kept = np.uint64(0)
    for i in range(np.uint64(count)):  # without a branch: about half go, in no order
        score = scores[a, i]
        items[a, kept], scores[a, kept] = items[a, i], score
        kept += np.uint64(score >= bound)
    return np.int64(kept), bound


@njit(nogil=True, cache=True, error_model="numpy")
def _largest(values: Float32, count: np.int64, k: int, ranks: Int32) -> np.float32:
    """Give the k-th largest of the first ``count`` values.

    By halving: numbers of the order of the values are tried until k values have at least that. What counts them is
    vectorised, and faster than to move the values about.

    Args:
        values: float32[at least ``count``].
        count: how many there are; at least k.
        k: which of them.
        ranks: int32[at least ``count``], written over.
    """
    bits = values.view(np.int32)
    for i in range(count):
        ranks[i] = _flipped(bits[i])
    least, most = np.int32(HIGHEST), np.int32(-HIGHEST)
    for i in range(count):
        least, most = min(least, ranks[i]), max(most, ranks[i])
    low, high = np.int64(least), np.int64(most) + 1
    while high - low > 1:
        middle = (low + high) // 2
        above = _count_from(ranks, count, middle)
        if above >= k:
            low = middle
        else:
            high = middle
        if above == k:
            break
    ranks[0] = _flipped(_least_from(ranks, count, low))
    kth: np.float32 = ranks.view(np.float32)[0]
    return kth


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _flipped(bits: np.int32) -> np.int32:
    """Turn the bits of a number into an integer of the same order, and back."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(HIGHEST)))


@njit(nogil=True, cache=True, error_model="numpy")
def _count_from(ranks: Int32, count: np.int64, least: np.int64) -> np.int32:
    """Count the ranks from ``least`` on."""
    above, bar = np.int32(0), np.int32(least)
    for i in range(count):
        above = np.int32(above + np.int32(ranks[i] >= bar))
    return above


@njit(nogil=True, cache=True, error_model="numpy")
def _least_from(ranks: Int32, count: np.int64, least: np.int64) -> np.int32:
    """Give the lowest rank from ``least`` on."""
    lowest, bar = np.int32(HIGHEST), np.int32(least)
    for i in range(count):
        lowest = min(lowest, np.int32(ranks[i] if ranks[i] >= bar else HIGHEST))
    return lowest
