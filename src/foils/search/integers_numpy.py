"""Inner products of integers in 16 bits, in NumPy; see ``integers_numba``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]

CELLS = 1 << 18
"""Components that are multiplied together."""


def sums(left: Int16, rows: Int64, high: Bytes, low: Bytes, columns: Int64, steps: int, out: Float64) -> None:
    """Write inner products; see ``integers_numba.sums``. Whole numbers below 2⁵³, so the order does not matter."""
    step = max(1, CELLS // left.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        right = high[columns[part]].astype(np.float64)
        right *= steps
        right += low[columns[part]]
        np.einsum("pd,pd->p", left[rows[part]].astype(np.float64), right, out=out[part])
