"""Hidden positives: negatives that fuller judgements call positive. The one thing about false negatives that is known.

The truth is a second set of judgements. What it calls positive and the audited split does not is hidden. The rate is
that of the anchors that the truth judges; over all anchors it is lower, since what nobody judged counts as right. Even
the first is a lower bound: of a judged anchor, too, not every item was judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Bool, Subject
from foils.positives import Int64, Relation


@dataclass(frozen=True, eq=False)
class Truth:
    """Fuller judgements, and where the audited anchors and items stand in them.

    Attributes:
        name: how the report calls them.
        anchors: int64[clusters], rows of the truth, −1 where an audited anchor is not in it.
        items: int64[I], rows of the truth, −1 where an item of the subject is not in it.
        positives: of the truth's rows.
        judged: of the truth's rows, positive or not.
        judges: bool[clusters], audited anchors that count as judged.
        matched_by: how anchors and items were matched: ``id`` or ``text``.
    """

    name: str
    anchors: Int64
    items: Int64
    positives: Relation
    judged: Relation
    judges: Bool
    matched_by: tuple[str, str]

    def holds(self, relation: Relation, clusters: Int64, items: Int64) -> Bool:
        """Tell which pairs of the subject are in a relation of the truth: bool[P]."""
        anchors = self.anchors[clusters]
        return relation.contains(np.maximum(anchors, 0), self.items[items]) & (anchors >= 0)


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """Hidden positives among the negatives."""

    truth: str
    rate: Estimate
    """Share of the negatives of judged anchors."""
    rate_of_all: Estimate
    """Share of all negatives, those of anchors that the truth does not judge counted as right."""
    hits: int
    """At judged anchors."""
    negatives: int
    """Of judged anchors: those that the truth has a positive for, beyond a repetition of the audited split."""
    anchors: int
    """That are judged and have negatives."""
    all_anchors: int
    """That have negatives."""
    anchors_hit: int
    judged_share: float
    """Share of these negatives that the truth judges at all, one way or the other; the rest counts as right."""
    matched_by: tuple[str, str]
    """How anchors and items were matched to the truth: ``id`` or ``text``."""

    @property
    def partial(self) -> bool:
        """Whether the truth judges some of the anchors only."""
        return self.anchors < self.all_anchors


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
    inside = truth.judges[owners]
    hits = truth.holds(truth.positives, owners, subject.items) & inside & ~known
    by_anchor = subject.per_anchor(hits)
    rate = share(by_anchor, subject.per_anchor(inside))
    rate_of_all = share(by_anchor, subject.per_anchor(np.ones(len(hits))))
    if rate is None or rate_of_all is None:
        return None, hits, inside
    found = Hidden(
        truth=truth.name,
        rate=rate,
        rate_of_all=rate_of_all,
        hits=int(hits.sum()),
        negatives=int(inside.sum()),
        anchors=len(np.unique(owners[inside])),
        all_anchors=len(np.unique(owners)),
        anchors_hit=len(np.unique(owners[hits])),
        judged_share=float(truth.holds(truth.judged, owners[inside], subject.items[inside]).mean()),
        matched_by=truth.matched_by,
    )
    return found, hits, inside
