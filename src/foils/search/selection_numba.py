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
Int64 = npt.NDArray[np.int64]

CHUNK = 128
"""Scores compared with the bound at once: the comparison is vectorised, and mostly finds none."""


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
    width, room = screen.shape[1], items.shape[1]
    scratch = np.empty(room, np.float32)
    hits = np.empty(CHUNK, np.uint8)
    eights = hits.view(np.uint64)
    stuck = False
    for a in range(screen.shape[0]):
        column, count, bound, limit = resume[a], counts[a], bounds[a], limits[a]
        full = False
        while column < width and not full:
            chunk = screen[a, column : min(column + CHUNK, width)]
            if not _any_from(chunk, bound):
                column += chunk.size
                continue
            hits[:] = 0
            for i in range(chunk.size):
                hits[i] = chunk[i] >= bound
            at = 0
            while at < chunk.size and not full:
                if at % 8 == 0 and eights[at // 8] == 0:
                    at += 8
                    continue
                if hits[at] and count >= limit:
                    count, bound = _pruned(items[a], scores[a], count, bound, reach[a], k, scratch)
                    limit = min(room, max(2 * k, count + k // 2 + 1))
                    full = count > (room + k) // 2
                if not full:
                    if hits[at] and chunk[at] >= bound:
                        items[a, count] = first + column + at
                        scores[a, count] = chunk[at]
                        count += 1
                    at += 1
            column += min(at, chunk.size)
        stuck |= full
        resume[a], counts[a], bounds[a], limits[a] = column, count, bound, limit
    return stuck


@njit(nogil=True, cache=True, error_model="numpy")
def prune(reach: Float64, k: int, items: Int64, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    scratch = np.empty(items.shape[1], np.float32)
    for a in range(items.shape[0]):
        if counts[a] > k:
            counts[a], bounds[a] = _pruned(items[a], scores[a], counts[a], bounds[a], reach[a], k, scratch)


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
    scratch = np.empty(scores.shape[1], np.float32)
    written = 0
    for a in range(scores.shape[0]):
        count = counts[a]
        scratch[:count] = scores[a, :count]
        least = np.float32(-np.inf)
        if count > k:
            least = _largest(scratch, count, k)
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
def _any_from(scores: Float32, bound: float) -> bool:
    """Say whether a score reaches the bound; without a branch, so that it is vectorised."""
    hit = np.int32(0)
    for i in range(scores.size):
        hit |= np.int32(scores[i] >= bound)
    return bool(hit)


@njit(nogil=True, cache=True, error_model="numpy")
def _pruned(
    items: Int64, scores: Float32, count: int, bound: np.float32, reach: float, k: int, scratch: Float32
) -> tuple[int, np.float32]:
    """Keep the entries of one row within reach of its k-th best; give their number and the new bound."""
    scratch[:count] = scores[:count]
    # Rounding to nearest is at most half a step too high.
    limit = np.float32(np.float64(_largest(scratch, count, k)) - reach)
    bound = max(bound, np.nextafter(limit, np.float32(-np.inf)))
    kept = 0
    for i in range(count):
        if scores[i] >= bound:
            items[kept], scores[kept] = items[i], scores[i]
            kept += 1
    return kept, bound


@njit(nogil=True, cache=True, error_model="numpy")
def _largest(values: Float32, count: int, k: int) -> np.float32:
    """Give the k-th largest of the first ``count`` values, which are moved about (Hoare, 1961)."""
    low, high, place = 0, count - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    kth: np.float32 = values[place]
    return kth
