"""Select what may be among the best k of each row of a block of scores, compiled.

A row's shortlist holds what may still be among its best: ``counts[a]`` entries of ``items[a]`` and ``scores[a]``, by
item row. A score may be off by half of ``reach[a]`` either way, so an entry goes only when k others are better by more
than ``reach[a]``; ``bounds[a]`` is what a new one must have at least. Shortlists are gone through when they have
``limits[a]`` entries. One that is full of scores too close to tell apart is *stuck*.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt16 = npt.NDArray[np.uint16]

CHUNK = 64
"""Scores compared with the bound at once: the comparison is vectorised, and mostly finds none."""
BARRED = -(2**31)
"""What stands for −inf among integers."""
HIGHEST = 2**31 - 1
"""Above the rank of every number."""


def first_limit(k: int, room: int) -> int:
    """Say how many entries a shortlist may have before it is gone through for the first time."""
    return min(2 * k, room)


@njit(nogil=True, cache=True, error_model="numpy")
def take(
    screen: Float32,
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    limits: Int64,
    resume: Int64,
) -> bool:
    """Add a block of scores to the shortlists.

    Args:
        screen: float32[A, I], scores of the items ``first`` …; −inf = must not be taken.
        first: item row of the first column.
        reach: float64[A].
        k: how many are wanted.
        items: int64[A, R], written.
        scores: float32[A, R], written.
        counts: int64[A], written.
        bounds: float32[A], written.
        limits: int64[A], written.
        resume: int64[A], the column that each row goes on from; written: I where the row is done.

    Returns:
        whether a row is stuck; its ``resume`` says where.
    """
    ranks, hits = np.empty(items.shape[1], np.int32), np.empty(CHUNK, np.int64)
    stuck = False
    for a in range(screen.shape[0]):
        resume[a], counts[a], bounds[a], limits[a], full = _take_row(
            screen, a, first, reach[a], k, items, scores, a, resume[a], counts[a], bounds[a], limits[a], ranks, hits
        )
        stuck |= full
    return stuck


@njit(nogil=True, cache=True, error_model="numpy")
def take_halves(
    screen: UInt16,
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    limits: Int64,
    resume: Int64,
) -> bool:
    """Do what ``take`` does with scores in bfloat16: uint16[A, I], the upper halves of float32 numbers."""
    ranks, hits = np.empty(items.shape[1], np.int32), np.empty(CHUNK, np.int64)
    bits = np.empty((1, screen.shape[1]), np.uint32)
    row = bits.view(np.float32)
    stuck = False
    for a in range(screen.shape[0]):
        for i in range(screen.shape[1]):
            bits[0, i] = np.uint32(screen[a, i]) << np.uint32(16)
        resume[a], counts[a], bounds[a], limits[a], full = _take_row(
            row, 0, first, reach[a], k, items, scores, a, resume[a], counts[a], bounds[a], limits[a], ranks, hits
        )
        stuck |= full
    return stuck


@njit(nogil=True, cache=True, error_model="numpy")
def take_integers(
    units: Float32,
    screen: Int32,
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    limits: Int64,
    resume: Int64,
) -> bool:
    """Do what ``take`` does with scores int32[A, I], of which 1 is worth ``units[a]``; the least int32 is −inf."""
    ranks, hits = np.empty(items.shape[1], np.int32), np.empty(CHUNK, np.int64)
    row = np.empty((1, screen.shape[1]), np.float32)
    stuck = False
    for a in range(screen.shape[0]):
        unit = units[a]
        for i in range(screen.shape[1]):
            value = screen[a, i]
            row[0, i] = np.float32(value) * unit if value != BARRED else np.float32(-np.inf)
        resume[a], counts[a], bounds[a], limits[a], full = _take_row(
            row, 0, first, reach[a], k, items, scores, a, resume[a], counts[a], bounds[a], limits[a], ranks, hits
        )
        stuck |= full
    return stuck


@njit(nogil=True, cache=True, error_model="numpy")
def prune(reach: Float64, k: int, items: Int64, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    scratch = np.empty(items.shape[1], np.int32)
    for a in range(items.shape[0]):
        if counts[a] > k:
            counts[a], bounds[a] = _pruned(items, scores, a, counts[a], bounds[a], reach[a], k, scratch)


@njit(nogil=True, cache=True, error_model="numpy")
def leading(scores: Float32, counts: Int64, k: int, rows: Int64, places: Int64) -> int:
    """List the entries that are among the best k of their row as far as the screen tells, ties included.

    Args:
        scores: float32[A, R].
        counts: int64[A].
        k: how many.
        rows: int64[at least as many as all counts], written.
        places: int64[the same], written.

    Returns:
        how many were written.
    """
    scratch = np.empty(scores.shape[1], np.int32)
    written = 0
    for a in range(scores.shape[0]):
        count = counts[a]
        least = np.float32(-np.inf)
        if count > k:
            least = _largest(scores[a], count, k, scratch)
        for i in range(count):
            if scores[a, i] >= least:
                rows[written], places[written] = a, i
                written += 1
    return written


@njit(nogil=True, cache=True, error_model="numpy")
def near(scores: Float32, values: Float32, counts: Int64, slack: Float64, rows: Int64, places: Int64) -> int:
    """List the entries without a canonical value that may still equal the least value of their row, or be above it.

    Args:
        scores: float32[A, R], of the screen, each off by at most ``slack``.
        values: float32[A, R], canonical; NaN = not known.
        counts: int64[A].
        slack: float64[A].
        rows: int64[at least as many as all counts], written.
        places: int64[the same], written.

    Returns:
        how many were written.
    """
    written = 0
    for a in range(scores.shape[0]):
        least = np.inf
        for i in range(counts[a]):
            if values[a, i] < least:
                least = np.float64(values[a, i])
        for i in range(counts[a]):
            if np.isnan(values[a, i]) and scores[a, i] >= least - slack[a]:
                rows[written], places[written] = a, i
                written += 1
    return written


@njit(nogil=True, cache=True, error_model="numpy")
def best(items: Int64, values: Float32, counts: Int64, found: Int64, scores: Float32) -> None:
    """Write the best k of each shortlist, by (−value, item row).

    Args:
        items: int64[A, R].
        values: float32[A, R], canonical; NaN = not among the best.
        counts: int64[A].
        found: int64[A, k], written: −1 where there are fewer.
        scores: float32[A, k], written: NaN where there are fewer.
    """
    k = found.shape[1]
    for a in range(items.shape[0]):
        # One number orders both: the bits of the falling value above, the place below.
        keys = np.empty(counts[a], np.int64)
        bits = values[a, : counts[a]].view(np.int32)
        known = 0
        for i in range(counts[a]):
            if not np.isnan(values[a, i]):
                rising = bits[i] ^ ((bits[i] >> np.int32(31)) & np.int32(0x7FFFFFFF))
                keys[known] = ((-np.int64(rising)) << np.int64(32)) + i
                known += 1
        ordered = np.sort(keys[:known])
        taken = min(known, k)
        for place in range(taken):
            i = ordered[place] & np.int64(0xFFFFFFFF)
            found[a, place], scores[a, place] = items[a, i], values[a, i]
        found[a, taken:] = -1
        scores[a, taken:] = np.nan


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _take_row(
    screen: Float32,
    row: int,
    first: int,
    reach: float,
    k: int,
    items: Int64,
    scores: Float32,
    a: int,
    column: int,
    count: np.int64,
    bound: np.float32,
    limit: int,
    ranks: Int32,
    hits: Int64,
) -> tuple[int, np.int64, np.float32, int, bool]:
    """Add ``screen[row]`` to shortlist ``a``; give its column, count, bound and limit, and whether it is stuck."""
    width, room, full = screen.shape[1], items.shape[1], False
    while column < width and not full:
        if column + CHUNK <= width and not _any_from(screen, row, column, bound):
            column += CHUNK
            continue
        found = _list_from(screen, row, column, min(column + CHUNK, width), bound, hits)
        column += CHUNK
        for place in range(found):
            at = hits[place]
            if count >= limit:
                count, bound = _pruned(items, scores, a, count, bound, reach, k, ranks)
                limit = min(room, max(2 * k, count + count // 2 + 1))
                full = count > (room + k) // 2
                if full:
                    column = at
                    break
            if screen[row, at] >= bound:
                items[a, count], scores[a, count] = first + at, screen[row, at]
                count += 1
    return min(column, width), count, bound, limit, full


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _any_from(screen: Float32, a: int, column: int, bound: np.float32) -> bool:
    """Say whether a score of a chunk reaches the bound; without a branch, so that it is vectorised."""
    start, hit = np.uint64(column), np.int32(0)
    for i in range(np.uint64(CHUNK)):
        hit |= np.int32(screen[a, start + i] >= bound)
    return bool(hit)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _list_from(screen: Float32, a: int, column: int, end: int, bound: np.float32, hits: Int64) -> np.int64:
    """List the columns of a chunk whose scores reach the bound, without a branch; give their number."""
    found = np.uint64(0)
    for i in range(np.uint64(column), np.uint64(end)):
        hits[found] = i
        found += np.uint64(screen[a, i] >= bound)
    return np.int64(found)


@njit(nogil=True, cache=True, error_model="numpy")
def _pruned(
    items: Int64, scores: Float32, a: int, count: np.int64, bound: np.float32, reach: float, k: int, ranks: Int32
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
