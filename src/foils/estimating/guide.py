"""g: the probability of a positive that score and labels suggest, never fitted on the anchor it is used for.

For a binormal scorer the log-odds of a positive are linear in the score, with slope (μ₁ − μ₀) / σ². Its moments are
weighted by 1 / pi and taken over the labels of all folds but the pair's own; folds are of anchors (cross-fitting:
Egami et al., 2023). The slope is shrunk as James and Stein do, by 1 − 1 / t² with t² = (difference / its error)², and
is zero with fewer than ``FEWEST`` labels on either side. Any g leaves the estimate unbiased; a good one narrows it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from foils._array import Key, counter_uniform

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

FOLDS = 5
FEWEST = 3
LEAST_VARIANCE = 0.05
"""Of the strengths within a side, whose variance in the population is 1; it bounds the slope."""
SPLIT = Key(0, "folds of anchors", 0)


def folds_of(anchors: Int64) -> Int64:
    """Give the fold of each anchor number, int64[N] in 0 … FOLDS − 1."""
    folds: Int64 = (counter_uniform(SPLIT, anchors, np.zeros(1, np.int64)) * FOLDS).astype(np.int64)
    return folds


def guess(strengths: Float64, folds: Int64, places: Int64, positives: Float64, weights: Float64) -> Float64:
    """Guess the probability of a positive for every pair, float64[N].

    Args:
        strengths: float64[N], NaN = not scored.
        folds: int64[N], of the pairs' anchors.
        places: int64[m], of the labelled pairs.
        positives: float64[m], 1 or 0.
        weights: float64[m], 1 / pi.
    """
    scored = ~np.isnan(strengths[places])
    at, y, w = strengths[places][scored], positives[scored], weights[scored]
    own = folds[places][scored]
    slopes, intercepts = _fitted(*(_others(own, side) for side in _sums(at, y, w)))
    fitted = expit(intercepts[folds] + slopes[folds] * np.where(np.isnan(strengths), 0.0, strengths))
    g: Float64 = np.where(np.isnan(strengths) | (slopes[folds] == 0), 0.0, fitted)
    return g


def _sums(at: Float64, y: Float64, w: Float64) -> tuple[Float64, Float64]:
    """Give count, Σw, Σw², Σwx, Σwx² of each label, [m, 5] of those with y = 0 and of those with y = 1."""
    terms = np.stack([np.ones_like(w), w, w * w, w * at, w * at * at], axis=1)
    return terms * (1 - y)[:, None], terms * y[:, None]


def _others(own: Int64, terms: Float64) -> Float64:
    """Sum the terms over the labels of the other folds, [FOLDS, 5]."""
    by_fold = np.stack([np.bincount(own, weights=column, minlength=FOLDS) for column in terms.T], axis=1)
    rest: Float64 = by_fold.sum(axis=0) - by_fold
    return rest


def _fitted(negative: Float64, positive: Float64) -> tuple[Float64, Float64]:
    """Give slope and intercept of the log-odds for each fold."""
    enough = np.minimum(negative[:, 0], positive[:, 0]) >= FEWEST
    safe_n, safe_p = (np.where(enough[:, None], side, 1.0) for side in (negative, positive))
    mean_n, mean_p = safe_n[:, 3] / safe_n[:, 1], safe_p[:, 3] / safe_p[:, 1]
    within = (safe_n[:, 4] - safe_n[:, 1] * mean_n**2) + (safe_p[:, 4] - safe_p[:, 1] * mean_p**2)
    variance = np.maximum(within / (safe_n[:, 1] + safe_p[:, 1]), LEAST_VARIANCE)
    error = variance * (safe_n[:, 2] / safe_n[:, 1] ** 2 + safe_p[:, 2] / safe_p[:, 1] ** 2)
    difference = mean_p - mean_n
    kept = np.maximum(1 - error / np.maximum(difference**2, 1e-12), 0)
    slopes = np.where(enough & (difference > 0), kept * difference / variance, 0.0)
    intercepts = np.log(safe_p[:, 1] / safe_n[:, 1]) - slopes * (mean_p + mean_n) / 2
    return slopes, intercepts
