"""Shortfall: units with fewer negatives than asked for, and whether they are the ones that the model is worst at.

A rule that compares with the positive leaves little for an anchor whose positive scores low. If such anchors come out
short, training sees least of what it needs most.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Bool, Float64, Subject

PARTS = 5
"""Parts of the units by the score of their positives."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Units whose positives score alike."""

    low: float
    high: float
    units: int
    short: Estimate
    """Share of them with fewer negatives than asked for."""
    mean_negatives: float


class Shortfall(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing."""

    asked: int
    assumed: bool
    """Whether ``asked`` is what most units of the file have."""
    units: int
    short_units: int
    empty_units: int
    missing_negatives: int
    share_short: Estimate
    mean_positive_score_short: float | None
    mean_positive_score_others: float | None
    by_positive_score: list[Part]
    """From the lowest-scored to the highest-scored positives; empty without scores."""


def shortfall(subject: Subject) -> Shortfall:
    """Count what is missing."""
    counts = subject.counts
    short = counts < subject.asked
    rate = share(subject.per_anchor(short, _all(subject)), subject.per_anchor(np.ones_like(short), _all(subject)))
    reference = subject.reference("mean")
    known = ~np.isnan(reference)
    return Shortfall(
        asked=subject.asked,
        assumed=subject.form != "foils",
        units=subject.n_units,
        short_units=int(short.sum()),
        empty_units=int((counts == 0).sum()),
        missing_negatives=int(np.maximum(subject.asked - counts, 0).sum()),
        share_short=rate or Estimate(0.0, 0.0, 0.0),
        mean_positive_score_short=_mean(reference[known & short]),
        mean_positive_score_others=_mean(reference[known & ~short]),
        by_positive_score=_parts(subject, reference, short) if known.sum() >= 2 * PARTS else [],
    )


def _parts(subject: Subject, reference: Float64, short: Bool) -> list[Part]:
    units = np.flatnonzero(~np.isnan(reference))
    order = units[np.argsort(reference[units], kind="stable")]
    parts = []
    for rows in np.array_split(order, PARTS):
        one = np.ones(len(rows))
        rate = share(subject.per_anchor(short[rows], rows), subject.per_anchor(one, rows))
        parts.append(
            Part(
                low=float(reference[rows].min()),
                high=float(reference[rows].max()),
                units=len(rows),
                short=rate or Estimate(0.0, 0.0, 0.0),
                mean_negatives=float(subject.counts[rows].mean()),
            )
        )
    return parts


def _all(subject: Subject) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(subject.n_units, dtype=np.int64)


def _mean(values: Float64) -> float | None:
    return float(values.mean()) if len(values) else None
