"""The estimate, its variance and its third moment.

    θ̂ = (1/N) Σ_all g*  +  (1/N) Σ_labelled w (y − g*)

the difference estimator of survey sampling (Särndal, Swensson and Wretman, 1992), known as design-based supervised
learning (Egami et al., 2023) and prediction-powered inference (Angelopoulos et al., 2023). w is 1 / pi, scaled in each
stratum so that the weights sum to its size. g* = λ g + the stratum's mean of y − λ g: so with λ = 0 it is the
post-stratified mean of labels. λ in [0, 1] makes the variance least (power tuning, PPI++): a useless scorer gets 0.

``file``    these very pairs; only the draw is random. A label with pi = 1 adds nothing to the variance.
``recipe``  anchors are a sample too, and all that an anchor adds to θ̂ is one term: labels of an anchor are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from foils.estimating.guide import guess
from foils.estimating.population import Population

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Target = Literal["file", "recipe"]

FEWEST_IN_STRATUM = 12
LUCK = 0.2
"""Labels counted beside those of a stratum; see ``powers``."""
TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Sample:
    """Labels of pairs of a population or of a part of it, ready to be summed.

    Attributes:
        anchors: int64[N], 0 … A − 1.
        strata: int64[N], 0 … H − 1, each with labels.
        strengths: float64[N], NaN = not scored.
        folds: int64[N], of anchors.
        places: int64[m], of the labelled.
        pi: float64[m], with which they were drawn.
    """

    anchors: Int64
    strata: Int64
    strengths: Float64
    folds: Int64
    places: Int64
    pi: Float64


@dataclass(frozen=True, eq=False)
class Fitted:
    """What each pair adds to the estimate.

    Attributes:
        estimate: θ̂.
        guesses: float64[N], g*.
        residuals: float64[m], y − g*.
        flat: float64[m], y − θ̂, which knows of no guide.
        weights: float64[m], w.
    """

    estimate: float
    guesses: Float64
    residuals: Float64
    flat: Float64
    weights: Float64


@dataclass(frozen=True)
class Moments:
    """An estimate as a sum of independent terms.

    Attributes:
        estimate: θ̂.
        variance: Of θ̂.
        third: Third central moment of θ̂.
        freedom: Degrees of freedom of the variance.
    """

    estimate: float
    variance: float
    third: float
    freedom: float


@dataclass(frozen=True)
class Met:
    """The positives, or the negatives, that the draw met.

    Attributes:
        count: How many pairs of a file; how many anchors with one for a recipe.
        unit: By what one more would move the estimate.
    """

    count: float
    unit: float


def sample_of(population: Population, order: Int64, pi: Float64, within: Bool | None = None, *, start: float) -> Sample:
    """Prepare the labelled pairs of a population, or of the part where ``within`` is True; ``start`` is the draw's."""
    cells, groups = population.cells(start), population.groups(start)
    if within is None:
        strata = _merged(cells, groups, order)
        return Sample(population.clusters, strata, population.strengths, population.folds, order, pi)
    inside = within[order]
    places = (np.cumsum(within) - 1)[order[inside]]
    anchors = np.unique(population.clusters[within], return_inverse=True)[1]
    strata = _merged(np.unique(cells[within], return_inverse=True)[1], groups[within], places)
    return Sample(anchors, strata, population.strengths[within], population.folds[within], places, pi[inside])


def fit(sample: Sample, positives: Float64, factors: Float64 | None = None) -> Fitted:
    """Estimate the mean over all pairs of y, or of y times a factor known for each pair.

    Args:
        sample: The labelled pairs.
        positives: float64[m], y of the labelled pairs, 1 or 0.
        factors: float64[N], such as one that makes the mean a difference of two rates.
    """
    h = sample.strata[sample.places]
    sizes = np.bincount(sample.strata).astype(np.float64)
    raw = 1 / sample.pi
    weights = raw * (sizes / np.bincount(h, weights=raw, minlength=len(sizes)))[h]
    g = _guided(sample, positives, raw)
    values = positives
    if factors is not None:
        g, values = g * factors, positives * factors[sample.places]
    at = g[sample.places]
    centred_y, centred_g = (_centred(column, h, weights, sizes) for column in (values, at))
    meat = (1 - sample.pi) * weights**2
    spread = (meat * centred_g**2).sum()
    tuned = float(np.clip((meat * centred_g * centred_y).sum() / spread, 0, 1)) if spread > 0 else 0.0
    means = np.bincount(h, weights=weights * (values - tuned * at), minlength=len(sizes)) / sizes
    guesses = tuned * g + means[sample.strata]
    estimate = float(guesses.mean())
    return Fitted(estimate, guesses, centred_y - tuned * centred_g, values - estimate, weights)


def moments(sample: Sample, fitted: Fitted, target: Target) -> Moments:
    """Give the moments of an estimate for a target."""
    return _of_file(sample, fitted) if target == "file" else _of_recipe(sample, fitted)


def met(sample: Sample, fitted: Fitted, found: Float64, target: Target) -> Met:
    """Count what was met, and say by what one more would move the estimate: like those, and once like any.

    Args:
        sample: The labelled pairs.
        fitted: The estimate.
        found: float64[m], 1 where the label is of the kind asked.
        target: Whose pairs or anchors count.
    """
    shares, open_ = fitted.weights / len(sample.strata), 1 - sample.pi
    if target == "file":
        each, moved, those = open_ * shares, open_ * shares * np.abs(fitted.residuals), shares * found
    else:
        own = sample.anchors[sample.places]
        shares, those = (np.bincount(own, weights=terms).astype(np.float64) for terms in (shares, shares * found))
        each, moved = shares, those
    count = np.count_nonzero(those)
    any_, like = (each * shares).sum() / shares.sum(), (moved * those).sum() / max(those.sum(), TINY)
    return Met(float(count), float((any_ + count * like) / (1 + count)))


def _of_file(sample: Sample, fitted: Fitted) -> Moments:
    """Sum over labels: a draw with chance pi has variance pi (1 − pi), third moment pi (1 − pi)(1 − 2 pi)."""
    shares, open_ = fitted.weights / len(sample.strata), 1 - sample.pi
    squares, cubes = powers(sample, fitted)
    weights = open_ * shares**2
    variance, third = weights @ squares, (weights * (1 - 2 * sample.pi) * shares) @ cubes
    freedom = min(len(shares) - int(sample.strata.max()) - 1, _freedom(np.sqrt(open_) * shares * fitted.residuals))
    return Moments(fitted.estimate, float(variance), float(third), freedom)


def _of_recipe(sample: Sample, fitted: Fitted) -> Moments:
    """Sum over anchors: each adds what it deviates in its guesses and in its labels."""
    size, own = len(sample.strata), sample.anchors[sample.places]
    count = int(sample.anchors.max()) + 1
    guessed = np.bincount(sample.anchors, weights=fitted.guesses - fitted.estimate, minlength=count)
    terms = (guessed + np.bincount(own, weights=fitted.weights * fitted.residuals, minlength=count)) / size
    shares = fitted.weights / size
    held = np.bincount(own, weights=shares, minlength=count)
    labelled = int(np.count_nonzero(held))
    lost = labelled / max(labelled - 1, 1)
    squares, cubes = powers(sample, fitted)
    labels = shares * fitted.residuals
    variance = lost * (terms @ terms) + max(float(shares**2 @ squares - labels @ labels), 0.0)
    third = lost * (terms**2 @ terms) + (shares**2 * shares) @ cubes - labels**2 @ labels
    freedom = 1 / (held**2).sum() - 1
    return Moments(fitted.estimate, float(variance), float(third), min(float(freedom), _freedom(terms)))


def _freedom(terms: Float64) -> float:
    """Give the degrees of freedom of Σ t² as a variance: 2 / (its squared coefficient of variation).

    Satterthwaite's (1946), of the fourth moment; less the part that moves with Σ t, which the interval's shape holds.
    """
    squares = terms * terms
    second, third, fourth = float(squares.sum()), float(squares @ terms), float(squares @ squares)
    if second <= 0:
        return float("inf")
    spread = fourth / second**2 - 1 / np.count_nonzero(terms) - third**2 / second**3
    return 2 / spread if spread > 0 else float("inf")


def powers(sample: Sample, fitted: Fitted) -> tuple[Float64, Float64]:
    """Give the second and third powers of the residuals, for what the guide took away and for luck.

    A stratum in which all labels agree seems to have no variance. So part of a label more is counted in each, which
    knows nothing of the guide: its square is the mean of (y − θ̂)² over all labels.
    """
    h = sample.strata[sample.places]
    counts = np.bincount(h)[h]
    alone, lost = LUCK / (counts + LUCK), counts / np.maximum(counts - 1, 1)
    flat = np.average(fitted.flat**2, weights=fitted.weights)
    kept = (1 - alone) * lost * fitted.residuals**2
    return kept + alone * flat, kept * fitted.residuals


def _guided(sample: Sample, positives: Float64, weights: Float64) -> Float64:
    if np.isnan(sample.strengths).all():
        return np.zeros(len(sample.strengths))
    return guess(sample.strengths, sample.folds, sample.places, positives, weights)


def _centred(column: Float64, h: Int64, weights: Float64, sizes: Float64) -> Float64:
    centred: Float64 = column - (np.bincount(h, weights=weights * column, minlength=len(sizes)) / sizes)[h]
    return centred


def _merged(cells: Int64, groups: Int64, places: Int64) -> Int64:
    """Merge neighbouring cells, 0 … C − 1, until each stratum has labels enough; int64[N].

    A band is parted from its score group only where both parts have enough: the draw spreads over cells, so a stratum
    of one group's low end and the next one's high end would seem to vary more than any draw does.
    """
    counts = np.bincount(cells[places], minlength=int(cells.max()) + 1)
    of_cell, strata, ends = np.zeros_like(counts), np.zeros_like(counts), np.cumsum(counts)
    of_cell[cells] = groups
    lasts = ends[np.searchsorted(of_cell, of_cell, side="right") - 1]
    stratum, held, of_group = 0, 0, 0
    for cell, count in enumerate(counts.tolist()):
        begins = cell > 0 and of_cell[cell] > of_cell[cell - 1]
        have, last = (held, len(places)) if begins else (of_group, lasts[cell])
        if have >= FEWEST_IN_STRATUM and last - ends[cell] + count >= FEWEST_IN_STRATUM:
            stratum, held, of_group = stratum + 1, 0, 0
        strata[cell] = stratum
        held, of_group = held + count, count if begins else of_group + count
    merged: Int64 = strata[cells]
    return merged
