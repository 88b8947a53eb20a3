"""Hidden positives: negatives that fuller judgements call positive. The one thing about false negatives that is known.

The truth is a second set of judgements. What it calls positive and the audited split does not is hidden; only anchors
that it judges count. The rate is a lower bound: what nobody judged may be positive as well.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Bool, Subject
from foils.positives import Relation


class Truth(msgspec.Struct, frozen=True):
    """Fuller judgements, in rows of the audited subject."""

    name: str
    positives: Relation
    """Of the clusters of the subject."""
    judged: Relation


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """Hidden positives among the negatives."""

    truth: str
    rate: Estimate
    """Share of the negatives of judged anchors."""
    hits: int
    negatives: int
    """Of anchors that the truth has a positive for."""
    anchors: int
    anchors_hit: int
    judged_share: float
    """Share of these negatives that the truth judges at all, one way or the other; the rest counts as right."""


def hidden(subject: Subject, truth: Truth, known: Bool) -> tuple[Hidden | None, Bool, Bool]:
    """Count hidden positives.

    Args:
        subject: the negatives.
        truth: fuller judgements.
        known: bool[N], negatives that are known positives or copies, which are counted elsewhere.

    Returns:
        The counts, None where no audited anchor is judged; bool[N] the hidden positives; bool[N] the negatives of
        judged anchors.
    """
    owners = subject.clusters[subject.units]
    hits = truth.positives.contains(owners, subject.items) & ~known
    inside = (truth.positives.degrees > 0)[owners]
    rate = share(subject.per_anchor(hits), subject.per_anchor(inside))
    if rate is None:
        return None, hits, inside
    found = Hidden(
        truth=truth.name,
        rate=rate,
        hits=int(hits.sum()),
        negatives=int(inside.sum()),
        anchors=len(np.unique(owners[inside])),
        anchors_hit=len(np.unique(owners[hits])),
        judged_share=float(truth.judged.contains(owners[inside], subject.items[inside]).mean()),
    )
    return found, hits, inside
