"""How far a float32 product may be from the canonical score (Higham 2002, §3.1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils._lengths import lengths_of
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]

UNIT = 2.0**-24
"""Unit roundoff of float32."""
SAFETY = 1.01
"""For the terms of second order, and for the rounding of the bounds themselves."""


def single_slack(anchors: Float32, items: Vectors) -> Float64:
    """Bound the error whatever the order of summation: float64[A].

    ``(γ_d + rounding of the vectors) |q| |c|`` with ``γ_d ≈ d·2⁻²⁴``; four units more for the rounding of the canonical
    score, and room for products that vanish.
    """
    dim = items.dim
    slack: Float64 = SAFETY * ((dim + 4) * UNIT + items.roughness) * lengths_of(anchors) * items.longest
    return slack + dim * 2.0**-126
