"""The same few figures for parts of the negatives: bands of ranks, sources."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from foils.auditing.intervals import Estimate, share
from foils.auditing.subject import Bool, Subject
from foils.positives import Int64

BANDS = (1, 2, 4, 11, 31, 101, 301, 1001)
"""First rank of each band; about three bands to a power of ten."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the negatives."""

    label: str
    negatives: int
    share: float
    """Of all negatives."""
    mean_gap: float | None
    """Mean of s⁻ − the mean of the unit's positives; None without scores."""
    at_or_above: float | None
    """Share of those scored that score at or above that mean."""
    hidden: Estimate | None
    """Share of hidden positives among the negatives of anchors that the truth judges; None without truth."""


class Ranks(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the ranking the negatives stood."""

    meaning: str
    median: float
    deepest: int
    bands: list[Group]


def by_rank(subject: Subject, hidden: Bool | None, judged: Bool | None) -> Ranks | None:
    """Group by bands of ranks; None where there are no ranks.

    Args:
        subject: the negatives.
        hidden: bool[N], which are hidden positives; None without truth.
        judged: bool[N], which belong to anchors that the truth judges.
    """
    known = subject.ranks > 0
    if not known.any():
        return None
    band = np.where(known, np.searchsorted(BANDS, subject.ranks, side="right") - 1, -1)
    ends = [*(first - 1 for first in BANDS[1:]), 0]
    labels = [_band(first, last) for first, last in zip(BANDS, ends, strict=True)]
    return Ranks(
        meaning="rank in its source" if subject.form == "foils" else "place among the anchor's negatives in the file",
        median=float(np.median(subject.ranks[known])),
        deepest=int(subject.ranks.max()),
        bands=_groups(subject, band.astype(np.int64), labels, hidden, judged),
    )


def by_source(subject: Subject, hidden: Bool | None, judged: Bool | None) -> list[Group]:
    """Group by source; arguments as ``by_rank``."""
    groups = _groups(subject, subject.sources.astype(np.int64), subject.source_names, hidden, judged)
    return sorted(groups, key=lambda group: (-group.negatives, group.label))


def _groups(
    subject: Subject, codes: Int64, labels: Sequence[str], hidden: Bool | None, judged: Bool | None
) -> list[Group]:
    gaps = subject.gaps("mean")
    total, found = len(codes), []
    for code, label in enumerate(labels):
        inside = codes == code
        if not inside.any():
            continue
        scored = gaps[inside & ~np.isnan(gaps)]
        found.append(
            Group(
                label=label,
                negatives=int(inside.sum()),
                share=float(inside.sum() / total),
                mean_gap=float(scored.mean()) if len(scored) else None,
                at_or_above=float((scored >= 0).mean()) if len(scored) else None,
                hidden=_hidden(subject, inside, hidden, judged),
            )
        )
    return found


def _hidden(subject: Subject, inside: Bool, hidden: Bool | None, judged: Bool | None) -> Estimate | None:
    if hidden is None or judged is None:
        return None
    return share(subject.per_anchor(inside & hidden), subject.per_anchor(inside & judged))


def _band(first: int, last: int) -> str:
    if last == first:
        return f"{first}"
    return f"{first:,}–{last:,}" if last else f"{first:,} and deeper"
