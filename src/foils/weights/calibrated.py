"""What weights share: a ``p_positive`` that may be taken for a probability, and log-weights where a candidate is."""

from __future__ import annotations

import numpy as np

from foils import _array
from foils._array import Array
from foils.candidates import Candidates
from foils.errors import InputError


def calibrated(candidates: Candidates, name: str) -> Array:
    """Give float64[A, K], ``p_positive``; 0 where absent.

    Args:
        candidates: with the column ``p_positive``.
        name: of the weight that asks.

    Raises:
        InputError: a candidate has none, or it is no probability.
    """
    xp = _array.namespace(candidates.items)
    positive = xp.astype(candidates.columns["p_positive"].values, xp.float64)
    present = candidates.valid
    missing = int((present & xp.isnan(positive)).sum())
    if missing:
        raise InputError(
            f"weights {name} need p_positive, and {missing:,} of {int(present.sum()):,} negatives have none: their "
            "scores are not calibrated, and a score is no probability; calibrate a score that all candidates have "
            "(foils calibrate), and judge the result again by it"
        )
    if bool((present & ((positive < 0) | (positive > 1))).any()):
        raise InputError(f"weights {name} need p_positive between 0 and 1; this column holds other numbers")
    return xp.where(present, positive, xp.zeros_like(positive))


def log1p_or_out(values: Array) -> Array:
    """Give log(1 + x), −∞ at −1 without a warning of NumPy's."""
    xp = _array.namespace(values)
    inside = values > -1
    logs = xp.log1p(xp.where(inside, values, xp.zeros_like(values)))
    return xp.where(inside, logs, xp.full_like(logs, -np.inf))


def log_weights(candidates: Candidates, weights: Array) -> Array:
    """Give float32[A, K]: the weights of what is present, −∞ elsewhere."""
    xp = _array.namespace(weights)
    return xp.astype(xp.where(candidates.valid, weights, xp.full_like(weights, -np.inf)), xp.float32)
