"""Sets as rows of a sparse matrix, and what pairs of them have in common."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from foils import _segments as segments
from foils.positives import Int64

Sets: TypeAlias = "sp.csr_array[np.float32]"  # [N, V], 1 where row n holds element v

ELEMENTS_AT_ONCE = 1 << 22
"""Elements compared at a time; some 12 bytes each."""


def sets_of(rows: Int64, elements: npt.NDArray[np.uint64], n_rows: int, vocabulary: npt.NDArray[np.uint64]) -> Sets:
    """Make sets of (row, element) pairs; an element may come several times, and must be in the sorted vocabulary."""
    columns = np.searchsorted(vocabulary, elements)
    sets = sp.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(n_rows, max(len(vocabulary), 1)))
    sets.sum_duplicates()
    sets.data[:] = 1
    return sets


def sizes(sets: Sets) -> Int64:
    """Count the elements of each set: int64[N]."""
    return np.asarray(np.diff(sets.indptr), dtype=np.int64)


def shared(left: Sets, right: Sets, rows: Int64, columns: Int64) -> Int64:
    """Count what the sets of each pair (left row, right row) have in common: int64[P]."""
    counts = np.zeros(len(rows), np.int64)
    for part in segments.groups(sizes(left)[rows] + sizes(right)[columns], ELEMENTS_AT_ONCE):
        counts[part] = left[rows[part]].multiply(right[columns[part]]).sum(axis=1)
    return counts
