"""Lengths of vectors, for bounds and checks: added up in any order, so that the last bits differ by the machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils._compiled import kernels


def lengths_of(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Measure the rows of float32[N, d]: float64[N]. What results follow from uses ``_array.normalise_rows``."""
    lengths = np.empty(len(vectors))
    kernels("foils._squares").squares(np.ascontiguousarray(vectors), lengths)
    return np.sqrt(lengths, out=lengths)
