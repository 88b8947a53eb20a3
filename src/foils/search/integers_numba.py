"""Vectors as integers, and inner products of these in 16 bits, compiled; see ``screen_int8``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from foils._fetch_numba import fetch_row
from foils._squares_numba import squared

Bytes = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]

AHEAD = 4
"""How many pairs ahead rows are asked for."""


@njit(nogil=True, cache=True, error_model="numpy")
def sums(left: Int16, rows: Int64, high: Bytes, low: Bytes, columns: Int64, steps: int, out: Float64) -> None:
    """Write the inner product of ``left[rows[p]]`` and ``steps · high[columns[p]] + low[columns[p]]`` to ``out[p]``.

    Args:
        left: int16[A, d], so small that no sum leaves 32 bits.
        rows: int64[P].
        high: int8[N, d].
        low: int8[N, d].
        columns: int64[P].
        steps: how many of the lower make one of the higher.
        out: float64[P], written; exact.
    """
    upper_values, lower_values = high.reshape(high.size), low.reshape(low.size)
    for p in range(rows.size):
        if p + AHEAD < rows.size:
            fetch_row(upper_values, left.shape[1], columns[p + AHEAD])
            fetch_row(lower_values, left.shape[1], columns[p + AHEAD])
        numbers, upper, lower = left[rows[p]], high[columns[p]], low[columns[p]]
        coarse, fine = np.int32(0), np.int32(0)
        for j in range(left.shape[1]):
            coarse = np.int32(coarse + np.int32(numbers[j]) * np.int32(upper[j]))
            fine = np.int32(fine + np.int32(numbers[j]) * np.int32(lower[j]))
        out[p] = np.float64(coarse) * steps + np.float64(fine)


@njit(nogil=True, cache=True, error_model="numpy")
def split(
    rows: Float32, unit: np.float32, finer: np.float32, most: int, high: Bytes, low: Bytes
) -> tuple[float, float]:
    """Round rows to whole ``unit``, and what that leaves to whole ``finer``.

    Args:
        rows: float32[N, d].
        unit: float32, of the higher integers.
        finer: float32, of the lower.
        most: the largest integer.
        high: int8[N, d], written.
        low: int8[N, d], written.

    Returns:
        the longest distance that a row moves by rounding once, and that of both together.
    """
    left, bar = np.empty(rows.shape[1], np.float32), np.float32(most)
    moved, moved_less = 0.0, 0.0
    for n in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            upper = np.rint(rows[n, j] / unit)
            high[n, j] = np.int8(min(max(upper, -bar), bar))
            left[j] = rows[n, j] - upper * unit
        moved = max(moved, squared(left))
        for j in range(rows.shape[1]):
            lower = min(max(np.rint(left[j] / finer), -bar), bar)
            low[n, j] = np.int8(lower)
            left[j] -= lower * finer
        moved_less = max(moved_less, squared(left))
    return np.sqrt(moved), np.sqrt(moved_less)
