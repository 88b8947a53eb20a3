"""Select what may be among the best k of each row of a block of scores, in NumPy; see ``selection_numba``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

CELLS = 1 << 16
"""Cells that are looked at together."""


def first_limit(_k: int, room: int) -> int:
    """Say how many entries a shortlist may have before it is gone through: as many as it holds."""
    return room


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
    step = max(1, CELLS // (screen.shape[1] + items.shape[1]))
    for start in range(0, len(screen), step):
        part = slice(start, start + step)
        rows = (items[part], scores[part], counts[part], bounds[part], limits[part])
        _take_rows(screen[part], first, reach[part], k, *rows, resume[part])
    return bool((resume < screen.shape[1]).any())


def prune(reach: Float64, k: int, items: Int64, scores: Float32, counts: Int64, bounds: Float32) -> None:
    """Let go of every entry that cannot be among the best k of its row any more."""
    many = np.flatnonzero(counts > k)
    step = max(1, CELLS // items.shape[1])
    for start in range(0, len(many), step):
        some = many[start : start + step]
        _crowd(some, np.zeros((len(some), 0), np.float32), 0, reach, k, items, scores, counts, bounds, None)


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
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    limits: Int64,
    resume: Int64,
) -> None:
    """Add a block of scores to the shortlists of a few rows."""
    width = screen.shape[1]
    hits = screen >= bounds[:, None]
    if resume.any():
        hits &= np.arange(width) >= resume[:, None]
    rows, columns = _cells(hits)
    new = np.bincount(rows, minlength=len(screen))
    crowded = counts + new > limits
    if crowded.any():
        crowd = np.flatnonzero(crowded)
        fresh = np.where(hits[crowd], screen[crowd], np.float32(-np.inf))
        _crowd(crowd, fresh, first, reach, k, items, scores, counts, bounds, resume)
        others = ~crowded[rows]
        rows, columns, new = rows[others], columns[others], np.where(crowded, 0, new)
    places = counts[rows] + np.arange(len(rows)) - (np.cumsum(new) - new)[rows]
    items[rows, places], scores[rows, places] = first + columns, screen[rows, columns]
    counts += new
    resume[~crowded] = width


def _crowd(
    rows: Int64,
    fresh: Float32,
    first: int,
    reach: Float64,
    k: int,
    items: Int64,
    scores: Float32,
    counts: Int64,
    bounds: Float32,
    resume: Int64 | None,
) -> None:
    """Lay the shortlists of these rows and new scores side by side, and keep what is within reach of the k-th best."""
    room, width = items.shape[1], fresh.shape[1]
    held = np.where(np.arange(room) < counts[rows, None], scores[rows], -np.inf)
    both = np.concatenate([held, fresh], axis=1).astype(np.float32, copy=False)
    last = both.shape[1] - k
    limit = np.partition(both, last, axis=1)[:, last] - reach[rows]
    bounds[rows] = np.maximum(bounds[rows], np.nextafter(limit.astype(np.float32), np.float32(-np.inf)))
    keep = both >= bounds[rows, None]
    order = np.cumsum(keep, axis=1)
    keep &= order <= room
    at, columns = np.nonzero(keep)
    sources = np.where(columns < room, items[rows[at], np.minimum(columns, room - 1)], first + columns - room)
    values, places = both[at, columns], order[at, columns] - 1
    items[rows[at], places], scores[rows[at], places] = sources, values
    counts[rows] = np.minimum(order[:, -1], room)
    if resume is not None:
        # A row with more than there is room for goes on behind the last that was taken.
        last_taken = np.where(keep, np.arange(room + width), -1).max(axis=1)
        resume[rows] = np.where(order[:, -1] > room, last_taken - room + 1, width)


def _cells(hits: npt.NDArray[np.bool_]) -> tuple[Int64, Int64]:
    """Find the true cells, by row: eight at a time where rows allow it."""
    width = hits.shape[1]
    if width % 8 or not hits.flags.c_contiguous:
        rows, columns = np.nonzero(hits)
        return rows, columns
    eights = np.flatnonzero(hits.reshape(-1).view(np.uint64))
    at, within = np.nonzero(hits.reshape(-1, 8)[eights])
    rows, columns = np.divmod(eights[at] * 8 + within, width)
    return rows, columns
