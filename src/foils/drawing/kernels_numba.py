"""The kernels, compiled; see ``kernels_numpy`` for what each does.

Most of the time goes into waiting for rows that lie anywhere in memory. So the rows of the next examples are read
together before they are used, and a row is searched without branches that the processor would guess wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from foils.drawing.exclusions import Float64, Tables
from foils.positives import Int64

SHORT = 64
"""Numbers that are counted through, eight at a time, rather than halved: eight cache lines."""
LINE = 8
"""Numbers to a cache line."""
AHEAD = 16
"""Examples whose rows are read together."""

_INCREMENT, _FIRST, _SECOND = (
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)
_12, _27, _30, _31 = (np.uint64(bits) for bits in (12, 27, 30, 31))


@njit(nogil=True, cache=True)
def contains(indptr: Int64, items: Int64, rows: Int64, wanted: Int64, found: Any) -> Any:
    """Tell which pairs are in a relation; the number given back means nothing."""
    touched, column, none = 0, rows.reshape((len(rows), 1)), items[:0]
    for number in range(len(rows)):
        if number % AHEAD == 0:
            touched += _touch(indptr, indptr, indptr, items, none, column, number)
        low = indptr[rows[number]]
        values = items[low : indptr[rows[number] + 1]]
        at = _bound(values, wanted[number] - 1)
        found[number] = at < len(values) and values[at] == wanted[number]
    return touched


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
) -> Any:
    """Draw with replacement; the number given back means nothing."""
    indptr, before, skipped, left, offsets, held, ends, guesses, shift, log_tickets = tables
    touched, noise, tickets = 0, np.empty(items.shape[1]), np.empty(items.shape[1], np.int64)
    for example in range(items.shape[0]):
        if example % AHEAD == 0:
            touched += _touch(indptr, left, offsets, before, skipped, rows, example)
        _fill(_unit_state(units[example], key), 0, noise)
        for column in range(rows.shape[1]):
            row = rows[example, column]
            low, total, offset = indptr[row], left[row], offsets[row]
            values = before[low : indptr[row + 1]]
            for number in range(len(noise)):
                if chosen[example, number] == column:
                    ticket = np.int64(noise[number] * total)
                    at = low + _bound(values, ticket)
                    ticket += offset + (skipped[at] if len(skipped) else at)
                    tickets[number] = ticket if total else -1
        _places(tickets, ends, guesses, shift, items[example])
        for number in range(len(noise)):
            place, law = items[example, number], base[example, chosen[example, number]]
            if len(held) and place >= 0:
                items[example, number] = held[place]
            log_q[example, number] = law + log_tickets[place] if len(ends) else law
    return touched


@njit(nogil=True, cache=True)
def distinct(tables: Tables, key: Any, units: Int64, rows: Int64, places: Int64) -> Any:
    """Draw the first k distinct places of each row's endless sequence; the number given back means nothing."""
    indptr, before, skipped, left, offsets, _, ends, guesses, shift, _ = tables
    k, bits, touched, column = places.shape[1], 2, 0, rows.reshape((len(rows), 1))
    while (1 << bits) < 2 * k:
        bits += 1
    seen, stamps = np.zeros(1 << bits, np.int64), np.full(1 << bits, -1, np.int64)
    noise, tickets, found = np.empty(k), np.empty(k, np.int64), np.empty(k, np.int64)
    for number in range(len(rows)):
        if number % AHEAD == 0:
            touched += _touch(indptr, left, offsets, before, skipped, column, number)
        row, state, taken, counter = rows[number], _unit_state(units[number], key), 0, 0
        low, total, offset = indptr[row], left[row], offsets[row]
        values = before[low : indptr[row + 1]]
        while taken < k:
            count = k - taken
            _fill(state, counter, noise[:count])
            counter += count
            for cell in range(count):
                ticket = np.int64(noise[cell] * total)
                at = low + _bound(values, ticket)
                tickets[cell] = ticket + offset + (skipped[at] if len(skipped) else at)
            _places(tickets[:count], ends, guesses, shift, found)
            for cell in range(count):
                if _is_new(seen, stamps, number, found[cell], bits):
                    places[number, taken] = found[cell]
                    taken += 1
    return touched


@njit(nogil=True, cache=True)
def _touch(
    indptr: Int64, left: Int64, offsets: Int64, before: Int64, skipped: Int64, rows: Int64, start: int
) -> Any:  # fmt: skip
    """Read what lies in short rows; the sum is there so that the compiler does not leave the reading out."""
    touched: Any = 0
    for example in range(start, min(start + AHEAD, len(rows))):
        for column in range(rows.shape[1]):
            row = rows[example, column]
            low, stop = indptr[row], indptr[row + 1]
            touched += left[row] + offsets[row]
            if stop - low <= SHORT:
                for at in range(low, stop, LINE):
                    touched += before[np.uint64(at)]
                if len(skipped):
                    for at in range(low, stop, LINE):
                        touched += skipped[np.uint64(at)]
    return touched


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
