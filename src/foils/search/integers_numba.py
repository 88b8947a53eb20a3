"""Inner products of integers in 16 bits, compiled; see ``screen_int8``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from foils._fetch_numba import fetch_row

Bytes = npt.NDArray[np.int8]
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
