"""Squares of lengths, compiled; see ``_lengths``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def squares(vectors: Float32, sums: Float64) -> None:
    """Write the square of the length of each row of vectors[N,d] to ``sums[n]``, added up in any order."""
    for n in range(vectors.shape[0]):
        sums[n] = squared(vectors[n])


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})
def squared(vector: Float32) -> float:
    """Give the square of a length, added up in any order."""
    total = 0.0
    for j in range(vector.size):
        total += np.float64(vector[j]) * np.float64(vector[j])
    return total
