"""Select what may be among the best k of each row of a block of scores, in NumPy; see ``selection_numba``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32] | Int64
Screened = npt.NDArray[np.float32] | npt.NDArray[np.uint16] | npt.NDArray[np.int32]

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
    """Add a block of scores to the shortlists; see ``selection_numba.take``."""
    single, width, room = _single(screen, units), screen.shape[1], items.shape[1]
    long = np.flatnonzero((counts >= limits) & (counts > k))
    bounds[long] = _prune(long, reach[long], bounds[long], k, items, scores, counts)
    limits[long] = np.clip(counts[long] + counts[long] // 2 + 1, first_limit(k, room), room)
    hits = single >= bounds[:, None]
    if resume.any():
        hits &= np.arange(width) >= resume[:, None]
    few = np.count_nonzero(hits) <= MOST_HITS
    step = len(screen) if few else CELLS // (width + room)
    for part in _parts(len(screen), step):
        rows = (items[part], scores[part], counts[part], bounds[part])
        _take_rows(single[part], hits[part], first, reach[part], k, *rows, resume[part])
    return bool((resume < width).any())


def prune(reach: Float64, k: int, items: Rows, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    more = np.flatnonzero(counts > k)
    bounds[more] = _prune(more, reach[more], bounds[more], k, items, scores, counts)


def adopt(
    rows: Int64, values: Float32, reach: Float64, k: int, items: Rows, scores: Float32, counts: Int64, bounds: Float32
) -> None:
    """Let better scores take the place of a screen's; see ``selection_numba.adopt``."""
    at, places = _cells(~np.isnan(values) & _held(rows, counts, values.shape[1]))
    kept = np.bincount(at, minlength=len(rows))
    into = np.arange(len(at)) - (np.cumsum(kept) - kept)[at]
    items[rows[at], into], scores[rows[at], into] = items[rows[at], places], values[at, places]
    counts[rows] = kept
    more = np.flatnonzero(kept > k)
    bounds[more] = _prune(rows[more], reach[more], bounds[more], k, items, scores, counts)


def leading(rows: Int64, scores: Float32, counts: Int64, k: int, at: Int64, places: Int64) -> int:
    """List the entries that are among the best k of their row as far as the screen tells; see ``selection_numba``."""
    longest = int(counts[rows].max(initial=1))
    held = np.where(_held(rows, counts, longest), scores[rows, :longest], np.float32(-np.inf))
    cut = max(longest - k, 0)
    least = np.partition(held, cut, axis=1)[:, cut, None]
    return _list((held >= least) & (held > -np.inf), at, places)


def near(rows: Int64, scores: Float32, values: Float32, counts: Int64, slack: Float64, at: Int64, places: Int64) -> int:
    """List the entries without a better score that may still be needed; see ``selection_numba``."""
    known, longest = ~np.isnan(values), values.shape[1]
    least = np.where(known, values, np.inf).min(axis=1, initial=np.inf) - slack[rows]
    return _list(_held(rows, counts, longest) & ~known & (scores[rows, :longest] >= least[:, None]), at, places)


def best(rows: Int64, items: Rows, values: Float32, counts: Int64, found: Int64, scores: Float32) -> None:
    """Write the best k of some shortlists, by (−value, item row); see ``selection_numba``."""
    k = min(found.shape[1], values.shape[1])
    known = _held(rows, counts, values.shape[1]) & ~np.isnan(values)
    order = np.argsort(np.where(known, -values, np.inf), axis=1, kind="stable")[:, :k]
    there = np.take_along_axis(known, order, axis=1)
    found[:, :k] = np.where(there, items[rows[:, None], order], -1)
    scores[:, :k] = np.where(there, np.take_along_axis(values, order, axis=1), np.nan)
    found[:, k:], scores[:, k:] = -1, np.nan


def _held(rows: Int64, counts: Int64, width: int) -> npt.NDArray[np.bool_]:
    """Say which of the first places of some shortlists hold an entry: bool[S, width]."""
    return np.arange(width) < counts[rows, None]


def _single(screen: Screened, units: Float32) -> Float32:
    """Turn scores as they are held into float32."""
    if screen.dtype == np.uint16:
        return np.left_shift(screen, 16, dtype=np.uint32).view(np.float32)
    single: Float32 = screen.astype(np.float32, copy=False)
    if screen.dtype == np.float32:
        return single
    single *= units[:, None]
    single[screen == BARRED] = -np.inf
    return single


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
    items: Rows,
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
            bounds[full] = _prune(full, reach[full], bounds[full], k, items, scores, counts)
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


def _prune(
    rows: Int64, reach: Float64, bounds: Float32, k: int, items: Rows, scores: Float32, counts: Int64
) -> Float32:
    """Keep the entries of these rows, with more than k each, that are within reach of the k-th best; raise bounds."""
    longest = int(counts[rows].max(initial=1))
    raised = bounds.copy()
    for part in _parts(len(rows), CELLS // longest):
        some = rows[part]
        held = np.where(_held(some, counts, longest), scores[some, :longest], np.float32(-np.inf))
        limit = np.partition(held, longest - k, axis=1)[:, longest - k] - reach[part]
        raised[part] = np.maximum(bounds[part], np.nextafter(limit.astype(np.float32), np.float32(-np.inf)))
        at, places = _cells(held >= raised[part, None])
        kept = np.bincount(at, minlength=len(some))
        into = np.arange(len(at)) - (np.cumsum(kept) - kept)[at]
        of = some[at]
        items[of, into], scores[of, into] = items[of, places], held[at, places]
        counts[some] = kept
    return raised


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
