"""Two small models, coupled: was a pair looked at, and is it relevant? Each is fitted with the other's help.

With l = s·r (labelled = selected and relevant), features x of selection and z of relevance, each model is a logistic
regression, and each is fitted in turn to soft labels that the other, held fixed, gives (expectation-maximisation):

    labelled      s = r = 1
    not labelled  P(r = 1) = r̂·(1 − ŝ) / (1 − ŝ·r̂),   P(s = 1) = ŝ·(1 − r̂) / (1 − ŝ·r̂)

The likelihood of the labels never falls. Features that both sides shared would not be told apart. The common level of ŝ
and r̂ follows from the logistic form alone, which is weak evidence: where the share of unlabelled positives is known, r̂
is moved to it after each turn. (Fitting each model to l divided by the other's clipped chance, as inverse propensities
would have it, ends in a step function when ŝ starts too low; so the weights are not fitted that way.)
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import expit

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

RIDGE = 1e-4
"""Beside the mean cost of a pair, per squared slope of a standardised feature: keeps separable labels bounded."""
ROUNDS, TOLERANCE = 200, 1e-5
STEPS, TINY = 50, 1e-12


class Logistic(msgspec.Struct, frozen=True):
    """A logistic regression of standardised features.

    Attributes:
        intercept: of the logit.
        slopes: per standard deviation of each feature.
        centres: means of the features.
        scales: their standard deviations.
    """

    intercept: float
    slopes: tuple[float, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]

    def __call__(self, features: Float64) -> Float64:
        """Give float64[N] probabilities of float64[N, F] features."""
        logits = (features - np.array(self.centres)) / np.array(self.scales) @ np.array(self.slopes) + self.intercept
        return np.asarray(expit(logits), np.float64)


class Coupled(msgspec.Struct, frozen=True):
    """What was fitted.

    Attributes:
        selection: ŝ of retrieval-side features.
        relevance: r̂ of the scorer's features.
        rounds: until nothing moved.
    """

    selection: Logistic
    relevance: Logistic
    rounds: int


def fit_coupled(selection: Float64, relevance: Float64, labels: Bool, missed: float | None) -> Coupled:
    """Fit both models in turn.

    Args:
        selection: float64[N, F], x.
        relevance: float64[N, G], z.
        labels: bool[N], True = labelled positive.
        missed: known share of the positives that is not labelled; None = as the labels suggest.
    """
    places, x = _standardised(selection)
    others, z = _standardised(relevance)
    by_selection, by_relevance = np.zeros(x.shape[1]), np.zeros(z.shape[1])
    positives = None if missed is None else min(labels.sum() / (1 - missed), 0.99 * len(labels))
    selected, relevant = np.full(len(labels), 0.5), np.full(len(labels), min(2 * labels.mean(), 0.5))
    moved, rounds = np.inf, 0
    while moved > TOLERANCE and rounds < ROUNDS:
        by_relevance = _fit(z, _soft(labels, relevant, selected), by_relevance)
        if positives is not None:
            by_relevance[0] = _level(z @ by_relevance - by_relevance[0], positives)
        now = expit(z @ by_relevance)
        by_selection = _fit(x, _soft(labels, selected, now), by_selection)
        then = expit(x @ by_selection)
        moved = float(max(np.abs(now - relevant).max(), np.abs(then - selected).max()))
        relevant, selected, rounds = now, then, rounds + 1
    return Coupled(_model(by_selection, *places), _model(by_relevance, *others), rounds)


def _soft(labels: Bool, own: Float64, other: Float64) -> Float64:
    """Give the chance that this side is 1: certain where labelled."""
    return np.where(labels, 1.0, own * (1 - other) / np.maximum(1 - own * other, TINY))


def _level(logits: Float64, total: float) -> float:
    """Find the intercept at which the chances add up to a total."""
    from scipy.optimize import brentq  # slow to load

    return float(brentq(lambda intercept: expit(logits + intercept).sum() - total, -100.0, 100.0))


def _standardised(features: Float64) -> tuple[tuple[Float64, Float64], Float64]:
    """Give means and deviations, and float64[N, 1 + F]: a column of ones, then the features."""
    centres, scales = features.mean(axis=0), features.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    return (centres, scales), np.column_stack([np.ones(len(features)), (features - centres) / scales])


def _fit(features: Float64, targets: Float64, start: Float64) -> Float64:
    """Minimise the mean of log(1 + e^u) − target·u and the ridge by Newton's method, a step halved until it helps."""
    ridge = np.full(features.shape[1], RIDGE)

    def cost(slopes: Float64) -> float:
        logits = features @ slopes
        return float((np.logaddexp(0, logits) - targets * logits).mean() + 0.5 * (ridge * slopes**2).sum())

    slopes, best = start, cost(start)
    for _ in range(STEPS):
        chances = expit(features @ slopes)
        gradient = features.T @ (chances - targets) / len(targets) + ridge * slopes
        curvature = (features * (chances * (1 - chances))[:, None]).T @ features / len(targets) + np.diag(ridge)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and (value := cost(slopes - size * step)) > best:
            size /= 2
        if size <= 1e-6 or best - value < 1e-14:
            break
        slopes, best = slopes - size * step, value
    return slopes


def _model(slopes: Float64, centres: Float64, scales: Float64) -> Logistic:
    first, *rest = (float(slope) for slope in slopes)
    return Logistic(first, tuple(rest), tuple(map(float, centres)), tuple(map(float, scales)))
