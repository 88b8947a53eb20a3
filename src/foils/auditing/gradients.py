"""On what does training spend itself? The share of a loss's negative gradient that falls on suspected false negatives.

A few false negatives among many easy negatives are a small share of the negatives and a large one of the gradient, for
they score high. How large depends on the loss: what down-weights easy negatives turns towards them.

The gradient is that of a model that scores as the given scores do. InfoNCE takes the scores as they are, over its
temperature. The losses of single pairs take logits (s⁻ − s⁺) / σ, s⁺ the mean of the unit's positives and σ the
standard deviation of that gap: a negative that scores like its positives has the logit 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from foils import _segments as segments
from foils.auditing.intervals import Estimate, mean
from foils.auditing.loss_gradients import (
    asl_gradients,
    bce_gradients,
    focal_gradients,
    info_nce_gradients,
    ohem_gradients,
)
from foils.auditing.subject import Bool, Float64, Subject

FOCAL = (1, 2, 4)
ASL_GAMMA, ASL_MARGIN = 4, 0.05
"""γ₋ and m, the defaults of its code."""
OHEM = (0.1, 0.01)
TEMPERATURES = (1.0, 0.1, 0.05, 0.02, 0.01)
OPEN = 0.5
"""A share whose interval is wider than this part of the scale from 0 to 1 says next to nothing."""


class LossShare(msgspec.Struct, frozen=True):
    """One loss."""

    loss: str
    share: Estimate
    """Of its negative gradient, on suspects; clustered by anchor."""

    @property
    def is_open(self) -> bool:
        """Tell whether the interval is too wide for the share to be told."""
        return self.share.high - self.share.low > OPEN


class Gradients(msgspec.Struct, frozen=True, kw_only=True):
    """Where the negative gradient falls, by one kind of evidence."""

    evidence: str
    """``hidden positives``; ``labels``, which measure; or ``p_positive``, which counts each by its probability."""
    negatives: int
    """That are scored, have a scored positive and about which the evidence says something."""
    share_of_negatives: Estimate
    """Share of them that is suspected: what an even gradient would fall on."""
    score: str
    """Whose scores."""
    unit: float
    """σ, what a logit is in units of the score."""
    losses: list[LossShare]

    def of(self, loss: str) -> LossShare:
        """Give the share of one loss."""
        return next(one for one in self.losses if one.loss == loss)


def gradients(subject: Subject, suspects: Float64, evidence: str) -> Gradients | None:
    """Measure on what the gradient of each loss falls.

    Args:
        subject: the negatives.
        suspects: float64[N], how much each is suspected, 0 to 1; NaN = nothing is known.
        evidence: what says so.

    Returns:
        the shares; None without scores of negatives and positives, or where nothing is suspected.
    """
    known = ~np.isnan(subject.gaps("mean")) & ~np.isnan(suspects)
    if not suspects[known].any():
        return None
    return by_loss(subject, known, evidence, lambda pulls: _share(subject, known, pulls, suspects))


def by_loss(subject: Subject, known: Bool, evidence: str, share: Callable[[Float64], Estimate]) -> Gradients | None:
    """Measure on what the gradient of each loss falls; None without scores.

    Args:
        subject: the negatives.
        known: bool[N], which are scored, have a scored positive, and are said something about.
        evidence: what says so.
        share: gives the share of float64[known] gradients that falls on suspects.
    """
    if subject.score_name is None:
        return None
    gaps = subject.gaps("mean").astype(np.float64)[known]
    unit = float(gaps.std()) or 1.0
    return Gradients(
        evidence=evidence,
        negatives=len(gaps),
        share_of_negatives=share(np.ones(len(gaps))),
        score=subject.score_name,
        unit=unit,
        losses=[LossShare(name, share(pulls)) for name, pulls in pulls_of(subject, known, gaps / unit)],
    )


def all_gradients(subject: Subject, hits: tuple[Bool, Bool] | None) -> list[Gradients]:
    """Measure by every kind of evidence that there is.

    Args:
        subject: the negatives.
        hits: bool[N] hidden positives and bool[N] negatives of judged anchors; None where there is no truth.
    """
    evidence: dict[str, Float64] = {}
    if hits is not None:
        evidence["hidden positives"] = np.where(hits[1], hits[0].astype(np.float64), np.nan)
    if subject.p_positive is not None:
        evidence["p_positive"] = subject.p_positive.astype(np.float64)
    found = (gradients(subject, suspects, name) for name, suspects in evidence.items())
    return [one for one in found if one is not None]


def pulls_of(subject: Subject, known: Bool, logits: Float64) -> Iterator[tuple[str, Float64]]:
    """Yield each loss and its float64[known] gradients.

    Args:
        subject: the negatives.
        known: bool[N], which are scored and have a scored positive.
        logits: float64[known], of those.
    """
    yield "BCE", bce_gradients(logits)
    yield from ((f"focal, γ = {gamma}", focal_gradients(logits, gamma)) for gamma in FOCAL)
    for detached in (True, False):
        name = f"ASL, weight {'detached' if detached else 'attached'}"
        yield name, asl_gradients(logits, ASL_GAMMA, ASL_MARGIN, detached=detached)
    yield from ((f"OHEM, hardest {share:.0%}", ohem_gradients(logits, share)) for share in OHEM)
    scored = ~np.isnan(subject.positive_scores)
    owners = segments.owners(np.diff(subject.positive_indptr))[scored]
    sides = subject.scores[known].astype(np.float64), subject.units[known]
    positives = subject.positive_scores[scored].astype(np.float64), owners
    for temperature in TEMPERATURES:
        yield f"InfoNCE, t = {temperature:g}", info_nce_gradients(*sides, *positives, temperature)


def _share(subject: Subject, known: Bool, pulls: Float64, suspects: Float64) -> Estimate:
    """Give Σ gradient on suspects / Σ gradient, with its interval."""
    whole = np.zeros(len(known))
    whole[known] = pulls
    found = mean(subject.per_anchor(whole * np.nan_to_num(suspects)), subject.per_anchor(whole))
    if found is None:  # every gradient has vanished: so has that of suspects
        return Estimate(0.0, 0.0, 1.0)
    return Estimate(found.estimate, max(found.low, 0.0), min(found.high, 1.0))
