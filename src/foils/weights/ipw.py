"""Inverse propensity weights: losses on positives that were found only where somebody looked.

A pair is labelled positive when it was selected for judging and is relevant: l = s·r. With ŝ the chance of selection,

    pointwise   Σ_d (l_d / ŝ_d)·L⁺_d + (1 − l_d / ŝ_d)·L⁻_d     expected over s: the loss of full labels, exactly
    listwise    − Σ_{d: l = 1} (ŝ_ref / ŝ_d)·log softmax(R)_d    ŝ_ref the largest of the list: scale cancels

A labelled pair with ŝ < 1 gets a negative coefficient in L⁻, which pays for the positives that nobody looked at. 1/ŝ
explodes, so ŝ is clipped from below; a clip of 1 is the ordinary loss with its bias and least variance. How many pairs
of equal weight would vary as little is the effective sample size (Σ w)² / Σ w² (Kish, 1965).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


def pointwise_ipw(
    labels: Bool, propensities: Floats, positive_losses: Floats, negative_losses: Floats, *, clip: float = 0.1
) -> Float64:
    """Give the pointwise loss of each list.

    Args:
        labels: bool[A, K], True where a pair is labelled positive.
        propensities: float[A, K], ŝ between 0 and 1.
        positive_losses: float[A, K], L⁺, what each pair would cost as a positive.
        negative_losses: float[A, K], L⁻.
        clip: smallest propensity.

    Returns:
        float64[A].
    """
    weights = labels / np.maximum(np.asarray(propensities, np.float64), clip)
    total: Float64 = (weights * positive_losses + (1 - weights) * negative_losses).sum(axis=1)
    return total


def listwise_ipw(labels: Bool, propensities: Floats, scores: Floats, *, clip: float = 0.1) -> Float64:
    """Give the listwise loss of each list; 0 where nothing is labelled.

    Args:
        labels: bool[A, K].
        propensities: float[A, K], ŝ up to a common factor; the clip is a share of the list's largest.
        scores: float[A, K], R.
        clip: smallest propensity, as a share of the largest.

    Returns:
        float64[A].
    """
    relative = np.asarray(propensities, np.float64) / np.max(propensities, axis=1, keepdims=True)
    weights = labels / np.maximum(relative, clip)
    logits = np.asarray(scores, np.float64) - np.max(scores, axis=1, keepdims=True)
    log_shares = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    total: Float64 = -(weights * log_shares).sum(axis=1)
    return total


def effective_sample_size(weights: Floats) -> float:
    """Give (Σ w)² / Σ w²: between 1 and the number of weights, and that number where all are equal.

    >>> effective_sample_size(np.array([1.0, 1.0, 0.0]))
    2.0
    """
    wide = np.asarray(weights, np.float64)
    squares = float((wide**2).sum())
    return float(wide.sum()) ** 2 / squares if squares else 0.0
