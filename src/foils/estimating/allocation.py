"""How unequal the draw is: pairs about which the scorer leaves doubt are drawn more often.

The variance of the estimate is least where pi is proportional to the standard deviation of a label given the score
(Neyman, 1934; active inference: Zrnic and Candès, 2024). It is taken from the binormal model of a scorer with this AUC:
negatives N(0, 1), positives N(d, 1), d = √2 Φ⁻¹(AUC), so that p(z) = θ φ(z − d) / (θ φ(z − d) + (1 − θ) φ(z)).

The rate θ is what is asked, so v = p (1 − p) / θ (1 − θ) is averaged over ``RATES``. A scorer that looks good and is
useless costs the variance of equal chances times the mean of 1 / weight. Of all weights with the same such cost
√(v + ``FLOOR``) makes the variance least. The floor keeps √(mean 1 / weight) within 1.043 whatever the AUC, and so the
width within 5 % as long as no more than a seventh of all pairs is labelled. The rates are low ones, where positives are
dear. A floor of 0.2 cost up to 7 %, and a good scorer was worth 2 to 3 % more.
A weight never falls as the score rises: a scorer that is not worse than useless then finds at least as many positives
as equal chances do, which the upper end of an interval without positives relies on.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtr, ndtri

Float64 = npt.NDArray[np.float64]

RATES = (0.03, 0.1)
FLOOR = 0.65
BEST = 0.95
"""An AUC above it is taken as this."""
EDGE = 1e-9
"""Chances this near to 1 are 1: a pair that is drawn for sure adds no variance."""
GRID = np.linspace(-5.5, 9.0, 2901)


def relative_weights(strengths: Float64, auc: float) -> Float64:
    """Give the weight of each pair, float64[N] of mean 1; a pair without strength weighs 1.

    Args:
        strengths: float64[N], normal scores; NaN = not scored.
        auc: Of the scorer, ½ … 1; ½ gives equal weights.
    """
    weights = np.ones(len(strengths))
    scored = ~np.isnan(strengths)
    if auc <= 0.5 or not scored.any():
        return weights
    raw = np.interp(strengths[scored], *_curve(round(min(auc, BEST), 3)))
    weights[scored] = raw / raw.mean()
    return weights


@lru_cache(maxsize=64)
def _curve(auc: float) -> tuple[Float64, Float64]:
    """Give normal scores of the population's ranks, and the weight at each."""
    distance = float(np.sqrt(2) * ndtri(auc))
    variance = np.zeros_like(GRID)
    at = ndtri(np.clip(_rank(GRID, distance, RATES[0]), 1e-12, 1 - 1e-12))
    for rate in RATES:
        p = expit(logit(rate) + distance * GRID - distance**2 / 2)
        here = ndtri(np.clip(_rank(GRID, distance, rate), 1e-12, 1 - 1e-12))
        variance += np.interp(at, here, p * (1 - p)) / (rate * (1 - rate)) / len(RATES)
    return at, np.maximum.accumulate(np.sqrt(variance + FLOOR))


def _rank(z: Float64, distance: float, rate: float) -> Float64:
    share: Float64 = (1 - rate) * ndtr(z) + rate * ndtr(z - distance)
    return share


def inclusion_probabilities(weights: Float64, n: int) -> Float64:
    """Give pi = min(1, c · weight) with Σ pi = n, float64[N].

    Args:
        weights: float64[N], positive.
        n: Number of pairs to draw, 1 … N.
    """
    certain = np.zeros(len(weights), dtype=bool)
    while True:
        left, room = weights[~certain].sum(), n - np.count_nonzero(certain)
        pi = np.where(certain, 1.0, weights * (room / left) if left > 0 else 1.0)
        beyond = ~certain & (pi >= 1 - EDGE)
        if not beyond.any():
            return pi
        certain |= beyond
