"""The best items by summed impacts, in NumPy: the body that runs where Numba is not installed.

It adds the words of a block of anchors place by place, which is the order of additions that the compiled body has.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.positives import Int64
from foils.search.lexical_words import Int32
from foils.search.vectors import Float32

Bool = npt.NDArray[np.bool_]

CELLS = 1 << 20
"""Cells of an anchors × items block whose sums are held together: 4 MiB, and as much again to find the best."""


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
    step = max(1, CELLS // max(n_items, 1))
    for start in range(0, len(items), step):
        rows = slice(start, min(start + step, len(items)))
        sums = _sums(data, indices, indptr, n_items, numbers, counts, anchor_indptr[start : rows.stop + 1])
        part = slice(asked_indptr[start], asked_indptr[rows.stop])
        answers[part] = sums[_owners(asked_indptr, rows), asked[part]]
        barred = excluded[excluded_indptr[start] : excluded_indptr[rows.stop]]
        sums[_owners(excluded_indptr, rows), barred] = 0
        if len(masked):
            sums[masked[rows]] = 0
        _write(sums, items[rows], scores[rows])


def _sums(
    data: Float32, indices: Int32, indptr: Int64, n_items: int, numbers: Int32, counts: Float32, anchor_indptr: Int64
) -> Float32:
    """Add the first words of all anchors, then the second ones, …: an item occurs once in a list, so no cell twice."""
    lengths = np.diff(anchor_indptr)
    sums = np.zeros((len(lengths), n_items), np.float32)
    for place in range(lengths.max(initial=0)):
        rows = np.flatnonzero(lengths > place)
        at = anchor_indptr[rows] + place
        begins = indptr[numbers[at]]
        sizes = indptr[numbers[at] + 1] - begins
        postings = np.arange(sizes.sum()) + np.repeat(begins - (np.cumsum(sizes) - sizes), sizes)
        sums[np.repeat(rows, sizes), indices[postings]] += np.repeat(counts[at], sizes) * data[postings]
    return sums


def _owners(indptr: Int64, rows: slice) -> Int64:
    return segments.owners(np.diff(indptr[rows.start : rows.stop + 1]))


def _write(sums: Float32, items: Int64, scores: Float32) -> None:
    k, cut = items.shape[1], max(sums.shape[1] - items.shape[1], 0)
    least = np.partition(sums, cut, axis=1)[:, cut, None] if sums.shape[1] else sums
    rows, found = np.nonzero((sums >= least) & (sums > 0))
    values = sums[rows, found]
    order = np.lexsort((found, -values, rows))
    rows, found, values = rows[order], found[order], values[order]
    places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(sums)))[rows]
    kept = places < k
    items[rows[kept], places[kept]] = found[kept]
    scores[rows[kept], places[kept]] = values[kept]
