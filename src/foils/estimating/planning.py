"""How many more labels would make the interval half as wide?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foils.estimating.design import Design
from foils.estimating.labels import Label
from foils.estimating.limits import limits
from foils.estimating.moments import (
    TINY,
    Bool,
    Fitted,
    Float64,
    Met,
    Moments,
    Sample,
    Target,
    fit,
    met,
    moments,
    powers,
)
from foils.estimating.population import Population
from foils.estimating.rate import LEVEL, labelled

ROUNDS = 40
"""Of bisection."""


def labels_to_halve(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    *,
    within: Bool | None = None,
    target: Target = "file",
    level: float = LEVEL,
) -> int | None:
    """Say how many more labels halve the width of the interval; None where labelling all pairs does not.

    The variance after f times as many labels is A / f + B: A is that of the draw, with its finite-population
    correction, and B that of the anchors, which no label of these pairs takes away (Egami et al., 2023, plan so). The
    width is that of the interval of the scaled moments and counts, so it also holds where positives are few. Unsure
    and skipped labels are taken as negative.

    Args and errors: as in :func:`foils.estimating.estimate_rate`.

    Returns:
        Labels to add; of the part where ``within`` is True.
    """
    sample, given = labelled(population, design, labels, within, target, level)
    values = (given == Label.POSITIVE).astype(np.float64)
    fitted = fit(sample, values)
    most = len(sample.strata) / len(values)
    aim = _width(sample, fitted, values, target, level, 1.0) / 2
    if _width(sample, fitted, values, target, level, most) > aim:
        return None
    low, high = 1.0, most
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        wide = _width(sample, fitted, values, target, level, middle) > aim
        low, high = (middle, high) if wide else (low, middle)
    return int(np.ceil((high - 1) * len(values) - 1e-6))


def _width(sample: Sample, fitted: Fitted, values: Float64, target: Target, level: float, times: float) -> float:
    """Give the width that is expected of ``times`` as many labels."""
    now, drawn = moments(sample, fitted, target), moments(sample, fitted, "file")
    later = _of_draw(sample, fitted, times)
    if target == "recipe":
        anchors = max(now.variance - drawn.variance, 0.0)
        later = Moments(now.estimate, later.variance + anchors, later.third + now.third - drawn.third, now.freedom)
    positives, negatives = (
        _later(met(sample, fitted, found, target), sample, target, times) for found in (values, 1 - values)
    )
    low, high = limits(later, positives, negatives, level)
    return high - low


def _of_draw(sample: Sample, fitted: Fitted, times: float) -> Moments:
    """Give the moments of the draw alone when each pair is drawn with ``times`` its chance, at most for sure."""
    pi, shares = np.minimum(sample.pi * times, 1.0), fitted.weights / len(sample.strata)
    squares, cubes = powers(sample, fitted)
    gain = sample.pi / pi
    variance = (gain * (1 - pi) * shares**2 * squares).sum()
    third = (gain**2 * (1 - pi) * (1 - 2 * pi) * shares**3 * cubes).sum()
    freedom = len(pi) * times - int(sample.strata.max()) - 1
    return Moments(fitted.estimate, float(variance), float(third), float(freedom))


def _later(now: Met, sample: Sample, target: Target, times: float) -> Met:
    """Expect ``times`` as many of a kind, and one more of them to move the estimate less."""
    if target == "file":
        open_ = (1 - np.minimum(sample.pi * times, 1)).sum() / max((1 - sample.pi).sum(), TINY)
        return Met(now.count * times, now.unit / times * float(open_))
    labelled = len(np.unique(sample.anchors[sample.places]))
    reached = min(times, len(np.unique(sample.anchors)) / labelled)
    return Met(now.count * reached, now.unit / reached)
