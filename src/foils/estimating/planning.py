"""How many more labels would make the interval half as wide?"""

from __future__ import annotations

from dataclasses import dataclass

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
    now = _now(sample, (given == Label.POSITIVE).astype(np.float64), target, level)
    most = len(sample.strata) / len(given)
    aim = _width(now, 1.0) / 2
    if _width(now, most) > aim:
        return None
    low, high = 1.0, most
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _width(now, middle) > aim else (low, middle)
    return int(np.ceil((high - 1) * len(given) - 1e-6))


@dataclass(frozen=True, eq=False)
class _Now:
    """What is known at this number of labels; ``anchors`` and ``third`` are what the draw does not explain."""

    sample: Sample
    fitted: Fitted
    positives: Met
    negatives: Met
    target: Target
    level: float
    anchors: float
    third: float
    freedom: float
    labelled: int
    clusters: int


def _now(sample: Sample, values: Float64, target: Target, level: float) -> _Now:
    fitted = fit(sample, values)
    found, drawn = moments(sample, fitted, target), moments(sample, fitted, "file")
    positives, negatives = (met(sample, fitted, kind, target) for kind in (values, 1 - values))
    return _Now(
        sample,
        fitted,
        positives,
        negatives,
        target,
        level,
        anchors=max(found.variance - drawn.variance, 0.0),
        third=found.third - drawn.third,
        freedom=found.freedom,
        labelled=len(np.unique(sample.anchors[sample.places])),
        clusters=int(sample.anchors.max()) + 1,
    )


def _width(now: _Now, times: float) -> float:
    """Give the width that is expected of ``times`` as many labels."""
    later = _of_draw(now, times)
    if now.target == "recipe":
        later = Moments(later.estimate, later.variance + now.anchors, later.third + now.third, now.freedom)
    low, high = limits(later, _later(now.positives, now, times), _later(now.negatives, now, times), now.level)
    return high - low


def _of_draw(now: _Now, times: float) -> Moments:
    """Give the moments of the draw alone when each pair is drawn with ``times`` its chance, at most for sure."""
    sample, fitted = now.sample, now.fitted
    pi, shares = np.minimum(sample.pi * times, 1.0), fitted.weights / len(sample.strata)
    squares, cubes = powers(sample, fitted)
    gain = sample.pi / pi
    variance = (gain * (1 - pi) * shares**2 * squares).sum()
    third = (gain**2 * (1 - pi) * (1 - 2 * pi) * shares**3 * cubes).sum()
    return Moments(fitted.estimate, float(variance), float(third), now.freedom * times)


def _later(kind: Met, now: _Now, times: float) -> Met:
    """Expect ``times`` as many of a kind, and one more of them to move the estimate less."""
    if now.target == "file":
        pi = now.sample.pi
        open_ = float((1 - np.minimum(pi * times, 1)).sum()) / max(float((1 - pi).sum()), TINY)
        return Met(kind.count * times, kind.unit / times * open_)
    reached = min(times, now.clusters / now.labelled)
    return Met(kind.count * reached, kind.unit / reached)
