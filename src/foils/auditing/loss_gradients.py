"""How hard each loss pulls at a negative: |∂L/∂logit| in closed form.

With g the logit of a negative and p = 1 / (1 + e^−g),

    BCE           −log(1 − p)               p
    focal         −p^γ·log(1 − p)           p^γ·(p − γ·(1 − p)·log(1 − p))                          Lin et al., 2017
    ASL, p_m = max(p − m, 0)                                                                     Ridnik et al., 2021
      detached    −[p_m^γ]·log(1 − p_m)     p_m^γ·p·(1 − p) / (1 − p_m)                 as published models are trained
      attached    −p_m^γ·log(1 − p_m)       p·(1 − p)·(p_m^γ / (1 − p_m) − γ·p_m^(γ − 1)·log(1 − p_m))
    OHEM          BCE of the hardest share, 0 for the others                                 Shrivastava et al., 2016
    InfoNCE       −log softmax(s⁺)          exp(s / t) / (exp(s⁺ / t) + Σ_j exp(s_j / t)), mean over positives
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit

from foils import _segments as segments
from foils.positives import Int64

Float64 = npt.NDArray[np.float64]


def bce_gradients(logits: Float64) -> Float64:
    """Give float64[N], that of binary cross-entropy."""
    return np.asarray(expit(logits), np.float64)


def focal_gradients(logits: Float64, gamma: float) -> Float64:
    """Give float64[N], that of the focal loss; γ = 0 is BCE."""
    p, log_rest = expit(logits), log_expit(-logits)
    found: Float64 = p**gamma * (p - gamma * (1 - p) * log_rest)
    return found


def asl_gradients(logits: Float64, gamma: float, margin: float, *, detached: bool) -> Float64:
    """Give float64[N], that of the asymmetric loss; γ = 0 and m = 0 is BCE.

    Args:
        logits: float64[N].
        gamma: γ₋, at least 0.
        margin: m, the probability below which a negative costs nothing.
        detached: whether the focusing weight is a constant.
    """
    p = expit(logits)
    rest = np.minimum(expit(-logits) + margin, 1.0)
    shifted = 1 - rest
    inside = np.where(rest < 1, shifted, 1.0)  # where nothing is lost, 1 stands in for a 0 that might be divided by
    pull = p * expit(-logits) * inside**gamma / rest
    if not detached:
        pull -= p * expit(-logits) * gamma * inside ** (gamma - 1) * np.log(rest)
    return np.where(rest < 1, pull, 0.0)


def ohem_gradients(logits: Float64, share: float) -> Float64:
    """Give float64[N], that of BCE for the hardest share (rounded up, ties by place), 0 for the others."""
    kept = np.argsort(-logits, kind="stable")[: int(np.ceil(share * len(logits)))]
    found = np.zeros(len(logits))
    found[kept] = bce_gradients(logits[kept])
    return found


def info_nce_gradients(
    scores: Float64, units: Int64, positive_scores: Float64, positive_units: Int64, temperature: float
) -> Float64:
    """Give float64[N], the softmax share of each negative, averaged over the positives of its unit.

    Every positive makes an example of its own with the unit's negatives; their mean keeps units of many positives from
    outweighing the others, as in the losses of single pairs. A unit without positives pulls at nothing.

    Args:
        scores: float64[N].
        units: int64[N], ascending.
        positive_scores: float64[P].
        positive_units: int64[P], ascending.
        temperature: t, in units of the score.
    """
    count = int(max(units.max(initial=-1), positive_units.max(initial=-1))) + 1
    logits, positives = scores / temperature, positive_scores / temperature
    log_negatives = _log_sums(logits, units, count)
    examples = np.logaddexp(positives, log_negatives[positive_units])
    log_weights = _log_sums(-examples, positive_units, count)
    each = np.maximum(np.bincount(positive_units, minlength=count), 1)
    found: Float64 = np.exp(logits + log_weights[units]) / each[units]
    return found


def _log_sums(values: Float64, units: Int64, count: int) -> Float64:
    """Give float64[U], log Σ exp per unit; −infinity where it has none."""
    lengths = np.bincount(units, minlength=count)
    starts, some = segments.bounds(lengths)[:-1], lengths > 0
    highest, sums = np.full(count, -np.inf), np.full(count, -np.inf)
    highest[some] = np.maximum.reduceat(values, starts[some]) if some.any() else highest[some]
    inside = np.exp(values - highest[units])
    sums[some] = np.log(np.add.reduceat(inside, starts[some])) + highest[some] if some.any() else sums[some]
    return sums
