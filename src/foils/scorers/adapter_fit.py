"""Logistic regression, fitted several times: each anchor is scored by a model that never saw its pairs (cross-fitting).

    minimise  −Σ_n c_n [y_n log p_n + (1 − y_n) log(1 − p_n)] + ½ λ |w|²,   p = σ(x·w + b)

over standardised features x; c_n gives both classes half of the weight, and all weights add up to 1. Then all of w is
stretched by one factor, and b moved, to the minimum without λ: the ridge says which features count, and does not hold
the probabilities near one half. Both minima are unique, so the fit follows from the data alone, up to rounding. A
feature that does not vary gets the weight 0, and one that is missing (NaN) counts as its mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils._threads import one_thread
from foils.errors import DataError
from foils.positives import Int64, Relation

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

STEPS = 200
"""Of L-BFGS at most."""
LEAST_RIDGE = 1e-4
"""Where one factor is fitted: only keeps it finite where the classes can be told apart without an error."""
RIDGE = 1.0
"""How strongly weights of standardised features are held back: so many features learn a data set by heart with less."""
PAIRS_AT_ONCE = 2048
"""Pairs whose features are made at a time."""
FEWEST_ANCHORS = 10
"""With known positives; from fewer nothing is learnt."""


@dataclass(frozen=True, eq=False)
class Logistic:
    """Fitted models, one per fold, over the features as they are.

    Attributes:
        means: float64[F, n], what a missing feature counts as.
        weights: float64[F, n].
        offsets: float64[F].
    """

    means: Float64
    weights: Float64
    offsets: Float64


@dataclass(frozen=True, eq=False)
class Taught:
    """Pairs to learn from.

    Attributes:
        anchors: int64[T].
        items: int64[T].
        unseen: int64[T], a known positive of the anchor that is taken for unlabelled when features are made: the pair's
            own, or that of the positive it is set against; −1 = none.
        labels: bool[T], True for known positives.
    """

    anchors: Int64
    items: Int64
    unseen: Int64
    labels: Bool


def folds_of(given: Relation, folds: int, key: Key) -> Int64:
    """Deal anchors with a known positive out to folds of equal size, in the order of noise; the rest have fold 0.

    Returns:
        int64[A].
    """
    anchors = np.flatnonzero(given.degrees > 0)
    order = np.argsort(_array.counter_uniform(key, anchors, np.zeros_like(anchors)), kind="stable")
    dealt = np.zeros(len(given.degrees), np.int64)
    dealt[anchors[order]] = np.arange(len(anchors)) % folds
    return dealt


def require_anchors(given: Relation, who: str) -> None:
    """Check that there is something to learn from.

    Raises:
        DataError: fewer than ``FEWEST_ANCHORS`` anchors have a known positive.
    """
    count = int((given.degrees > 0).sum())
    if count < FEWEST_ANCHORS:
        raise DataError(
            f"{who} learns from known positives, and only {count} anchors have one in this split; it needs "
            f"{FEWEST_ANCHORS} or more: name another split, or leave this scorer out"
        )


def chosen_positives(given: Relation, most: int, key: Key) -> tuple[Int64, Int64]:
    """Draw one known positive of each of up to ``most`` anchors: int64[C] anchors, ascending, and items."""
    anchors, items = given.coordinates()
    noise = _array.counter_uniform(key, anchors, items)
    order = np.lexsort((noise, anchors))
    first = order[np.diff(anchors[order], prepend=-1) > 0]
    kept = np.sort(first[np.argsort(noise[first], kind="stable")[:most]])
    return anchors[kept], items[kept]


def in_parts(n: int, features: Callable[[slice], Float64]) -> Float64:
    """Make the features of n pairs, a few at a time: float64[n, F]."""
    return np.concatenate([features(part) for part in segments.slices(n, PAIRS_AT_ONCE)])


def fit_folds(features: Float64, labels: Bool, folds: Int64, n_folds: int, ridge: float) -> Logistic:
    """Fit one model per fold, on the pairs of the other folds.

    Args:
        features: float64[T, n], NaN = missing.
        labels: bool[T].
        folds: int64[T], the fold of each pair's anchor.
        n_folds: how many there are.
        ridge: λ, how strongly weights of standardised features are held back.
    """
    fitted = [_fit(features[folds != fold], labels[folds != fold], ridge) for fold in range(n_folds)]
    means, weights, offsets = zip(*fitted, strict=True)
    return Logistic(np.stack(means), np.stack(weights), np.array(offsets))


def _fit(features: Float64, labels: Bool, ridge: float) -> tuple[Float64, Float64, float]:
    """Fit one model: means float64[n], weights float64[n] and offset, over the features as they are."""
    present = ~np.isnan(features)
    counts = np.maximum(present.sum(axis=0), 1)
    means = np.where(present, features, 0).sum(axis=0) / counts
    centred = np.where(present, features - means, 0)
    deviations = np.sqrt((centred**2).sum(axis=0) / counts)
    # What varies by rounding alone says nothing.
    scales = np.where(deviations > 1e-12 * np.abs(means).clip(1), deviations, np.inf)
    standard = centred / scales
    with one_thread():
        direction, _ = _minimum(standard, labels, ridge)
        (stretch,), offset = _minimum((standard @ direction)[:, None], labels, LEAST_RIDGE)
    weights = stretch * direction / scales
    return means, weights, offset - float((means * weights).sum())


def _minimum(features: Float64, labels: Bool, ridge: float) -> tuple[Float64, float]:
    """Find the weights and the offset at the minimum."""
    start, given = np.zeros(features.shape[1] + 1), (features, labels, _balanced(labels), ridge)
    from scipy.optimize import minimize  # slow to load

    found = minimize(_loss, start, given, method="L-BFGS-B", jac=True, options={"maxiter": STEPS})
    return found.x[:-1], float(found.x[-1])


def _balanced(labels: Bool) -> Float64:
    """Give each class half of the weight."""
    shares = np.where(labels, labels.sum(), (~labels).sum())
    return np.asarray(0.5 / np.maximum(shares, 1), dtype=np.float64)


def _loss(at: Float64, features: Float64, labels: Bool, costs: Float64, ridge: float) -> tuple[float, Float64]:
    """Give the loss and its gradient."""
    weights, offset = at[:-1], at[-1]
    logits = features @ weights + offset
    signed = np.where(labels, -logits, logits)
    pulls = costs * (_array.sigmoid(logits) - labels)
    loss = (costs * np.logaddexp(0, signed)).sum() + 0.5 * ridge * (weights @ weights)
    return float(loss), np.append(pulls @ features + ridge * weights, pulls.sum())
