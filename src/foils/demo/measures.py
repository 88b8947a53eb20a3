"""What the negatives of a recipe are: how many hidden positives are among them, and how hard they are.

    rate      = 1,000 · Σ hidden positives / Σ negatives, over anchors and seeds
    hardness  = mean over negatives of s(anchor, negative) − s(anchor, labelled positive)

The interval of a rate draws anchors and seeds with replacement: the negatives of one anchor share its twins, so
it is anchors, not negatives, that are independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foils.demo.result import Estimate
from foils.demo.settings import ROUNDS
from foils.demo.truth import Bool, Int64
from foils.evaluating import bootstrap_ratio

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

RULE_OF_THREE = 3.0
"""After n independent negatives without one hidden positive, 3 / n bounds their share at 95 %."""


def false_negative_rate(hidden: Bool, items: Int64) -> Estimate:
    """Estimate the hidden positives per 1,000 negatives with an interval clustered by anchor.

    Args:
        hidden: bool[seeds, anchors, M], True for a hidden positive.
        items: int64[seeds, anchors, M], item rows; negative = absent.
    """
    hits = hidden.sum(axis=2, dtype=np.float64)
    negatives = (items >= 0).sum(axis=2, dtype=np.float64)
    if not hits.any():
        # Resampled zeros are zeros: the bootstrap knows no bound. The seeds drew from the same anchors.
        return Estimate(0.0, 0.0, 1000 * RULE_OF_THREE / max(float(negatives.sum(axis=1).min()), RULE_OF_THREE))
    interval = bootstrap_ratio(1000 * hits, negatives, rounds=ROUNDS)
    return Estimate(interval.estimate, interval.low, interval.high)


def score_gaps(anchors: Float32, item_vectors: Float32, items: Int64, labelled: Int64) -> Float64:
    """Compare each negative's cosine with that of the labelled positive.

    Args:
        anchors: float32[A, d], anchor vectors.
        item_vectors: float32[I, d].
        items: int64[A, M], item rows; negative = absent.
        labelled: int64[A], item rows.

    Returns:
        float64[A, M], NaN where absent.
    """
    positive = cosines(anchors, item_vectors[labelled])
    gaps = np.full(items.shape, np.nan)
    for column, rows in enumerate(items.T):  # one of M at a time: no copy of M vectors per anchor
        present = np.flatnonzero(rows >= 0)
        gaps[present, column] = cosines(anchors[present], item_vectors[rows[present]]) - positive[present]
    return gaps


def cosines(a: Float32, b: Float32) -> Float64:
    """Give the cosine of each row of a with the same row of b: float64[R]; 0 for a row of zeros."""
    length = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    products = np.einsum("rd,rd->r", a, b, dtype=np.float64)
    return np.asarray(np.divide(products, length, out=np.zeros_like(products), where=length > 0))
