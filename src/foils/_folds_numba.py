"""Sums in one fixed order, compiled: the canonical inner product and length; see ``_array.exact_dot``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


@njit(nogil=True, cache=True, error_model="numpy")
def dots(left: Float32, rows: Int64, right: Float32, columns: Int64, scores: Float32) -> None:
    """Write the inner product of ``left[rows[p]]`` and ``right[columns[p]]`` to ``scores[p]``, rounded once."""
    width = left.shape[1]
    cells = np.empty(max(width, 1))
    for p in range(rows.size):
        a, b = left[rows[p]], right[columns[p]]
        half = (width + 1) // 2
        for j in range(width - half):
            cells[j] = np.float64(a[j]) * np.float64(b[j]) + np.float64(a[half + j]) * np.float64(b[half + j])
        if half > width - half:
            cells[half - 1] = np.float64(a[half - 1]) * np.float64(b[half - 1])
        scores[p] = np.float32(_folded(cells, half)) + np.float32(0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def normalise(vectors: Float32) -> None:
    """Divide each row of vectors[N,d] by its length, in place; zero rows stay zero."""
    width = vectors.shape[1]
    cells = np.empty(max(width, 1))
    for n in range(vectors.shape[0]):
        row = vectors[n]
        half = (width + 1) // 2
        for j in range(width - half):
            cells[j] = np.float64(row[j]) * np.float64(row[j]) + np.float64(row[half + j]) * np.float64(row[half + j])
        if half > width - half:
            cells[half - 1] = np.float64(row[half - 1]) * np.float64(row[half - 1])
        length = np.sqrt(_folded(cells, half))
        if length == 0.0:
            length = 1.0
        for j in range(width):
            row[j] = np.float32(np.float64(row[j]) / length)


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _folded(cells: Float64, width: int) -> float:
    """Add the right half to the left until one cell is left."""
    if width == 0:
        return 0.0
    while width > 1:
        half = (width + 1) // 2
        for j in range(width - half):
            cells[j] += cells[half + j]
        width = half
    total: float = cells[0]
    return total
