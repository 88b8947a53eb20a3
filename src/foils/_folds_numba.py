"""Sums in one fixed order, compiled: the canonical inner product and length; see ``_folds_numpy``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from foils._fetch_numba import fetch_row

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

AHEAD = 2
"""How many pairs ahead a row is asked for: rows lie anywhere in memory, and to wait for each takes longest."""


@njit(nogil=True, cache=True, error_model="numpy")
def dots(left: Float32, rows: Int64, right: Float32, columns: Int64, scores: Float32) -> None:
    """Write the inner product of ``left[rows[p]]`` and ``right[columns[p]]`` to ``scores[p]``, rounded once."""
    cells, values = np.empty(max(left.shape[1], 1)), right.reshape(right.size)
    for p in range(rows.size):
        if p + AHEAD < rows.size:
            fetch_row(values, right.shape[1], columns[p + AHEAD])
        scores[p] = _product(left[rows[p]], right[columns[p]], cells)


@njit(nogil=True, cache=True, error_model="numpy")
def unit_dots(left: Float32, rows: Int64, right: Float32, columns: Int64, scores: Float32) -> None:
    """Do what ``dots`` does with rows of ``right`` that are normalised first, as ``normalise`` does it."""
    cells, unit = np.empty(max(left.shape[1], 1)), np.empty(left.shape[1], np.float32)
    values = right.reshape(right.size)
    for p in range(rows.size):
        if p + AHEAD < rows.size:
            fetch_row(values, right.shape[1], columns[p + AHEAD])
        unit[:] = right[columns[p]]
        _normalise(unit, cells)
        scores[p] = _product(left[rows[p]], unit, cells)


@njit(nogil=True, cache=True, error_model="numpy")
def normalise(vectors: Float32) -> None:
    """Divide each row of vectors[N,d] by its length, in place; zero rows stay zero."""
    cells = np.empty(max(vectors.shape[1], 1))
    for n in range(vectors.shape[0]):
        _normalise(vectors[n], cells)


@njit(nogil=True, cache=True, error_model="numpy")
def _normalise(row: Float32, cells: Float64) -> None:
    length = np.sqrt(_sum_of_products(row, row, cells))
    if length == 0.0:
        length = 1.0
    for j in range(row.size):
        row[j] = np.float32(np.float64(row[j]) / length)


@njit(nogil=True, cache=True, error_model="numpy")
def _product(left: Float32, right: Float32, cells: Float64) -> np.float32:
    score: np.float32 = np.float32(_sum_of_products(left, right, cells)) + np.float32(0.0)  # no -0.0
    return score


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_products(left: Float32, right: Float32, cells: Float64) -> float:
    """Multiply, and add the right half to the left until one cell is left; the first halves as they are multiplied."""
    width = left.size
    if width == 0:
        return 0.0
    width = _eighths(left, right, cells) if width % 8 == 0 else _halves(left, right, cells)
    while width % 8 == 0:
        width //= 8
        for j in range(width):
            even = (cells[j] + cells[4 * width + j]) + (cells[2 * width + j] + cells[6 * width + j])
            odd = (cells[width + j] + cells[5 * width + j]) + (cells[3 * width + j] + cells[7 * width + j])
            cells[j] = even + odd
    while width > 1:
        half = (width + 1) // 2
        for j in range(width - half):
            cells[j] += cells[half + j]
        width = half
    total: float = cells[0]
    return total


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _halves(left: Float32, right: Float32, cells: Float64) -> int:
    """Multiply, and add the right half to the left; give how many cells that makes."""
    width = left.size
    half = (width + 1) // 2
    for j in range(width - half):
        cells[j] = np.float64(left[j]) * np.float64(right[j]) + np.float64(left[half + j]) * np.float64(right[half + j])
    if half > width - half:
        cells[half - 1] = np.float64(left[half - 1]) * np.float64(right[half - 1])
    return half


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _eighths(left: Float32, right: Float32, cells: Float64) -> int:
    """Multiply, and halve three times at once, each cell in the same order; give how many cells that makes."""
    part = left.size // 8
    a, b = left.reshape(8, part), right.reshape(8, part)
    for j in range(part):
        even = (_times(a, b, 0, j) + _times(a, b, 4, j)) + (_times(a, b, 2, j) + _times(a, b, 6, j))
        odd = (_times(a, b, 1, j) + _times(a, b, 5, j)) + (_times(a, b, 3, j) + _times(a, b, 7, j))
        cells[j] = even + odd
    return part


@njit(nogil=True, cache=True, error_model="numpy", inline="always")
def _times(left: Float32, right: Float32, row: int, column: int) -> float:
    return np.float64(left[row, column]) * np.float64(right[row, column])
