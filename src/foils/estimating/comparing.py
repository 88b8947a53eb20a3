"""Two recipes on the same data, compared on shared labels.

The union of their pairs is one population; the difference of the two rates is a mean over it,

    θ₁ − θ₂ = (1/N) Σ c_i y_i,      c_i = N (in first / N₁ − in second / N₂)

so a pair that both hold counts for nothing where the recipes hold equally many, and pairs of one anchor are added
before they are squared. A label counts for both recipes, whichever design drew its pair: with independent draws it is
among the labelled with the chance 1 − (1 − pi₁)(1 − pi₂).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

from foils.errors import InputError
from foils.estimating.allocation import inclusion_probabilities
from foils.estimating.design import Design
from foils.estimating.labels import Label
from foils.estimating.limits import ends
from foils.estimating.moments import Bool, Float64, Int64, Met, Sample, Target, fit, met, moments
from foils.estimating.population import Population
from foils.estimating.rate import LEVEL, labelled


class Difference(msgspec.Struct, frozen=True):
    """The rate of the first recipe minus that of the second.

    Attributes:
        estimate: With undecided labels taken as negative.
        low: Lower end of the interval, whatever the undecided are.
        high: Upper end.
        labels: Labels of pairs of either.
        undecided: Among them, unsure or skipped.
        target: "file" or "recipe".
        level: Of the interval.
    """

    estimate: float
    low: float
    high: float
    labels: int
    undecided: int
    target: Target
    level: float


@dataclass(frozen=True, eq=False)
class Drawn:
    """One of several designs on parts of a population.

    Attributes:
        population: What it was drawn from.
        design: What was drawn, of ``draw_design``.
        labels: How many of its order have a label.
        places: int64[size of ``population``], where its pairs lie in the union.
    """

    population: Population
    design: Design
    labels: int
    places: Int64


def pool(designs: Sequence[Drawn], size: int) -> Design:
    """Pool independent designs on parts of a union of pairs into one design on the union.

    Args:
        designs: Drawn with different keys.
        size: Pairs of the union.

    Returns:
        A design whose order is the labelled pairs of all, rising; give it a label for each.
    """
    missed, found = np.ones(size), np.zeros(size, dtype=bool)
    for drawn in designs:
        n, order = len(drawn.design.order), drawn.design.order
        if not 0 <= drawn.labels <= n or drawn.places.shape != (drawn.population.size,):
            raise InputError(
                f"{drawn.labels:,} labels and {drawn.places.shape} places are given for a design of {n:,} of "
                f"{drawn.population.size:,} pairs; expected at most as many labels and a place for each pair"
            )
        pi = inclusion_probabilities(drawn.population.weights, n) * (drawn.labels / n)
        missed[drawn.places] *= 1 - pi
        found[drawn.places[order[: drawn.labels]]] = True
    places = np.flatnonzero(found)
    if not len(places):
        raise InputError("no pair has a label; label some first")
    return Design(places, 1 - missed[places], size, (len(places),))


def compare_rates(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    first: Bool,
    second: Bool,
    *,
    target: Target = "recipe",
    level: float = LEVEL,
) -> Difference:
    """Compare the rates of two recipes on the union of their pairs.

    Args:
        population: The union: the pairs of either recipe, each once.
        design: Drawn from the union, or pooled of the designs of the two (:func:`pool`).
        labels: int8[m], of the first m pairs of the design's order.
        first: bool[N], the pairs of the first recipe.
        second: bool[N], the pairs of the second.
        target: "recipe", the difference on anchors like these, or "file", that of these very pairs.
        level: Of the interval, in (0, 1).

    Raises:
        InputError: Arrays do not fit together, or a recipe has no pair or no label.
    """
    for name, part in (("first", first), ("second", second)):
        labelled(population, design, labels, part, target, level)
        if not part.any():
            raise InputError(f"{name} is False everywhere; expected the pairs of a recipe")
    sample, given = labelled(population, design, labels, None, target, level)
    factors = population.size * (first / first.sum() - second / second.sum())
    sample = _apart(sample, first + 2 * second)
    undecided = given < 0
    here = factors[sample.places]
    found = given == Label.POSITIVE
    estimate, low, high = _interval(sample, found, factors, target, level)
    if undecided.any():
        low = _interval(sample, found | (undecided & (here < 0)), factors, target, level)[1]
        high = _interval(sample, found | (undecided & (here > 0)), factors, target, level)[2]
    return Difference(
        estimate, min(low, estimate), max(high, estimate), len(given), int(undecided.sum()), target, level
    )


def _interval(
    sample: Sample, found: Bool, factors: Float64, target: Target, level: float
) -> tuple[float, float, float]:
    fitted = fit(sample, found.astype(np.float64), factors)
    here, largest = factors[sample.places], float(np.abs(factors).max())
    any_ = largest * met(sample, fitted, np.zeros(len(found)), target).unit
    raising, lowering = (
        Met(met(sample, fitted, (found & side).astype(np.float64), target).count, any_) for side in (here > 0, here < 0)
    )
    up, down = ends(moments(sample, fitted, target), raising, lowering, level)
    return fitted.estimate, max(fitted.estimate - down, -1.0), min(fitted.estimate + up, 1.0)


def _apart(sample: Sample, sides: npt.NDArray[np.integer]) -> Sample:
    """Split strata by which recipes hold a pair, where each part has labels."""
    strata = np.unique(sample.strata * 4 + sides, return_inverse=True)[1]
    counts = np.bincount(strata[sample.places], minlength=int(strata.max()) + 1)
    if counts.min() < 2:
        strata = np.unique(sides, return_inverse=True)[1]
        counts = np.bincount(strata[sample.places], minlength=int(strata.max()) + 1)
    return replace(sample, strata=strata) if counts.min() >= 2 else sample
