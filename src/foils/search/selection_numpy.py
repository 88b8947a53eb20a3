"""Select what may be among the best k of each row of a block of scores, in NumPy; see ``selection_numba``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt16 = npt.NDArray[np.uint16]

BARRED = -(2**31)
"""What stands for −inf among integers."""
CELLS = 1 << 16
"""Cells that are looked at together, of blocks with many hits."""
MOST_HITS = 1 << 15
"""Hits that are added together; where there are no more, all rows of a block are looked at at once."""


def first_limit(k: int, room: int) -> int:
    """Say how many entries a shortlist may have before it is gone through for the first time."""
    return min(3 * k, room)


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
    """Add a block of scores to the shortlists; see ``selection_numba.take``."""
    width, room = screen.shape[1], items.shape[1]
    long = np.flatnonzero((counts >= limits) & (counts > k))
    _prune(long, reach, k, items, scores, counts, bounds)
    limits[long] = np.clip(counts[long] + counts[long] // 2 + 1, first_limit(k, room), room)
    hits = screen >= bounds[:, None]
    if resume.any():
        hits &= np.arange(width) >= resume[:, None]
    few = np.count_nonzero(hits) <= MOST_HITS
    step = len(screen) if few else CELLS // (width + room)
    for part in _parts(len(screen), step):
        rows = (items[part], scores[part], counts[part], bounds[part])
        _take_rows(screen[part], hits[part], first, reach[part], k, *rows, resume[part])
    return bool((resume < width).any())


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
    """Do what ``take`` does with scores in bfloat16; see ``selection_numba.take_halves``."""
    single = np.left_shift(screen, 16, dtype=np.uint32).view(np.float32)
    return take(single, first, reach, k, items, scores, counts, bounds, limits, resume)


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
    """Do what ``take`` does with integers; see ``selection_numba.take_integers``."""
    single = screen.astype(np.float32)
    single *= units[:, None]
    single[screen == BARRED] = -np.inf
    return take(single, first, reach, k, items, scores, counts, bounds, limits, resume)


def prune(reach: Float64, k: int, items: Int64, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    _prune(np.flatnonzero(counts > k), reach, k, items, scores, counts, bounds)


def leading(scores: Float32, counts: Int64, k: int, rows: Int64, places: Int64) -> int:
    """List the entries that are among the best k of their row as far as the screen tells; see ``selection_numba``."""
    held = np.where(np.arange(scores.shape[1]) < counts[:, None], scores, np.float32(-np.inf))
    cut = max(held.shape[1] - k, 0)
    least = np.partition(held, cut, axis=1)[:, cut, None]
    return _list((held >= least) & (held > -np.inf), rows, places)


def near(scores: Float32, values: Float32, counts: Int64, slack: Float64, rows: Int64, places: Int64) -> int:
    """List the entries without a canonical value that may still be needed; see ``selection_numba``."""
    known = ~np.isnan(values)
    least = np.where(known, values, np.inf).min(axis=1, initial=np.inf) - slack
    here = np.arange(scores.shape[1]) < counts[:, None]
    return _list(here & ~known & (scores >= least[:, None]), rows, places)


def best(items: Int64, values: Float32, counts: Int64, found: Int64, scores: Float32) -> None:
    """Write the best k of each shortlist, by (−value, item row); see ``selection_numba``."""
    k = min(found.shape[1], items.shape[1])
    known = (np.arange(items.shape[1]) < counts[:, None]) & ~np.isnan(values)
    order = np.argsort(np.where(known, -values, np.inf), axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(known, order, axis=1)
    found[:, :k] = np.where(there, np.take_along_axis(items, order, axis=1), -1)
    scores[:, :k] = np.where(there, np.take_along_axis(values, order, axis=1), np.nan)
    found[:, k:], scores[:, k:] = -1, np.nan


def _list(cells: npt.NDArray[np.bool_], rows: Int64, places: Int64) -> int:
    at, within = np.nonzero(cells)
    rows[: len(at)], places[: len(at)] = at, within
    return len(at)


def _take_rows(
    screen: Float32,
    hits: npt.NDArray[np.bool_],
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    resume: Int64,
) -> None:
    """Add the hits among a block of scores to the shortlists."""
    room = items.shape[1]
    resume[:] = screen.shape[1]
    rows, columns = _cells(hits)
    while len(rows):
        new = np.bincount(rows, minlength=len(screen))
        full = np.flatnonzero((counts + new > room) & (counts > k))
        if len(full):
            _prune(full, reach, k, items, scores, counts, bounds)
            is_stuck = np.zeros(len(screen), bool)
            is_stuck[full] = counts[full] > (room + k) // 2
            keep = screen[rows, columns] >= bounds[rows]
            later = is_stuck[rows] & keep
            np.minimum.at(resume, rows[later], columns[later])
            rows, columns = rows[keep & ~later], columns[keep & ~later]
            new = np.bincount(rows, minlength=len(screen))
        places = counts[rows] + np.arange(len(rows)) - (np.cumsum(new) - new)[rows]
        fits = places < room
        at, where, into = rows[fits], columns[fits], places[fits]
        items[at, into], scores[at, into] = first + where, screen[at, where]
        np.minimum(counts + new, room, out=counts)
        rows, columns = rows[~fits], columns[~fits]


def _parts(count: int, step: int) -> Iterator[slice]:
    """Cut rows into parts of ``step``, or of one."""
    return (slice(start, start + max(1, step)) for start in range(0, count, max(1, step)))


def _prune(rows: Int64, reach: Float64, k: int, items: Int64, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Keep the entries of these rows, with more than k each, that are within reach of the k-th best."""
    longest = int(counts[rows].max(initial=1))
    for part in _parts(len(rows), CELLS // longest):
        some = rows[part]
        held = np.where(np.arange(longest) < counts[some, None], scores[some, :longest], np.float32(-np.inf))
        limit = np.partition(held, longest - k, axis=1)[:, longest - k] - reach[some]
        bounds[some] = np.maximum(bounds[some], np.nextafter(limit.astype(np.float32), np.float32(-np.inf)))
        at, places = _cells(held >= bounds[some, None])
        kept = np.bincount(at, minlength=len(some))
        into = np.arange(len(at)) - (np.cumsum(kept) - kept)[at]
        of = some[at]
        items[of, into], scores[of, into] = items[of, places], held[at, places]
        counts[some] = kept


def _cells(hits: npt.NDArray[np.bool_]) -> tuple[Int64, Int64]:
    """Find the true cells, by row: eight at a time where rows allow it."""
    width = hits.shape[1]
    if width % 8 or not hits.flags.c_contiguous:
        rows, columns = np.nonzero(hits)
        return rows, columns
    eights = hits.reshape(-1).view(np.uint64)
    some = np.flatnonzero(eights != 0)
    within = np.flatnonzero(eights[some].view(np.bool_))
    rows, columns = np.divmod(some[within >> 3] * 8 + (within & 7), width)
    return rows, columns
