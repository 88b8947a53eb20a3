"""Numbers of a shard that add up over shards, and the statistics they give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from foils import _array
from foils.candidates import Candidates, reference_scores
from foils.mining.settle import Bool, Settled
from foils.recipes import Recipe
from foils.rules import REASONS
from foils.scorers import Remote

Counts = dict[str, int | float]
"""Name → what adds up over units: whole numbers of units and candidates, sums of scores."""

SPLIT = 3
"""Above this many positives per anchor, the lowest-scored one is a harsh reference."""


def count(settled: Settled, m: int, column: str | None) -> Counts:
    """Count one group of settled units.

    Args:
        settled: the group.
        m: negatives asked for.
        column: the score column that hardness is measured in; None = there are no scores.
    """
    candidates, negatives = settled.candidates, settled.negatives
    per_unit = (negatives.items >= 0).sum(axis=1)
    short = per_unit < m
    counts: Counts = {
        "units": len(per_unit),
        "negatives": int(per_unit.sum()),
        "candidates": int(candidates.valid.sum()),
        "short_units": int(short.sum()),
        "missing_negatives": int((m - per_unit).sum()),
        "empty_units": int((per_unit == 0).sum()),
        "needs_deeper": int(settled.needs_deeper.sum()),
        "relaxed_units": int((settled.relaxed > 0).sum()),
        "many_positives": int((np.diff(candidates.units.indptr) > SPLIT).sum()),
        f"depth.{settled.depth}": len(per_unit),
    }
    # Absent cells have the reason 0, as kept ones do; a count per reason reads less than a mask of all cells would.
    reason = settled.verdict.reason
    rejected = [int(np.count_nonzero(reason == number)) for number in range(1, len(REASONS))]
    kept = counts["candidates"] - sum(rejected)
    counts.update({f"reason.{name}": n for name, n in zip(REASONS, [kept, *rejected], strict=True) if n})
    return counts | (_hardness(settled, short, column) if column is not None else {})


def unscored(candidates: Candidates, recipe: Recipe, m: int) -> Counts:
    """Count the pairs that a service was to be asked about and that have no score, by column."""
    first = recipe.source.fields.depths(m)[0]
    remote = [part.fields for part in recipe.scorers if isinstance(part.fields, Remote)]
    return {
        f"unscored.{name}": sum(int(np.count_nonzero(mask)) for mask in fields.unanswered(candidates, first))
        for fields in remote
        for name in fields.columns()
    }


def left_unscored(counts: Counts) -> bool:
    """Tell whether some pairs were to be scored and were not; see ``unscored``."""
    return any(number for name, number in counts.items() if name.startswith("unscored."))


def _hardness(settled: Settled, short: Bool, name: str) -> Counts:
    column = settled.candidates.columns[name]
    positive = reference_scores(column, settled.candidates.units, "mean")
    scores = _array.take_valid(column.values, settled.negatives.positions, float("nan")).astype(np.float64)
    gap = scores - positive[:, None]
    known = ~np.isnan(gap)
    scored = ~np.isnan(positive)
    return {
        "hardness.n": int(known.sum()),
        "hardness.sum": float(gap[known].sum()),
        "hardness.above": int((gap[known] >= 0).sum()),
        "positive_score.short.n": int((scored & short).sum()),
        "positive_score.short.sum": float(positive[scored & short].sum()),
        "positive_score.others.n": int((scored & ~short).sum()),
        "positive_score.others.sum": float(positive[scored & ~short].sum()),
    }


def total(parts: Iterable[Counts]) -> Counts:
    """Add up counts."""
    totals: Counts = {}
    for part in parts:
        for name, value in part.items():
            totals[name] = totals.get(name, 0) + value
    return totals


def describe(totals: Counts) -> dict[str, Any]:
    """Turn added-up counts into the statistics of stats.json."""

    def group(prefix: str) -> Counts:
        return {name[len(prefix) :]: value for name, value in totals.items() if name.startswith(prefix)}

    def mean(name: str) -> float | None:
        return totals[f"{name}.sum"] / totals[f"{name}.n"] if totals.get(f"{name}.n") else None

    plain = {name: value for name, value in totals.items() if "." not in name}
    above = totals.get("hardness.above", 0) / totals["hardness.n"] if totals.get("hardness.n") else None
    return plain | {
        "units_by_searched_depth": {depth: n for depth, n in sorted(group("depth.").items(), key=lambda e: int(e[0]))},
        "candidates_by_verdict": group("reason."),
        **({"unscored_pairs": group("unscored.")} if group("unscored.") else {}),
        "hardness": {"mean_negative_minus_positive": mean("hardness"), "share_at_or_above_positive": above},
        "mean_positive_score": {
            "short_units": mean("positive_score.short"),
            "other_units": mean("positive_score.others"),
        },
    }
