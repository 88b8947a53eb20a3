"""The kernels in NumPy: rows are searched in lockstep, a block at a time that stays near the processor.

Blocks lie with a column per row, so that a row's numbers are spread over the block's columns without being copied.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.drawing.exclusions import Float64, Tables
from foils.positives import Int64

CELLS = 1 << 14
"""Draws of a block: 128 KiB for each array of them."""


def contains(indptr: Int64, items: Int64, rows: Int64, wanted: Int64, found: npt.NDArray[np.bool_]) -> None:
    """Tell which pairs are in a relation in CSR.

    Args:
        indptr: int64[A + 1].
        items: int64[P], ascending within a row.
        rows: int64[N].
        wanted: int64[N].
        found: bool[N], filled in.
    """
    for part in _blocks(len(rows), 1):
        low, stop = indptr[rows[part]], indptr[rows[part] + 1]
        at = _bound(items, low, stop - low, wanted[part] - 1)
        found[part] = at < stop
        found[part] &= items.take(at, mode="clip") == wanted[part] if len(items) else False


def sides(key: int, units: Int64, shares: Float64, chosen: npt.NDArray[np.int8]) -> None:
    """Choose side 0 with a probability of its own per example, else side 1.

    Args:
        key: the bits of the noise's key.
        units: int64[E], what the examples' noise is keyed by.
        shares: float64[E].
        chosen: int8[E, M], filled in.
    """
    for part in _blocks(*chosen.shape):
        chosen[part] = (_uniform(key, units[part], chosen.shape[1]) >= shares[part]).T


def draw(
    tables: Tables, key: int, units: Int64, rows: Int64, chosen: npt.NDArray[np.int8], base: Float64,
    items: Int64, log_q: npt.NDArray[np.float32],
) -> None:  # fmt: skip
    """Draw with replacement.

    Args:
        tables: what is drawn from.
        key: the bits of the noise's key.
        units: int64[E], what the examples' noise is keyed by.
        rows: int64[E, S], the rows that an example may draw from.
        chosen: int8[E, M], which of them each draw is from.
        base: float64[E, S], what is added to the log of the item's tickets; NaN where nothing is left.
        items: int64[E, M], filled in; −1 where nothing is left.
        log_q: float32[E, M], filled in; NaN there.
    """
    for part in _blocks(*items.shape):
        if rows.shape[1] == 1:
            of, law = rows[part].T, base[part].T
        else:
            of = np.take_along_axis(rows[part], chosen[part], axis=1).T
            law = np.take_along_axis(base[part], chosen[part], axis=1).T
        places = _places(tables, of, _uniform(key, units[part], items.shape[1]))
        items[part] = (tables.items.take(places, mode="clip") if len(tables.items) else places).T
        log_q[part] = (law + tables.log_tickets.take(places, mode="clip") if len(tables.ends) else law).T
        if not tables.left[of].all():
            items[part][np.broadcast_to(tables.left[of] == 0, places.shape).T] = -1


def distinct(tables: Tables, key: int, units: Int64, rows: Int64, places: Int64) -> None:
    """Draw the first k distinct places of each row's endless sequence.

    Args:
        tables: what is drawn from.
        key: the bits of the noise's key.
        units: int64[A], what the rows' noise is keyed by.
        rows: int64[A], rows with k places or more left.
        places: int64[A, k], filled in.
    """
    k = places.shape[1]
    for part in _blocks(*places.shape):
        found = _places(tables, rows[None, part], _uniform(key, units[part], k)).T
        ranked = np.sort(found, axis=1)
        todo, count = np.flatnonzero((ranked[:, 1:] == ranked[:, :-1]).any(axis=1)) + part.start, k + k // 2 + 8
        places[part] = found
        while len(todo):
            found = np.ascontiguousarray(_places(tables, rows[None, todo], _uniform(key, units[todo], count)).T)
            fresh = _array.row_unique(found)
            order = np.cumsum(fresh, axis=1)
            done = order[:, -1] >= k
            at = np.nonzero(fresh & (order <= k) & done[:, None])
            places[todo[at[0]], order[at] - 1] = found[at]
            todo, count = todo[~done], 2 * count


def places_of(tables: Tables, rows: Int64, tickets: Int64) -> Int64:
    """Find the places that a row's tickets, counted among those that are left, belong to.

    Args:
        tables: what is drawn from.
        rows: int64[R] or [M, R].
        tickets: int64[M, R], below what the row has left.

    Returns:
        int64[M, R]; anything in rows that have nothing left.
    """
    low = tables.indptr[rows]
    at = _bound(tables.before, low, tables.indptr[rows + 1] - low, tickets)
    tickets = tickets + tables.offsets[rows]
    if not len(tables.ends):
        tickets += at
        return tickets
    tickets += tables.skipped.take(at)
    places = tables.guesses.take(tickets >> tables.shift, mode="clip").astype(np.int64, order="C")
    late = np.flatnonzero(tables.ends.take(places, mode="clip") <= tickets)
    wanted, after = tickets.take(late), places.take(late) + 1
    missed = tables.ends.take(after, mode="clip") <= wanted
    after[missed] = np.searchsorted(tables.ends, wanted[missed], "right")
    places.reshape(-1)[late] = after
    return places


def _places(tables: Tables, rows: Int64, noise: Float64) -> Int64:
    noise *= tables.left[rows]
    return places_of(tables, rows, noise.astype(np.int64))


def _bound(values: Int64, low: Int64, counts: Int64, wanted: Int64) -> Int64:
    """Find the first of ``counts`` ascending values from ``low`` on that exceeds what is wanted, or their end."""
    at, beyond = np.broadcast_to(low, wanted.shape).copy(), wanted + 1
    probe, value, longest = np.empty_like(at), np.empty_like(at), int(counts.max(initial=0))
    while longest:
        step = counts >> 1 if longest > 1 else counts
        np.add(at, step - 1, out=probe)
        values.take(probe, out=value, mode="clip")
        value -= beyond
        value >>= 63  # all bits set where the value does not exceed what is wanted; faster than a comparison
        value &= step
        at += value
        counts = counts - step
        longest -= max(longest >> 1, 1)
    return at


def _uniform(key: int, units: Int64, count: int) -> Float64:
    """Give float64[count, units], the noise of draw numbers 0, 1, …."""
    noise: Float64 = _array.uniform_of_bits(key, units[None, :], np.arange(count)[:, None])
    return noise


def _blocks(count: int, width: int) -> Iterator[slice]:
    step = max(1, CELLS // max(1, width))
    return segments.slices(count, step)
