"""Squares of lengths, in NumPy; see ``_lengths``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


def squares(vectors: Float32, sums: Float64) -> None:
    """Write the square of the length of each row of vectors[N,d] to ``sums[n]``, added up in any order."""
    with np.errstate(over="ignore", invalid="ignore"):
        np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64, out=sums)
