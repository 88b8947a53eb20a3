"""How far stated probabilities can be trusted: what was said against what was found.

    Brier score          mean of (p − y)²
    log loss             mean of −y·log p − (1 − y)·log(1 − p)
    calibration error    Σ over bins of share · |mean p − rate of positives|     (ECE; Naeini et al., 2015)

Bins hold equally many pairs; means are weighted. A calibration error of few pairs is too high by chance alone, as every
bin's rate misses its mean by luck; the intervals of the bins say by how much. Pairs of one anchor hit or miss
together: an interval is Wilson's at the number of independent pairs that the spread between anchors leaves.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from foils.calibrating.pairs import Float64
from foils.estimating.limits import NORMAL
from foils.positives import Int64

BINS = 10
LEAST_OF_A_BIN = 10
"""Pairs; fewer tell no rate."""
LEAST = 1e-6
"""A probability below this counts as this much in a log loss, so that one pair cannot make it infinite."""


class Bin(msgspec.Struct, frozen=True):
    """Pairs of about the same stated probability."""

    said: float
    """Mean of what was said."""
    found: float
    """Rate of positives, weighted."""
    low: float
    """Lower end of the rate's interval of 95 %."""
    high: float
    """Upper end."""
    pairs: int
    share: float
    """Of all weight."""


class Reliability(msgspec.Struct, frozen=True):
    """How stated probabilities fared."""

    said: float
    """Mean of what was said."""
    found: float
    """Rate of positives, weighted."""
    calibration_error: float
    brier: float
    log_loss: float
    pairs: int
    unsaid: int
    """Pairs of which nothing was said; they are in none of the numbers."""
    bins: tuple[Bin, ...]


def reliability(said: Float64, targets: Float64, weights: Float64, anchors: Int64) -> Reliability | None:
    """Compare what was said with what was found; NaN = nothing was said. None where nothing was said at all.

    Args:
        said: float64[P], probabilities.
        targets: float64[P], 1 = positive, 0 = negative, or what a stronger scorer says.
        weights: float64[P].
        anchors: int64[P], what hits or misses together.
    """
    there = ~np.isnan(said)
    if not there.any():
        return None
    p, y, w, of = said[there], targets[there], weights[there], anchors[there]
    bounded = np.clip(p, LEAST, 1 - LEAST)
    places = _places(p)
    bins = tuple(_bin(p[at], y[at], w[at], of[at], w.sum()) for at in (places == place for place in np.unique(places)))
    return Reliability(
        said=float(np.average(p, weights=w)),
        found=float(np.average(y, weights=w)),
        calibration_error=float(sum(one.share * abs(one.said - one.found) for one in bins)),
        brier=float(np.average((p - y) ** 2, weights=w)),
        log_loss=float(np.average(-y * np.log(bounded) - (1 - y) * np.log1p(-bounded), weights=w)),
        pairs=int(there.sum()),
        unsaid=int((~there).sum()),
        bins=bins,
    )


def _places(said: Float64) -> Int64:
    """Say which bin each is in; equal ones are in the same."""
    bins = max(1, min(BINS, len(said) // LEAST_OF_A_BIN))
    edges = np.unique(np.quantile(said, np.arange(1, bins) / bins, method="higher"))
    return np.searchsorted(edges, said, side="right")


def _bin(said: Float64, targets: Float64, weights: Float64, anchors: Int64, total: float) -> Bin:
    found = float(np.average(targets, weights=weights))
    low, high = _wilson(found, _independent(targets, weights, anchors, found))
    return Bin(float(np.average(said, weights=weights)), found, low, high, len(said), float(weights.sum() / total))


def _independent(targets: Float64, weights: Float64, anchors: Int64, rate: float) -> float:
    """Say how many independent pairs of equal weight would tell a rate as well; at most Kish's number of them."""
    kish = float(weights.sum() ** 2 / (weights**2).sum())
    _, of = np.unique(anchors, return_inverse=True)
    clusters = int(of.max()) + 1
    if not 0 < rate < 1 or clusters < 2:
        return min(kish, float(clusters))
    residuals = np.bincount(of, weights * (targets - rate))
    variance = clusters / (clusters - 1) * float((residuals**2).sum()) / float(weights.sum()) ** 2
    return min(kish, rate * (1 - rate) / variance) if variance > 0 else kish


def _wilson(rate: float, n: float) -> tuple[float, float]:
    """Give Wilson's interval (1927), which stays within 0 … 1."""
    spread = NORMAL**2 / n
    centre, half = rate + spread / 2, NORMAL * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    # It holds the rate; rounding must not leave it out at 0 and 1.
    return max(0.0, min(rate, (centre - half) / (1 + spread))), min(1.0, max(rate, (centre + half) / (1 + spread)))
