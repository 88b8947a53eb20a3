"""The best items by summed impacts, in NumPy: the body that runs where Numba is not installed.

It goes through the anchors one by one; what is done for each is done for all its postings together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils.positives import Int64
from foils.search.lexical_words import Int32
from foils.search.vectors import Float32

Bool = npt.NDArray[np.bool_]

SPARSE = 16
"""Where fewer than one item in this many is touched, items are looked up instead of looked through."""


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
    sums = np.zeros(n_items, np.float32)
    for row in range(len(items)):
        first, last = anchor_indptr[row], anchor_indptr[row + 1]
        lists = [slice(indptr[word], indptr[word + 1]) for word in numbers[first:last]]
        for postings, count in zip(lists, counts[first:last], strict=True):
            sums[indices[postings]] += count * data[postings]  # an item occurs once in a list
        part = slice(asked_indptr[row], asked_indptr[row + 1])
        answers[part] = sums[asked[part]]
        sums[excluded[excluded_indptr[row] : excluded_indptr[row + 1]]] = 0
        found = _touched(sums, indices, lists)
        values = sums[found]
        sums[found] = 0
        if len(masked):
            allowed = ~masked[row, found]
            found, values = found[allowed], values[allowed]
        _write(found, values, items[row], scores[row])


def _touched(sums: Float32, indices: Int32, lists: list[slice]) -> Int64:
    """Find the items with a sum above 0."""
    if sum(part.stop - part.start for part in lists) * SPARSE > len(sums):
        return np.flatnonzero(sums > 0)
    touched: Int64 = np.unique(np.concatenate([np.zeros(0, np.int64), *(indices[part] for part in lists)]))
    found: Int64 = touched[sums[touched] > 0]
    return found


def _write(found: Int64, values: Float32, items: Int64, scores: Float32) -> None:
    k = len(items)
    if len(found) > k:
        kept = values >= np.partition(values, len(values) - k)[len(values) - k]
        found, values = found[kept], values[kept]
    order = np.lexsort((found, -values))[:k]
    items[: len(order)], scores[: len(order)] = found[order], values[order]
