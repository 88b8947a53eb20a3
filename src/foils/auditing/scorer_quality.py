"""How well does each stored score find the positives among the negatives? From the labels that measure the rate.

A score is of use where giving up a few negatives takes many of the positives with them. So it is measured at the
thresholds that give up 5, 10 and 20 % of the negatives: the highest-scored ones.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.subject import Subject
from foils.estimating import ScorerQuality, scorer_quality
from foils.labelling import Counted, negatives_of
from foils.labelling.population import P_POSITIVE, Float64
from foils.mining.stored import Result

GIVEN_UP = (0.05, 0.1, 0.2)
"""Shares of the negatives."""


class Scorer(msgspec.Struct, frozen=True, kw_only=True):
    """One column of scores."""

    column: str
    guided: bool
    """Whether it guided the draw."""
    scored: float
    """Share of the negatives that have this score."""
    quality: ScorerQuality
    """AUC; precision and recall at the thresholds that give up 5, 10 and 20 % of the negatives, as far as so many are
    scored. Of anchors like these, each interval by itself of 95 %."""


def scorers_of(result: Result, subject: Subject, found: Counted, shown: int) -> list[Scorer]:
    """Measure every stored score.

    Args:
        result: whose scores.
        subject: the same, as it is audited.
        found: its labels.
        shown: how many of them count.
    """
    measured = []
    for column in _columns(result, subject):
        scores = negatives_of(result, column).population.scores
        if scores is None or np.isnan(scores).all():
            continue
        known = found.negatives.population, found.drawn.design, found.labels[:shown]
        quality = scorer_quality(*known, scores, thresholds(scores), target="recipe")
        scored = float((~np.isnan(scores)).mean())
        guided = column == found.drawn.facts.scorer
        measured.append(Scorer(column=column, guided=guided, scored=scored, quality=quality))
    return measured


def thresholds(scores: Float64) -> list[float]:
    """Give the scores from which on 5, 10 and 20 % of the pairs lie, or with equal scores a little more.

    >>> thresholds(np.arange(100.0))
    [95.0, 90.0, 80.0]
    """
    falling = np.sort(scores[~np.isnan(scores)])[::-1]
    places = [round(share * len(scores)) for share in GIVEN_UP]
    found = [float(falling[place - 1]) for place in places if 0 < place <= len(falling)]
    return list(dict.fromkeys(found))


def _columns(result: Result, subject: Subject) -> list[str]:
    """Name the columns that were kept."""
    kept = [*result.recipe.columns()]
    if not result.identity.candidates_stored:
        kept = [name for name in kept if name == result.identity.scores]
    return [*([P_POSITIVE] if subject.calibrated else []), *kept]
