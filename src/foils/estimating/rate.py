"""The measured rate of positives among pairs, with its interval."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foils.errors import InputError
from foils.estimating.design import Design
from foils.estimating.labels import Int8, Label, checked_labels
from foils.estimating.limits import limits
from foils.estimating.moments import Fitted, Sample, Target, fit, met, moments, sample_of
from foils.estimating.population import Population

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

LEVEL = 0.95


class Rate(msgspec.Struct, frozen=True):
    """A measured share of positives.

    Attributes:
        estimate: From the decided labels; unsure and skipped ones are left out.
        low: Lower end of the interval if all that is undecided were negative.
        high: Upper end if all that is undecided were positive. So low … high holds whatever the undecided are.
        best: The estimate if all that is undecided were negative.
        worst: The estimate if all that is undecided were positive.
        labels: Labels used, undecided ones included.
        positives: Among them.
        unsure: Among them.
        skipped: Among them.
        anchors: Distinct anchors among the labelled pairs.
        size: Pairs whose rate it is.
        target: "file" = of these very pairs; "recipe" = of the recipe, on anchors like these.
        method: How it was computed, in words.
        level: Of the interval.
    """

    estimate: float
    low: float
    high: float
    best: float
    worst: float
    labels: int
    positives: int
    unsure: int
    skipped: int
    anchors: int
    size: int
    target: Target
    method: str
    level: float


def estimate_rate(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    *,
    within: Bool | None = None,
    target: Target = "file",
    level: float = LEVEL,
) -> Rate:
    """Estimate the share of positives among the pairs of a population, or of a part of it.

    The estimate combines scorer and labels and is unbiased however bad the scorer is (Egami et al., 2023;
    Angelopoulos et al., 2023; see :mod:`foils.estimating.moments`). The interval is exact-type where positives are few
    (Fay and Feuer, 1997; Korn and Graubard, 1998; see :mod:`foils.estimating.limits`). It is an interval for a number
    of labels that was fixed beforehand; whoever stops when it looks good takes :func:`at_look`.

    Args:
        population: The N pairs.
        design: Which of them were drawn.
        labels: int8[m], m ≤ n, of the first m pairs of the design's order; see ``Label``.
        within: bool[N], the part to estimate for: one rank band, one source; all pairs if left out.
        target: "file", the rate of these very pairs, or "recipe", what the recipe gives on anchors like these.
        level: Of the interval, in (0, 1).

    Raises:
        InputError: Arrays do not fit together, a number is out of range, or no pair of the part has a label.
    """
    sample, given = labelled(population, design, labels, within, target, level)
    return rate_of(sample, given, target, level)


def at_look(
    population: Population,
    design: Design,
    labels: npt.ArrayLike,
    *,
    within: Bool | None = None,
    target: Target = "file",
    level: float = LEVEL,
) -> Rate | None:
    """Give the interval that stays honest when one stops as one likes: at the design's looks only, else None.

    The chance of a miss is divided among the looks (Bonferroni), so that all the intervals together cover the truth
    with the level, whichever is the last.

    Args and errors: as in :func:`estimate_rate`. With more labels than the last look that was passed, the rest wait.
    """
    given = checked_labels(labels, len(design.order))
    passed = [look for look in design.looks if look <= len(given)]
    if not passed:
        return None
    each = 1 - (1 - level) / len(design.looks)
    rate = estimate_rate(population, design, given[: passed[-1]], within=within, target=target, level=each)
    return msgspec.structs.replace(rate, level=level, method=f"{rate.method}, one of {len(design.looks)} looks")


def labelled(
    population: Population, design: Design, labels: npt.ArrayLike, within: Bool | None, target: str, level: float
) -> tuple[Sample, Int8]:
    """Check what was given, and give the labels of a part with all that is known of their pairs."""
    given = checked_labels(labels, len(design.order))
    check(population, design, within, target, level)
    order, pi = design.order[: len(given)], design.pi[: len(given)] * (len(given) / len(design.order))
    inside = np.ones(len(given), dtype=bool) if within is None else within[order]
    if not inside.any():
        raise InputError("no pair of this part has a label; label more, or ask for the rate of a larger part")
    return sample_of(population, order, pi, within, start=design.start), given[inside]


def check(population: Population, design: Design, within: Bool | None, target: str, level: float) -> None:
    """Refuse what does not fit together, with an InputError."""
    if design.size != population.size:
        raise InputError(
            f"the design is of {design.size:,} pairs and the population has {population.size:,}; "
            "use the design that was drawn from it"
        )
    if within is not None and (within.dtype != np.bool_ or within.shape != (population.size,)):
        raise InputError(f"within has shape {within.shape} and type {within.dtype}; expected one bool for each pair")
    if target not in ("file", "recipe"):
        raise InputError(f"target is {target!r}; expected 'file' or 'recipe'")
    if not 0 < level < 1:
        raise InputError(f"level is {level}; expected a share between 0 and 1, such as 0.95")


def rate_of(sample: Sample, given: Int8, target: Target, level: float) -> Rate:
    """Estimate with the undecided left out, and with all of them negative or positive."""
    decided = given >= 0
    best, lowest, highest = _interval(sample, (given == Label.POSITIVE).astype(np.float64), target, level)
    estimate, worst = best, best
    if not decided.all():
        worst, _, highest = _interval(sample, (given != Label.NEGATIVE).astype(np.float64), target, level)
        estimate = best / max(best + 1 - worst, 1e-300) if decided.any() else float("nan")
    return Rate(
        estimate,
        lowest,
        highest,
        best,
        worst,
        labels=len(given),
        positives=int(np.count_nonzero(given == Label.POSITIVE)),
        unsure=int(np.count_nonzero(given == Label.UNSURE)),
        skipped=int(np.count_nonzero(given == Label.SKIPPED)),
        anchors=len(np.unique(sample.anchors[sample.places])),
        size=len(sample.anchors),
        target=target,
        method="difference estimator, interval of three moments",
        level=level,
    )


def _interval(sample: Sample, values: Float64, target: Target, level: float) -> tuple[float, float, float]:
    fitted = fit(sample, values)
    return min(max(fitted.estimate, 0.0), 1.0), *interval_of(sample, fitted, values, target, level)


def interval_of(sample: Sample, fitted: Fitted, values: Float64, target: Target, level: float) -> tuple[float, float]:
    """Give the interval around a fitted rate.

    Args:
        sample: The labelled pairs.
        fitted: Of these labels.
        values: float64[m], 1 = positive, 0 = negative.
        target: "file" or "recipe".
        level: Of the interval.
    """
    positives, negatives = (met(sample, fitted, found, target) for found in (values, 1 - values))
    low, high = limits(moments(sample, fitted, target), positives, negatives, level)
    low, high = _within_found(sample, values, target, low, high)
    estimate = min(max(fitted.estimate, 0.0), 1.0)
    return min(low, estimate), max(high, estimate)


def _within_found(sample: Sample, values: Float64, target: Target, low: float, high: float) -> tuple[float, float]:
    """What was found in a file is in it."""
    if target == "recipe":
        return low, high
    size, positives = len(sample.anchors), values.sum()
    return max(low, positives / size), min(high, 1 - (len(values) - positives) / size)
