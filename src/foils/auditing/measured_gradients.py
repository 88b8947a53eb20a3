"""The share of a loss's negative gradient that falls on positives, measured by labels.

The gradient of every negative is known and labels are known of some, so the share is a mean over all negatives that
few labels measure, as they do the rate itself (``foils.estimating.weighted_share``).
"""

from __future__ import annotations

import numpy as np

from foils.auditing.gradients import Gradients, by_loss
from foils.auditing.intervals import Estimate
from foils.auditing.subject import Bool, Float64, Subject
from foils.estimating import Share, weighted_share
from foils.labelling import Counted

LABELS = "labels"
EVIDENCE = ("hidden positives", LABELS, "p_positive")
"""In the order of a report: what is known, what is measured, what is guessed."""


def labelled_gradients(subject: Subject, found: Counted, shown: int | None) -> Gradients | None:
    """Measure on what the gradient of each loss falls, of anchors like these.

    Args:
        subject: the negatives.
        found: their labels.
        shown: how many of them count.

    Returns:
        the shares; None without scores of negatives and positives, or where no label that counts is a positive.
    """
    known = ~np.isnan(subject.gaps("mean"))
    if shown is None or not _met(found, shown, known):
        return None
    measured = by_loss(subject, known, LABELS, lambda pulls: _share(found, shown, known, pulls))
    return measured if measured is not None and measured.share_of_negatives.estimate != 0 else None


def _met(found: Counted, shown: int, known: Bool) -> bool:
    """Tell whether a positive was met among those that are scored."""
    return bool((found.labels[:shown] > 0)[known[found.drawn.design.order[:shown]]].any())


def _share(found: Counted, shown: int, known: Bool, pulls: Float64) -> Estimate:
    if not pulls.sum() > 0:  # every gradient has vanished: nothing is known of where it fell
        return Estimate(0.0, 0.0, 1.0)
    loads = np.zeros(len(known))
    loads[known] = pulls
    population, design = found.negatives.population, found.drawn.design
    share: Share = weighted_share(population, design, found.labels[:shown], loads, target="recipe")
    return Estimate(share.estimate, share.low, share.high)
