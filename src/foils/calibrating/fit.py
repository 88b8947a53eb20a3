"""Fit calibrators to pairs.

Weights count as much as their effective number of pairs, (Σw)² / Σw², says. No fitted probability is 0 or 1: isotonic
regression gets half a positive at the lowest score and half a negative at the highest, and a logistic curve gets
Platt's targets, (N₊ + 1) / (N₊ + 2) for a positive and 1 / (N₋ + 2) for a negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from foils import _array
from foils.calibrating.pairs import Float64, Pairs
from foils.calibrators import Calibrator, Cascade, Input, Isotonic, One, Platt, Stacker, Term

Method = Literal["isotonic", "platt", "stacker", "cascade"]
METHODS: tuple[str, ...] = get_args(Method)
RIDGE = 1.0
"""Penalty on a stacker's squared weights, each per standard deviation of its score: a weak prior, N(0, 1)."""
DIGITS = 6
"""Digits of a fitted probability; more say nothing."""
STEPS, ENOUGH = 100, 1e-10
"""Newton steps at most, and the step that is too small to go on."""


def fit(method: Method, inputs: Sequence[Input], pairs: Pairs) -> Calibrator:
    """Fit a calibrator: isotonic and platt read one input, the others one or more."""
    if method == "isotonic":
        return fit_isotonic(inputs[0], pairs)
    if method == "platt":
        return fit_platt(inputs[0], pairs)
    if method == "stacker":
        return fit_stacker(inputs, pairs)
    return Cascade(of=tuple(One(isotonic=fit_isotonic(entry, pairs)) for entry in inputs))


def fit_isotonic(entry: Input, pairs: Pairs) -> Isotonic:
    """Fit a rising curve (pool adjacent violators), with its points at the ends of each level stretch."""
    values, targets, weights = _there(entry, pairs)
    scores, of = np.unique(values, return_inverse=True)
    mass = np.bincount(of, weights)
    hits = np.bincount(of, weights * targets)
    hits[0] += 0.5
    mass[0] += 0.5
    mass[-1] += 0.5
    from scipy.optimize import isotonic_regression  # slow to load

    found = isotonic_regression(hits / mass, weights=mass)
    ends = np.unique(np.concatenate([found.blocks[:-1], found.blocks[1:] - 1]))
    probabilities = np.round(np.clip(found.x[ends], 0, 1), DIGITS)
    return Isotonic(entry.column, tuple(scores[ends].tolist()), tuple(probabilities.tolist()), entry.reference)


def fit_platt(entry: Input, pairs: Pairs) -> Platt:
    """Fit a logistic curve on one score."""
    values, targets, weights = _there(entry, pairs)
    centre, scale = _spread(values, weights)
    design = np.stack([np.ones(len(values)), (values - centre) / scale], axis=1)
    # Platt's targets bound the curve; the penalty only keeps a score that is always the same from having any slope.
    intercept, weight = logistic_regression(design, _smoothed(targets, weights), weights, np.array([0.0, 1e-6]))
    return Platt(entry.column, float(weight / scale), float(intercept - weight * centre / scale), entry.reference)


def fit_stacker(inputs: Sequence[Input], pairs: Pairs) -> Stacker:
    """Fit a logistic regression, with an indicator for each score that is missing somewhere."""
    values = [np.asarray(entry.values(pairs.candidates))[:, 0] for entry in inputs]
    some = ~np.all([np.isnan(one) for one in values], axis=0)
    weights, values = _effective(pairs.weights[some]), [one[some] for one in values]
    centred, missing, places = [], [], []
    for one in values:
        absent = np.isnan(one)
        centre, scale = _spread(one[~absent], weights[~absent])
        places.append((centre, scale))
        centred.append(np.where(absent, 0.0, (np.where(absent, centre, one) - centre) / scale))
        missing.append(absent.astype(np.float64))
    design = np.stack([np.ones(len(weights)), *centred, *missing], axis=1)
    penalty = np.r_[0.0, np.full(2 * len(values), RIDGE)]
    found = logistic_regression(design, _smoothed(pairs.targets[some], weights), weights, penalty)
    terms = [
        Term(entry.column, float(weight), entry.reference, float(centre), float(scale), float(silence))
        for entry, weight, (centre, scale), silence in zip(
            inputs, found[1 : 1 + len(values)], places, found[1 + len(values) :], strict=True
        )
    ]
    return Stacker(tuple(terms), float(found[0]))


def logistic_regression(design: Float64, targets: Float64, weights: Float64, penalty: Float64) -> Float64:
    """Minimise Σ w · (log(1 + e^z) − t·z) + ½ Σ penalty · β², z = design·β, by Newton steps that never go uphill."""
    found = np.zeros(design.shape[1])
    loss = _loss(design, targets, weights, penalty, found)
    for _ in range(STEPS):
        said = np.asarray(_array.sigmoid(design @ found))
        slope = design.T @ (weights * (said - targets)) + penalty * found
        curvature = (design * (weights * said * (1 - said))[:, None]).T @ design
        curvature += np.diag(penalty + 1e-12)
        step, share = np.linalg.solve(curvature, slope), 1.0
        while (after := _loss(design, targets, weights, penalty, found - share * step)) > loss and share > ENOUGH:
            share /= 2
        found, loss = found - share * step, min(after, loss)
        if np.abs(share * step).max() < ENOUGH:
            break
    return found


def _loss(design: Float64, targets: Float64, weights: Float64, penalty: Float64, at: Float64) -> float:
    logits = design @ at
    return float(weights @ (np.logaddexp(0, logits) - targets * logits) + 0.5 * penalty @ at**2)


def _there(entry: Input, pairs: Pairs) -> tuple[Float64, Float64, Float64]:
    """Give values, targets and weights of the pairs that have a score."""
    values = np.asarray(entry.values(pairs.candidates))[:, 0]
    there = ~np.isnan(values)
    return values[there], pairs.targets[there], _effective(pairs.weights[there])


def _effective(weights: Float64) -> Float64:
    """Scale weights so that they sum to the effective number of pairs."""
    return np.asarray(weights * (weights.sum() / (weights**2).sum())) if len(weights) else weights


def _smoothed(targets: Float64, weights: Float64) -> Float64:
    """Give Platt's targets; for what is neither 0 nor 1, between them."""
    positives = float(weights @ targets)
    most, least = (positives + 1) / (positives + 2), 1 / (float(weights.sum()) - positives + 2)
    return np.asarray(least + targets * (most - least))


def _spread(values: Float64, weights: Float64) -> tuple[float, float]:
    """Give mean and standard deviation; 0 and 1 of nothing, and a deviation of 1 where all are equal."""
    if not len(values):
        return 0.0, 1.0
    mean = float(np.average(values, weights=weights))
    scale = float(np.sqrt(np.average((values - mean) ** 2, weights=weights)))
    return mean, scale if scale > 0 else 1.0
