"""How good is a scorer at finding positives? Measured with the labels of a design.

Precision at a threshold is the rate of positives among the pairs at or above it. Recall is a ratio of two weighted
sums, and the AUC a ratio of weighted counts of pairs of pairs: each is linearised into one term per label (Särndal,
Swensson and Wretman, 1992), whose squares are added by pair or by anchor. The interval of a ratio is the beta one at
the effective number of positives (Korn and Graubard, 1998). Unsure and skipped labels are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from foils.errors import InputError
from foils.estimating.design import Design
from foils.estimating.labels import Label
from foils.estimating.moments import Bool, Float64, Int64, Target
from foils.estimating.population import Population
from foils.estimating.rate import LEVEL, Rate, estimate_rate, labelled


class Share(msgspec.Struct, frozen=True):
    """A share with its interval."""

    estimate: float
    low: float
    high: float


class AtThreshold(msgspec.Struct, frozen=True):
    """A scorer that calls positive what it scores at or above a threshold.

    Attributes:
        threshold: The score.
        called: Share of all pairs at or above it.
        precision: Positives among them; None where none of them has a label.
        recall: Share of all positives that lies at or above it; None where no positive was found.
    """

    threshold: float
    called: float
    precision: Rate | None
    recall: Share | None


class ScorerQuality(msgspec.Struct, frozen=True):
    """What a scorer is worth on these pairs.

    Attributes:
        auc: The chance that a positive scores above a negative, ties half; None without both.
        labels: Decided labels of scored pairs.
        positives: Among them.
        thresholds: In the order given.
    """

    auc: Share | None
    labels: int
    positives: int
    thresholds: tuple[AtThreshold, ...]


def scorer_quality(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    scores: Float64,
    thresholds: Sequence[float] = (),
    *,
    target: Target = "file",
    level: float = LEVEL,
) -> ScorerQuality:
    """Measure precision, recall and AUC of any scorer on the pairs of a population.

    Args:
        population: The N pairs.
        design: Which of them were drawn; it may have been guided by another scorer.
        labels: int8[m], of the first m pairs of its order.
        scores: float64[N], of the scorer to measure; NaN = not scored, never called positive, not in the AUC.
        thresholds: Scores at which to measure.
        target: "file", these very pairs, or "recipe", pairs of anchors like these.
        level: Of the intervals.

    Raises:
        InputError: Arrays do not fit together, or a number is out of range.
    """
    scores = np.asarray(scores, np.float64)
    if scores.shape != (population.size,):
        raise InputError(f"scores have shape {scores.shape}; expected one for each of {population.size:,} pairs")
    sample, given = labelled(population, design, labels, None, target, level)
    decided = given >= 0
    positive, weights = given[decided] == Label.POSITIVE, 1 / sample.pi[decided]
    at = scores[sample.places[decided]]
    owners = sample.anchors[sample.places[decided]] if target == "recipe" else np.arange(len(at))
    measured = []
    for threshold in thresholds:
        called = scores >= threshold
        reached = np.any(called[sample.places])
        measured.append(
            AtThreshold(
                float(threshold),
                float(called.mean()),
                estimate_rate(population, design, labels, within=called, target=target, level=level)
                if reached
                else None,
                _recall(at >= threshold, positive, weights, owners, level),
            )
        )
    scored = ~np.isnan(at)
    auc = _auc(at[scored], positive[scored], weights[scored], owners[scored], level)
    return ScorerQuality(auc, int(scored.sum()), int(positive[scored].sum()), tuple(measured))


def _recall(called: Bool, positive: Bool, weights: Float64, owners: Int64, level: float) -> Share | None:
    total = weights[positive].sum()
    if total == 0:
        return None
    recall = float(weights[positive & called].sum() / total)
    terms = np.where(positive, weights * (called - recall) / total, 0.0)
    return _share(recall, terms, np.where(positive, weights, 0.0), owners, level)


def _auc(at: Float64, positive: Bool, weights: Float64, owners: Int64, level: float) -> Share | None:
    if positive.all() or not positive.any():
        return None
    above = _share_below(at[~positive], weights[~positive], at[positive])
    below = 1 - _share_below(at[positive], weights[positive], at[~positive])
    auc = float(np.average(above, weights=weights[positive]))
    terms = np.zeros(len(at))
    terms[positive] = weights[positive] * (above - auc) / weights[positive].sum()
    terms[~positive] = weights[~positive] * (below - auc) / weights[~positive].sum()
    fewer = positive if positive.sum() <= (~positive).sum() else ~positive
    return _share(auc, terms, np.where(fewer, weights, 0.0), owners, level)


def _share_below(values: Float64, weights: Float64, at: Float64) -> Float64:
    """Give the weighted share of values below each number, ties half."""
    order = np.argsort(values, kind="stable")
    sums = np.append(0.0, np.cumsum(weights[order]))
    left, right = (np.searchsorted(values[order], at, side=side) for side in ("left", "right"))
    below: Float64 = (sums[left] + sums[right]) / 2 / sums[-1]
    return below


def _share(estimate: float, terms: Float64, weights: Float64, owners: Int64, level: float) -> Share:
    """Give the beta interval at the effective number of looks, at most that of the weights (Kish, 1965)."""
    units, index = np.unique(owners, return_inverse=True)
    squares = (np.bincount(index, weights=terms, minlength=len(units)) ** 2).sum()
    held = np.bincount(index, weights=weights, minlength=len(units))
    looks = float(held.sum() ** 2 / (held**2).sum())
    variance = float(squares) * looks / max(looks - 1, 1.0)
    if variance > 0:
        looks = min(estimate * (1 - estimate) / variance, looks)
    tail, hits = (1 - level) / 2, estimate * looks
    low = float(betaincinv(hits, looks - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, looks - hits, 1 - tail)) if hits < looks else 1.0
    return Share(estimate, min(low, estimate), max(high, estimate))
