"""Vectors as integers, and inner products of these in 16 bits, in NumPy; see ``integers_numba``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils._lengths import lengths_of

Bytes = npt.NDArray[np.int8]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]

CELLS = 1 << 18
"""Components that are multiplied together."""
NEAR_CELLS = 1 << 16
"""Components that are rounded together: they, and what is made of them, stay near the processor."""


def sums(left: Int16, rows: Int64, high: Bytes, low: Bytes, columns: Int64, steps: int, out: Float64) -> None:
    """Write inner products; see ``integers_numba.sums``. Whole numbers below 2⁵³, so the order does not matter."""
    step = max(1, CELLS // left.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        right = high[columns[part]].astype(np.float64)
        right *= steps
        right += low[columns[part]]
        np.einsum("pd,pd->p", left[rows[part]].astype(np.float64), right, out=out[part])


def split(
    rows: Float32, unit: np.float32, finer: np.float32, most: int, high: Bytes, low: Bytes
) -> tuple[float, float]:
    """Round rows to whole ``unit``, and what that leaves to whole ``finer``; see ``integers_numba.split``."""
    moved, moved_less = 0.0, 0.0
    step = max(1, NEAR_CELLS // rows.shape[1])
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        upper = np.rint(rows[part] / unit)
        left = rows[part] - upper * unit
        lower = np.rint(left / finer).clip(-most, most)
        high[part], low[part] = upper.clip(-most, most), lower
        moved = max(moved, float(lengths_of(left).max()))
        moved_less = max(moved_less, float(lengths_of(left - lower * finer).max()))
    return moved, moved_less
