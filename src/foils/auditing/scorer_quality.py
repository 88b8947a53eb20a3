"""How well does each stored score find the positives among the negatives? From the labels that measure the rate.

A score is of use where giving up a few negatives takes many of the positives with them. So it is measured at the
thresholds that give up 5, 10 and 20 % of the negatives: the highest-scored ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from foils.auditing.subject import Subject
from foils.estimating import ScorerQuality, scorer_quality
from foils.labelling import Counted, negatives_of
from foils.labelling.population import P_POSITIVE, Float64
from foils.mining.stored import Result

GIVEN_UP = (0.05, 0.1, 0.2)
"""Shares of the negatives."""
TIES = 1.5
"""Where equal scores make more than so many times the wanted negatives, a threshold is left out."""


class Scorer(msgspec.Struct, frozen=True, kw_only=True):
    """One column of scores."""

    column: str
    guided: bool
    """Whether it guided the draw."""
    scored: float
    """Share of the negatives that have this score."""
    quality: ScorerQuality
    """AUC; precision and recall at the thresholds that give up 5, 10 and 20 % of the negatives, as far as the score
    tells so many apart. Of anchors like these, each interval by itself of 95 %."""


def scorers_of(result: Result, subject: Subject, found: Counted, shown: int) -> list[Scorer]:
    """Measure every stored score.

    Args:
        result: whose scores.
        subject: the same, as it is audited.
        found: its labels.
        shown: how many of them count.
    """
    measured = []
    for column, scores in _columns(result, subject):
        if scores is None or np.isnan(scores).all():
            continue
        known = found.negatives.population, found.drawn.design, found.labels[:shown]
        quality = scorer_quality(*known, scores, thresholds(scores), target="recipe")
        scored = float((~np.isnan(scores)).mean())
        guided = column == found.drawn.facts.scorer
        measured.append(Scorer(column=column, guided=guided, scored=scored, quality=quality))
    return measured


def thresholds(scores: Float64) -> list[float]:
    """Give the scores from which on 5, 10 and 20 % of the pairs lie, as far as the scores tell so many apart.

    >>> thresholds(np.arange(100.0)), thresholds(np.repeat([0.0, 1.0], [88, 12]))
    ([95.0, 90.0, 80.0], [1.0])
    """
    falling = np.sort(scores[~np.isnan(scores)])[::-1]
    found = []
    for share in GIVEN_UP:
        wanted = round(share * len(scores))
        if not 0 < wanted <= len(falling):
            continue
        threshold = float(falling[wanted - 1])
        if (falling >= threshold).sum() <= TIES * wanted:
            found.append(threshold)
    return found


def _columns(result: Result, subject: Subject) -> Iterator[tuple[str, Float64 | None]]:
    """Yield the columns that were kept, and float64[N] what they say of the negatives."""
    if subject.p_positive is not None and subject.calibrated:
        yield P_POSITIVE, subject.p_positive.astype(np.float64)
    for name in result.recipe.columns():
        if result.identity.candidates_stored or name == result.identity.scores:
            yield name, negatives_of(result, name).population.scores
