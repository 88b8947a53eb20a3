"""The kernels, compiled; see ``kernels_numpy`` for what each does.

Most of the time goes into waiting for rows that lie anywhere in memory. So the rows of later examples are asked for
before they are used, and a row is searched without branches that the processor would guess wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from foils._fetch_numba import fetch
from foils.drawing.exclusions import Float64, Tables
from foils.positives import Int64

SHORT = 64
"""Numbers that are counted through, eight at a time, rather than halved: eight cache lines."""
LINE = 8
"""Numbers to a cache line."""
NEAR, FAR = 8, 24
"""How many examples ahead a row is asked for, and where it begins."""

_INCREMENT, _FIRST, _SECOND = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_12, _27, _30, _31 = (np.uint64(bits) for bits in (12, 27, 30, 31))


@njit(nogil=True, cache=True)
def contains(indptr: Int64, items: Int64, rows: Int64, wanted: Int64, found: Any) -> None:
    """Tell which pairs are in a relation."""
    none = items[:0]
    for number in range(len(rows)):
        if number + FAR < len(rows):
            fetch(indptr, rows[number + FAR])
        if number + NEAR < len(rows):
            _fetch_row(indptr, items, none, rows[number + NEAR])
        low = indptr[rows[number]]
        values = items[low : indptr[rows[number] + 1]]
        at = _bound(values, wanted[number] - 1)
        found[number] = at < len(values) and values[at] == wanted[number]


@njit(nogil=True, cache=True)
def sides(key: Any, units: Int64, shares: Float64, chosen: Any) -> None:
    """Choose side 0 with a probability of its own per example, else side 1."""
    for example in range(chosen.shape[0]):
        state, share = _unit_state(units[example], key), shares[example]
        for number in range(chosen.shape[1]):
            chosen[example, number] = 0 if _uniform(state, number) < share else 1


@njit(nogil=True, cache=True)
def draw(
    tables: Tables, key: Any, units: Int64, rows: Int64, chosen: Any, base: Float64, items: Int64, log_q: Any
) -> None:
    """Draw with replacement."""
    _, _, _, left, _, held, ends, guesses, shift, log_tickets = tables
    m = items.shape[1]
    noise, cells, found = np.empty(m), np.empty(m, np.int64), np.empty(m, np.int64)
    tickets, ats = np.empty(m, np.int64), np.empty(m, np.int64)
    for example in range(items.shape[0]):
        _fetch_ahead(tables, rows, example)
        _fill(_unit_state(units[example], key), 0, noise)
        for column in range(rows.shape[1]):
            row, count = rows[example, column], 0
            for number in range(m):
                if chosen[example, number] == column:
                    cells[count], found[count] = number, np.int64(noise[number] * left[row])
                    count += 1
            _skip(tables, row, found[:count], ats)
            for cell in range(count):
                tickets[cells[cell]] = found[cell] if left[row] else -1
        _places(tickets, ends, guesses, shift, items[example])
        for number in range(m):
            place, law = items[example, number], base[example, chosen[example, number]]
            if len(held) and place >= 0:
                items[example, number] = held[place]
            log_q[example, number] = law + log_tickets[place] if len(ends) else law


@njit(nogil=True, cache=True)
def distinct(tables: Tables, key: Any, units: Int64, rows: Int64, places: Int64) -> None:
    """Draw the first k distinct places of each row's endless sequence."""
    _, _, _, left, _, _, ends, guesses, shift, _ = tables
    k, bits, column = places.shape[1], 2, rows.reshape((len(rows), 1))
    while (1 << bits) < 2 * k:
        bits += 1
    seen, stamps = np.zeros(1 << bits, np.int64), np.full(1 << bits, -1, np.int64)
    noise, tickets, found, ats = np.empty(k), np.empty(k, np.int64), np.empty(k, np.int64), np.empty(k, np.int64)
    for number in range(len(rows)):
        _fetch_ahead(tables, column, number)
        row, state, taken, counter = rows[number], _unit_state(units[number], key), 0, 0
        while taken < k:
            count = k - taken
            _fill(state, counter, noise[:count])
            counter += count
            for cell in range(count):
                tickets[cell] = np.int64(noise[cell] * left[row])
            _skip(tables, row, tickets[:count], ats)
            _places(tickets[:count], ends, guesses, shift, found)
            for cell in range(count):
                if _is_new(seen, stamps, number, found[cell], bits):
                    places[number, taken] = found[cell]
                    taken += 1


@njit(nogil=True, inline="always")
def _skip(tables: Tables, row: Any, tickets: Int64, ats: Int64) -> None:
    """Turn a row's tickets, counted among those that are left, into tickets of all urns; ``ats`` is for scratch.

    All are searched in lockstep, so that the processor need not wait for one before it begins with the next.
    """
    indptr, before, skipped, _, offsets, _, _, _, _, _ = tables
    low, offset = indptr[row], offsets[row]
    count = indptr[row + 1] - low
    for number in range(len(tickets)):
        ats[number] = low
    while count > 1:
        half = count >> 1
        for number in range(len(tickets)):
            ats[number] += half & -np.int64(before[np.uint64(ats[number] + half - 1)] <= tickets[number])
        count -= half
    if count:
        for number in range(len(tickets)):
            ats[number] += np.int64(before[np.uint64(ats[number])] <= tickets[number])
    for number in range(len(tickets)):
        at = ats[number]
        tickets[number] += offset + (skipped[np.uint64(at)] if len(skipped) else at)


@njit(nogil=True, inline="always")
def _fetch_ahead(tables: Tables, rows: Int64, example: int) -> None:
    """Ask for what later examples read: where their rows begin, and what lies in short rows."""
    indptr, before, skipped, left, offsets, _, _, _, _, _ = tables
    if example + FAR < len(rows):
        for column in range(rows.shape[1]):
            row = rows[example + FAR, column]
            fetch(indptr, row)
            fetch(left, row)
            fetch(offsets, row)
    if example + NEAR < len(rows):
        for column in range(rows.shape[1]):
            _fetch_row(indptr, before, skipped, rows[example + NEAR, column])


@njit(nogil=True, inline="always")
def _fetch_row(indptr: Int64, values: Int64, others: Int64, row: Any) -> None:
    low, stop = indptr[row], indptr[row + 1]
    if stop - low <= SHORT:
        for at in range(low, stop, LINE):
            fetch(values, at)
        if len(others):
            for at in range(low, stop, LINE):
                fetch(others, at)


@njit(nogil=True, cache=True)
def _bound(values: Int64, wanted: Any) -> Any:
    """Count the ascending values that do not exceed what is wanted."""
    at: Any = 0
    count = len(values)
    while count > SHORT:
        half = count >> 1
        at += half & -np.int64(values[at + half - 1] <= wanted)
        count -= half
    below: Any = 0
    for number in range(count):
        below += np.int64(values[np.uint64(at + number)] <= wanted)
    return at + below


@njit(nogil=True, inline="always")
def _places(tickets: Int64, ends: Int64, guesses: Any, shift: Any, places: Int64) -> None:
    """Find the places that tickets belong to; −1 stays."""
    if len(ends) == 0:
        for number in range(len(tickets)):
            places[number] = tickets[number]
    else:
        for number in range(len(tickets)):
            places[number] = guesses[max(tickets[number], 0) >> shift]
        for number in range(len(tickets)):
            place = places[number]
            place += np.int64(ends[place] <= tickets[number])  # often enough that a branch would be guessed wrong
            while ends[place] <= tickets[number]:
                place += 1
            places[number] = place if tickets[number] >= 0 else -1


@njit(nogil=True, cache=True)
def _is_new(seen: Int64, stamps: Int64, stamp: int, place: Any, bits: int) -> bool:
    """Enter a place into a hash table, whose entries count only where they have this stamp."""
    at = np.int64((np.uint64(place) * _INCREMENT) >> np.uint64(64 - bits))
    while stamps[at] == stamp:
        if seen[at] == place:
            return False
        at = (at + 1) & (len(seen) - 1)
    stamps[at], seen[at] = stamp, place
    return True


@njit(nogil=True, inline="always")
def _fill(state: Any, counter: int, noise: Float64) -> None:
    for number in range(len(noise)):
        noise[number] = _uniform(state, counter + number)


@njit(nogil=True, cache=True)
def _unit_state(unit: Any, key: Any) -> Any:
    return _mix(_mix(np.uint64(unit) + _INCREMENT) ^ np.uint64(key))


@njit(nogil=True, cache=True)
def _uniform(state: Any, counter: int) -> float:
    """Give the bits of ``_array.counter_uniform``."""
    mixed = _mix(state + np.uint64(counter) * _INCREMENT)
    return (np.float64(mixed >> _12) + 0.5) * 2.0**-52


@njit(nogil=True, cache=True)
def _mix(state: Any) -> Any:
    state = (state ^ (state >> _30)) * _FIRST
    state = (state ^ (state >> _27)) * _SECOND
    return state ^ (state >> _31)
