"""Two results side by side: what changed in the negatives of each unit, and in every figure, with paired intervals.

Scores of two encoders have neither a zero nor a scale in common, so their difference means nothing. What rests on
scores is compared only where both results were scored by the same thing, or both are scored anew by the same vectors.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa

from foils.auditing.compared_rates import ComparedRates
from foils.auditing.coverage import Coverage, coverage
from foils.auditing.hardness import histogram, histogram_edges
from foils.auditing.intervals import Estimate, mean_difference, share, share_difference
from foils.auditing.subject import Bool, Float64, Subject, sums_by
from foils.errors import InputError
from foils.positives import Int64
from foils.records import find

Hits = tuple[Bool, Bool]
"""bool[N], hidden positives; bool[N], negatives of anchors that the truth judges."""


class Histograms(msgspec.Struct, frozen=True):
    """One quantity in both, in the same bins."""

    edges: list[float]
    now: list[int]
    before: list[int]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in both."""

    figure: str
    key: str
    is_share: bool
    now: float
    before: float
    difference: Estimate | None
    """Over the units that both have, paired; None where a figure has no interval."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """This against another result."""

    other: str
    units_in_both: int
    units_here_only: int
    units_there_only: int
    kept_share: Estimate | None
    """Share of the other's negatives that are negatives of the same unit here."""
    same_units: int
    """Units with the same negatives, whatever their order."""
    scores_compared: bool
    """Whether figures that rest on scores are among the changes: both sides were scored by the same thing."""
    changes: list[Change]
    histograms: Histograms | None
    """Of s⁻ − the mean of the unit's positives in both; None where scores are not compared."""
    rates: ComparedRates | None = None
    """Measured rates; None where neither has labels."""
    notes: list[str]


def compare(
    now: Subject,
    before: Subject,
    covered: Coverage,
    hits: tuple[Hits, Hits] | None,
    rates: ComparedRates | None = None,
) -> Comparison:
    """Compare with another subject of the same anchors and items.

    Args:
        now: the audited one.
        before: the other.
        covered: coverage of the audited one.
        hits: of both, which negatives are hidden positives and which belong to judged anchors; None without truth.
        rates: the measured rates of both, where there are labels.

    Raises:
        InputError: the two have no unit in common.
    """
    here, there = _paired_units(now, before)
    if not len(here):
        raise InputError(f"{now.name} and {before.name} have no unit in common; compare results of the same data")
    items = _item_map(before, now)
    kept, same = _overlap(now, before, here, there, items)
    return Comparison(
        other=before.name,
        units_in_both=len(here),
        units_here_only=now.n_units - len(here),
        units_there_only=before.n_units - len(here),
        kept_share=kept,
        same_units=same,
        scores_compared=_alike(now, before),
        changes=_changes(now, before, here, there, covered, hits),
        histograms=_histograms(now, before) if _alike(now, before) else None,
        rates=rates,
        notes=_notes(now, before),
    )


def _alike(now: Subject, before: Subject) -> bool:
    """Tell whether both sides were scored by the same thing."""
    return now.score_origin is not None and now.score_origin == before.score_origin


def _notes(now: Subject, before: Subject) -> list[str]:
    if _alike(now, before):
        return []
    scored = [side.score_name for side in (now, before)]
    if None in scored:
        here, there = (name or "none" for name in scored)
        why = f"scores: {here} here, {there} there"
    elif scored[0] == scored[1]:
        why = f"the scores called {scored[0]} are of two different models here and there"
    else:
        why = f"the scores are {scored[0]} here and {scored[1]} there, which have no common scale"
    return [f"Hardness is not compared: {why}. Give query vectors and corpus vectors, and both are scored by them"]


def _histograms(now: Subject, before: Subject) -> Histograms | None:
    gaps = [gap[~np.isnan(gap)] for gap in (side.gaps("mean") for side in (now, before))]
    if not len(gaps[0]) or not len(gaps[1]):
        return None
    edges = histogram_edges(np.concatenate(gaps))
    return Histograms([float(edge) for edge in edges], *(histogram(gap, edges) for gap in gaps))


def _paired_units(now: Subject, before: Subject) -> tuple[Int64, Int64]:
    at = find(now.unit_ids, before.unit_ids)
    here = np.flatnonzero(at >= 0)
    return here, at[here]


def _item_map(before: Subject, now: Subject) -> Int64:
    """Rows of the other's items here, −1 where unknown."""
    return find(before.item_ids.cast(pa.large_string()), now.item_ids.cast(pa.large_string()))


def _overlap(now: Subject, before: Subject, here: Int64, there: Int64, items: Int64) -> tuple[Estimate | None, int]:
    n = len(now.item_ids)
    pairs_now = now.units * n + now.items
    unit_here = np.full(before.n_units, -1, np.int64)
    unit_here[there] = here
    inside = (unit_here[before.units] >= 0) & (items[before.items] >= 0)
    pairs = unit_here[before.units[inside]] * n + items[before.items[inside]]
    found = np.isin(pairs, pairs_now)
    owners = unit_here[before.units[inside]]
    hits = np.bincount(owners[found], minlength=now.n_units)
    sizes = np.bincount(owners, minlength=now.n_units)
    clusters = now.clusters
    rate = share(*(sums_by(clusters, part, int(clusters.max()) + 1) for part in (hits, sizes)))
    return rate, int(((hits == sizes) & (sizes == now.counts))[here].sum())


def _changes(
    now: Subject, before: Subject, here: Int64, there: Int64, covered: Coverage, hits: tuple[Hits, Hits] | None
) -> list[Change]:
    cluster = now.clusters[here]
    width = int(now.clusters.max()) + 1

    def sums(subject: Subject, rows: Int64, values: Float64) -> Float64:
        return sums_by(cluster, sums_by(subject.units, values, subject.n_units)[rows], width)

    def units(values: Float64) -> Float64:
        return sums_by(cluster, values, width)

    sides = ((now, here), (before, there))
    ones = units(np.ones(len(here)))
    found: list[Change | None] = []
    short = [units((side.counts[rows] < side.asked).astype(float)) for side, rows in sides]
    counts = [units(side.counts[rows].astype(float)) for side, rows in sides]
    found.append(_change("negatives per unit", "negatives_per_unit", counts, [ones, ones], "mean"))
    found.append(_change("units that are short", "share_short", short, [ones, ones], "share"))
    if _alike(now, before):
        gaps = [side.gaps("mean") for side, _ in sides]
        known = [~np.isnan(gap) for gap in gaps]
        sizes = [sums(side, rows, one.astype(float)) for (side, rows), one in zip(sides, known, strict=True)]
        total = [sums(side, rows, np.nan_to_num(gap)) for (side, rows), gap in zip(sides, gaps, strict=True)]
        above = [sums(side, rows, (gap >= 0).astype(float)) for (side, rows), gap in zip(sides, gaps, strict=True)]
        found.append(_change("hardness s⁻ − s⁺", "mean_gap", total, sizes, "mean"))
        found.append(_change("at or above the positive", "share_at_or_above", above, sizes, "share"))
    if hits is not None:
        hit, judged = (
            [sums(side, rows, one[place].astype(float)) for (side, rows), one in zip(sides, hits, strict=True)]
            for place in (0, 1)
        )
        found.append(_change("hidden positives", "share_hidden", hit, judged, "share"))
    other = coverage(before)
    for figure, key in (("share of the corpus used", "share_of_corpus"), ("Gini coefficient of item use", "gini")):
        pair = getattr(covered, key), getattr(other, key)
        found.append(
            Change(
                figure=figure, key=key, is_share=key.startswith("share"), now=pair[0], before=pair[1], difference=None
            )
        )
    return [change for change in found if change is not None]


def _change(figure: str, key: str, sums: list[Float64], sizes: list[Float64], kind: str) -> Change | None:
    if not sizes[0].any() or not sizes[1].any():
        return None
    differ = mean_difference if kind == "mean" else share_difference
    return Change(
        figure=figure,
        key=key,
        is_share=kind == "share",
        now=float(sums[0].sum() / sizes[0].sum()),
        before=float(sums[1].sum() / sizes[1].sum()),
        difference=differ(sums[0], sizes[0], sums[1], sizes[1]),
    )
