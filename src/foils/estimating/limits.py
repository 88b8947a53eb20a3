"""An interval from three moments: exact where positives are few, normal where they are many.

θ̂ − θ is taken for a scaled and shifted Poisson number: with s = third / variance and x = variance / s² it has the same
three moments as s (Poisson(x) − x). Its variance rises with θ at the slope s, as that of counts does, and the limits
are quantiles of the gamma distribution, as for Poisson counts (Garwood, 1936) and weighted sums of them (Fay and
Feuer, 1997). For n plain labels with k positives s is close to 1 / n and x to k.

    k few      limits of Clopper and Pearson's kind: the lower from k, the upper from k + 1 positives
    k many     both from k + ½, close to the mid-P interval; less careful than Korn and Graubard's (1998)

and in between the share e = exp(−k / FADES) of the step from one to the other. One more positive adds ``Met.unit`` to
θ̂. With none at all the upper end is 1 − 0.025^(unit), the rule of three. Where the moments are a normal law's, s = 0.
The variance is itself estimated: distances are stretched by Student's quantile over the normal one.
"""

from __future__ import annotations

from math import exp

from scipy.special import gammaincinv, ndtri, stdtrit

from foils.estimating.moments import Met, Moments

NORMAL = 1.959963984540054  # the 97.5 % quantile of the normal distribution
FADES = 10.0
"""Positives over which the exact interval passes to the mid-P one."""
NORMAL_FROM = 1e6
"""With more than this many counts the gamma law is a normal one."""


def limits(moments: Moments, positives: Met, negatives: Met, level: float) -> tuple[float, float]:
    """Give the interval of a rate, within [0, 1].

    Args:
        moments: Of the estimate.
        positives: Those met.
        negatives: Those met.
        level: Such as 0.95.
    """
    up, down = ends(moments, positives, negatives, level)
    high, low = moments.estimate + up, moments.estimate - down
    if not positives.count:
        high = min(high, 1 - exp(-max(up, 0.0)))
    if not negatives.count:
        low = max(low, exp(-max(down, 0.0)))
    return max(low, 0.0), min(high, 1.0)


def ends(moments: Moments, raising: Met, lowering: Met, level: float) -> tuple[float, float]:
    """Give the distances from the estimate to the upper and to the lower end.

    Args:
        moments: Of the estimate.
        raising: What was met that raises the estimate, such as positives.
        lowering: What lowers it, such as negatives.
        level: Such as 0.95.
    """
    tail = (1 - level) / 2
    rare, common = exp(-raising.count / FADES), exp(-lowering.count / FADES)
    stretch = float(stdtrit(max(moments.freedom, 1.0), 1 - tail) / ndtri(1 - tail))
    up = _end(moments.variance, moments.third, raising.unit, rare, common, tail)
    down = _end(moments.variance, -moments.third, lowering.unit, common, rare, tail)
    return up * stretch, down * stretch


def _end(variance: float, third: float, unit: float, rare: float, common: float, tail: float) -> float:
    """Give the distance to the upper end; ``rare`` of one more positive is added."""
    variance, third, shift = variance + rare * unit**2, third + rare * unit**3, rare * unit
    if variance <= 0:
        return 0.0
    s = third / variance
    if variance > NORMAL_FROM * s * s:
        return shift + float(ndtri(1 - tail) * variance**0.5)
    x = variance / (s * s)
    if s > 0:
        return shift + s * (float(gammaincinv(x + (1 - rare) / 2, 1 - tail)) - x)
    return shift - s * (x - float(gammaincinv(x + (1 - common) / 2, tail)))
