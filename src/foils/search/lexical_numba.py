"""The best items by summed impacts, compiled: the body that runs where Numba is installed.

Items are taken in blocks, so that their sums stay in cache. The best so far are a heap of int64 keys, the least at the
root: the bits of a score, which order floats that are not negative, above the complement of the item's row. So one
comparison of keys is that by (score, then −item row).

After the sums of a block, the lists of the rarest words are walked first, as long as they are short: they lead to the
items that share them, which are mostly the best, and a walked item is struck out. Then one pass over the block finds
what is left; with the heap full of good items it stops at few spans.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from foils.positives import Int64
from foils.search.lexical_words import Int32
from foils.search.vectors import Float32

Bool = npt.NDArray[np.bool_]
Integer = int | np.integer[Any]

WIDTH = 1 << 17
"""Items of a block; their sums are half a mebibyte."""
SPAN = 128
"""Cells that one vectorised look covers; a divisor of ``WIDTH``."""
CELLS = np.uint64(SPAN)
"""Unsigned, as an index that may be negative keeps a loop from being vectorised."""
SHARE = 64
"""Lists are walked while they hold fewer postings than the block has items / this; beyond, looking is faster."""
ITEM = 0xFFFFFFFF
"""The low half of a key."""


@njit(nogil=True, cache=True)
def best(
    data: Float32,
    indices: Int32,
    indptr: Int64,
    n_items: int,
    numbers: Int32,
    counts: Float32,
    anchor_indptr: Int64,
    excluded: Int64,
    excluded_indptr: Int64,
    masked: Bool,
    asked: Int64,
    asked_indptr: Int64,
    items: Int64,
    scores: Float32,
    answers: Float32,
) -> None:
    """Fill ``items``, ``scores`` and ``answers``; the arguments are those of ``LexicalIndex.search``, flat.

    ``masked`` has no rows where there is no mask.
    """
    sums = np.zeros((min(WIDTH, n_items) + SPAN - 1) // SPAN * SPAN, np.float32)
    bits = sums.view(np.int32)
    heap = np.empty(items.shape[1], np.int64)
    no_mask = np.zeros(0, np.bool_)
    for row in range(len(items)):
        own = numbers[anchor_indptr[row] : anchor_indptr[row + 1]]
        times = counts[anchor_indptr[row] : anchor_indptr[row + 1]]
        begins, ends = indptr[own], indptr[own]
        barred, wanted = excluded_indptr[row], asked_indptr[row]
        mask = masked[row] if len(masked) else no_mask
        size = 0
        for start in range(0, n_items, WIDTH):
            stop = min(start + WIDTH, n_items)
            _add(data, indices, indptr, own, times, begins, ends, start, stop, sums)
            while wanted < asked_indptr[row + 1] and asked[wanted] < stop:
                answers[wanted] = sums[asked[wanted] - start]
                wanted += 1
            while barred < excluded_indptr[row + 1] and excluded[barred] < stop:
                sums[excluded[barred] - start] = 0
                barred += 1
            walked, size = _walk(indices, begins, ends, start, (stop - start) // SHARE, bits, mask, heap, size)
            if walked < len(own):
                size = _look(start, stop, bits, mask, heap, size)
        _write(heap, size, items[row], scores[row])


@njit(nogil=True, cache=True)
def _add(
    data: Float32, indices: Int32, indptr: Int64, own: Int32, times: Float32,
    begins: Int64, ends: Int64, start: int, stop: int, sums: Float32,
) -> None:  # fmt: skip
    """Add the impacts of a block's items, which go from where the last block's end to ``ends``."""
    for word in range(len(own)):
        begins[word] = ends[word]
        ends[word] = _first_from(indices, begins[word], indptr[own[word] + 1], stop)
        rows, impacts = indices[begins[word] : ends[word]], data[begins[word] : ends[word]]
        for place in range(len(rows)):
            sums[np.uint64(rows[place] - start)] += times[word] * impacts[place]


@njit(nogil=True, cache=True)
def _first_from(indices: Int32, low: int, high: int, stop: int) -> int:
    """Find the first place whose item is not below ``stop``."""
    if high > low and indices[high - 1] < stop:
        return high
    while low < high:
        middle = (low + high) >> 1
        if indices[middle] < stop:
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True, cache=True)
def _walk(
    indices: Int32, begins: Int64, ends: Int64, start: int, most: int, bits: Int32, mask: Bool, heap: Int64, size: int
) -> tuple[int, int]:
    """Offer the items of the first lists, ``most`` postings in all, and strike them out; count those lists."""
    floor = _floor(heap, size)
    for word in range(len(begins)):
        most -= ends[word] - begins[word]
        if most < 0:
            return word, size
        for item in indices[begins[word] : ends[word]]:
            cell = np.uint64(item - start)
            if bits[cell] >= floor:
                size = _offer(bits[cell], np.int64(item), mask, heap, size)
                floor = _floor(heap, size)
            bits[cell] = 0
    return len(begins), size


@njit(nogil=True, cache=True)
def _look(start: int, stop: int, bits: Int32, mask: Bool, heap: Int64, size: int) -> int:
    """Offer what a block still holds, and empty it."""
    floor = _floor(heap, size)
    for first in range(0, stop - start, SPAN):
        span = bits[first : first + SPAN]
        highest = np.int32(0)
        for cell in range(CELLS):
            highest = max(highest, span[cell])
        if highest >= floor:
            for cell in range(SPAN):
                if span[cell] >= floor:
                    size = _offer(span[cell], start + first + cell, mask, heap, size)
                    floor = _floor(heap, size)
        if highest > 0:
            span[:] = 0
    return size


@njit(nogil=True, cache=True)
def _floor(heap: Int64, size: int) -> int:
    """Give the least bits of a score that may enter the heap: above 0 while there is room."""
    return heap[0] >> 32 if size == len(heap) else 1


@njit(nogil=True, cache=True)
def _offer(score: Integer, item: Integer, mask: Bool, heap: Int64, size: int) -> int:
    """Take an item into the heap if it is allowed and among the best."""
    key = (np.int64(score) << 32) | (ITEM - np.int64(item))
    if len(mask) and mask[item]:
        return size
    if size < len(heap):
        at = size
        while at > 0 and heap[(at - 1) >> 1] > key:
            heap[at] = heap[(at - 1) >> 1]
            at = (at - 1) >> 1
        heap[at] = key
        return size + 1
    if key > heap[0]:
        _replace_least(heap, size, key)
    return size


@njit(nogil=True, cache=True)
def _replace_least(heap: Int64, size: int, key: Integer) -> None:
    at, child = 0, 1
    while child < size:
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if key <= heap[child]:
            break
        heap[at] = heap[child]
        at, child = child, 2 * child + 1
    heap[at] = key


@njit(nogil=True, cache=True)
def _write(heap: Int64, size: int, items: Int64, scores: Float32) -> None:
    """Empty the heap, the least first, into the end of what it fills."""
    bits = scores.view(np.int32)
    for place in range(size - 1, -1, -1):
        least = heap[0]
        items[place] = ITEM - (least & ITEM)
        bits[place] = least >> 32
        _replace_least(heap, place, heap[place])
