"""Which items the negatives use: how much of the corpus, how evenly, and whether those are popular as positives too.

The Gini coefficient is 0 where every item is used equally often and near 1 where a few items are all that is used. An
item that is a positive of many anchors and a negative of few is pulled and hardly pushed; an item that is a negative
of many and a positive of none only learns to be far from everything.
"""

from __future__ import annotations

import msgspec
import numpy as np

from foils.auditing.subject import Float64, Subject
from foils.positives import Int64

MOST_USED = 10
POINTS = 60
POPULARITY = ((0, 0), (1, 1), (2, 3), (4, None))
"""Ranges of how often an item is a positive."""


class UsedItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item and how often it is used."""

    item_id: str
    uses: int
    share_of_units: float
    positive_of: int
    """Units that it is a given positive of."""
    text: str | None


class Popularity(msgspec.Struct, frozen=True, kw_only=True):
    """Items that are a positive equally often."""

    label: str
    items: int
    uses: int
    share_of_negatives: float
    uses_per_item: float


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How the corpus is used."""

    items: int
    used: int
    share_of_corpus: float
    gini: float
    share_of_top_percent: float
    """Share of the negatives that the most used 1 % of all items make."""
    most_used: list[UsedItem]
    by_popularity: list[Popularity]
    """Items by how often they are a given positive."""
    curve: list[tuple[float, float]]
    """Share of the items, most used first, and the share of the negatives that they make."""


def coverage(subject: Subject) -> Coverage:
    """Count what is used."""
    n = len(subject.item_ids)
    uses = np.bincount(subject.items, minlength=n)
    liked = np.bincount(subject.positives, minlength=n)
    falling = np.sort(uses)[::-1]
    made = np.cumsum(falling) / max(int(falling.sum()), 1)
    return Coverage(
        items=n,
        used=int((uses > 0).sum()),
        share_of_corpus=float((uses > 0).mean()),
        gini=_gini(falling[::-1]),
        share_of_top_percent=float(made[max(1, n // 100) - 1]),
        most_used=_most_used(subject, uses, liked),
        by_popularity=[_popular(uses, liked, low, high) for low, high in POPULARITY],
        curve=_curve(made),
    )


def _gini(rising: Int64) -> float:
    """Half the mean absolute difference of two items' uses over their mean."""
    n, total = len(rising), float(rising.sum())
    if not total:
        return 0.0
    return float((2 * np.arange(1, n + 1) - n - 1) @ rising / (n * total))


def _most_used(subject: Subject, uses: Int64, liked: Int64) -> list[UsedItem]:
    count = min(MOST_USED, int((uses > 0).sum()))
    order = np.argsort(-uses, kind="stable")[:count]
    texts = subject.collection.items if subject.collection is not None else None
    return [
        UsedItem(
            item_id=subject.item_ids[int(row)].as_py(),
            uses=int(uses[row]),
            share_of_units=float(uses[row] / max(subject.n_units, 1)),
            positive_of=int(liked[row]),
            text=None if texts is None or texts.texts is None else texts.full_texts(int(row), int(row) + 1)[0],
        )
        for row in order
    ]


def _popular(uses: Int64, liked: Int64, low: int, high: int | None) -> Popularity:
    inside = (liked >= low) & (liked <= (high if high is not None else liked.max(initial=0)))
    items, used = int(inside.sum()), int(uses[inside].sum())
    label = f"{low}" if low == high else f"{low}–{high}" if high is not None else f"{low} or more"
    return Popularity(
        label=label,
        items=items,
        uses=used,
        share_of_negatives=used / max(int(uses.sum()), 1),
        uses_per_item=used / items if items else 0.0,
    )


def _curve(made: Float64) -> list[tuple[float, float]]:
    """Thin the curve out to points that lie closer where it bends, near its beginning."""
    n = len(made)
    at = np.unique(np.round(np.linspace(0, 1, POINTS) ** 2 * (n - 1)).astype(np.int64))
    return [(0.0, 0.0), *((float((row + 1) / n), float(made[row])) for row in at)]
