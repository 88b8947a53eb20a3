"""Hardness: how a negative's score compares with its unit's positives, s⁻ − s⁺.

Zero is the score of the positive. Far below, a negative teaches nothing; at or above, it is often a positive that
nobody labelled. With several positives per unit the answer depends on which of them is the reference, so all are told.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.intervals import Estimate, mean, share
from foils.auditing.subject import REFERENCES, Float64, Reference, Subject

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 40


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """The distribution of s⁻ − s⁺ for one reference positive."""

    reference: str
    """``min``, ``mean`` or ``max`` of the unit's positives."""
    mean: Estimate
    at_or_above: Estimate
    """Share of the scored negatives that score at least as high as the reference."""
    quantiles: list[float]
    """At 5, 25, 50, 75 and 95 %."""


class Hardness(msgspec.Struct, frozen=True, kw_only=True):
    """How hard the negatives are."""

    score: str
    """Whose score: a column of the result, ``file``, or ``vectors``."""
    negatives: int
    """With a score, of units with a scored positive."""
    one_positive: bool
    """Whether no unit has several positives, so that the references agree."""
    mean_negative: float
    mean_positive: float
    """Averaged over units."""
    by_reference: list[Gap]
    edges: list[float]
    """Of the histogram of s⁻ − the mean of the unit's positives; what lies outside counts in the outer bins."""
    histogram: list[int]

    def gap(self, reference: str) -> Gap:
        """Give the distribution for one reference."""
        return next(gap for gap in self.by_reference if gap.reference == reference)


def hardness(subject: Subject) -> Hardness | None:
    """Measure hardness; None where no negative can be compared with a positive."""
    gaps = subject.gaps("mean")
    known = ~np.isnan(gaps)
    if subject.score_name is None or not known.any():
        return None
    edges = histogram_edges(gaps[known])
    return Hardness(
        score=subject.score_name,
        negatives=int(known.sum()),
        one_positive=subject.one_positive,
        mean_negative=float(subject.scores[known].astype(np.float64).mean()),
        mean_positive=float(np.nanmean(subject.reference("mean"))),
        by_reference=[_gap(subject, reference) for reference in REFERENCES],
        edges=[float(edge) for edge in edges],
        histogram=histogram(gaps[known], edges),
    )


def _gap(subject: Subject, reference: Reference) -> Gap:
    gaps = subject.gaps(reference)
    known = ~np.isnan(gaps)
    sizes = subject.per_anchor(known)
    middle = mean(subject.per_anchor(np.where(known, gaps, 0.0)), sizes)
    above = share(subject.per_anchor(known & (gaps >= 0)), sizes)
    if middle is None or above is None:
        raise ValueError("no negative is scored")
    quantiles = [float(value) for value in np.quantile(gaps[known], QUANTILES)]
    return Gap(reference=reference, mean=middle, at_or_above=above, quantiles=quantiles)


def histogram_edges(gaps: Float64) -> Float64:
    """Cut the range into bins of one width, one edge at zero, so that no bar holds both sides of it.

    The outermost half per cent on either side is left out of the range, or a few outliers would squeeze the rest.
    """
    ends = np.quantile(gaps, [0.005, 0.995])
    low, high = min(float(ends[0]), 0.0), max(float(ends[1]), 0.0)
    width = max(high - low, 1e-6) / BINS
    below, above = max(1, int(np.ceil(-low / width))), int(np.floor(high / width)) + 1
    edges: Float64 = (np.arange(-below, above + 1) * width).astype(np.float64)
    return edges


def histogram(gaps: Float64, edges: Float64) -> list[int]:
    """Count by bins; what lies outside counts in the outer ones."""
    inside = np.clip(gaps, edges[0], np.nextafter(edges[-1], edges[0]))
    return [int(n) for n in np.histogram(inside, edges)[0]]
