"""The share of a quantity, known for every pair, that falls on positives: of a loss's gradient, say.

    Σ load · y / Σ load  =  (1/N) Σ c · y,      c = N load / Σ load

a mean over the pairs, measured as a rate is. Where few pairs carry most of the load and none of them is labelled, no
positive that was met tells how much one of them would add: the upper end is that of one more with the largest load.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils.errors import InputError
from foils.estimating.design import Design
from foils.estimating.labels import Label
from foils.estimating.limits import ends
from foils.estimating.moments import Bool, Float64, Met, Sample, Target, fit, met, moments
from foils.estimating.population import Population
from foils.estimating.quality import Share
from foils.estimating.rate import LEVEL, labelled


def weighted_share(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    loads: Float64,
    *,
    target: Target = "file",
    level: float = LEVEL,
) -> Share:
    """Measure the share of a quantity that falls on positives.

    Args:
        population: The N pairs.
        design: Which of them were drawn.
        labels: int8[m], of the first m pairs of its order. Undecided ones count as negative in the estimate; the
            interval holds whatever they are.
        loads: float64[N], the quantity of each pair, not negative.
        target: "file", these very pairs, or "recipe", pairs of anchors like these.
        level: Of the interval, in (0, 1).

    Raises:
        InputError: Arrays do not fit together, or no load is above 0.
    """
    loads = np.asarray(loads, np.float64)
    if loads.shape != (population.size,) or not (loads >= 0).all() or not loads.sum() > 0:
        raise InputError(f"loads must be {population.size:,} numbers from 0 on, one of them above; one for each pair")
    sample, given = labelled(population, design, labels, None, target, level)
    factors = loads * (population.size / loads.sum())
    estimate, low, high = _interval(sample, given == Label.POSITIVE, factors, target, level)
    if (given < 0).any():
        high = _interval(sample, given != Label.NEGATIVE, factors, target, level)[2]
    return Share(estimate, min(low, estimate), max(high, estimate))


def _interval(
    sample: Sample, found: Bool, factors: Float64, target: Target, level: float
) -> tuple[float, float, float]:
    fitted = fit(sample, found.astype(np.float64), factors)
    loaded = factors[sample.places] > 0
    any_ = float(factors.max()) * met(sample, fitted, np.zeros(len(found)), target).unit
    raising, lowering = (
        Met(met(sample, fitted, (side & loaded).astype(np.float64), target).count, any_) for side in (found, ~found)
    )
    up, down = ends(moments(sample, fitted, target), raising, lowering, level)
    estimate = min(max(fitted.estimate, 0.0), 1.0)
    return estimate, max(fitted.estimate - down, 0.0), min(fitted.estimate + up, 1.0)
