"""A few lines on what a run gave."""

from __future__ import annotations

from typing import Any

from foils.errors import printable
from foils.mining.reach import beyond_reach
from foils.mining.stored import Result

REMARKS = (
    ("relaxed_units", "of them were judged by relaxed rules"),
    ("anchors_without_positives", "anchors without a positive in this split got none"),
    ("forbidden_items", "times, lists and constraints forbade an item that is no known positive"),
    ("items_with_empty_text", "items with empty text were never mined"),
    ("exact_duplicates_of_positives", "pairs with an exact duplicate of a positive were excluded, too"),
)
DEEPER = (
    "of them need a deeper search than what was stored: mine again with these settings (foils mine), or deepen() the "
    "opened result in Python"
)


def summarise(result: Result) -> str:
    """Say how many negatives, what is short and how it differs from the rest, how hard they are, what was left out."""
    stats = result.stats
    what = "pairs" if result.recipe.per == "pair" else "anchors"
    lines = [
        f"{stats['negatives']:,} negatives for {stats['units']:,} {what} (asked: {result.identity.negatives} each)",
        *_shortfall(stats, what, result.identity.negatives),
        *_hardness(stats, result.identity.scores),
    ]
    rejected = {name: n for name, n in stats["candidates_by_verdict"].items() if name != "kept"}
    if rejected:
        listed = ", ".join(f"{name} {n:,}" for name, n in sorted(rejected.items()))
        lines.append(f"rejected of {stats['candidates']:,} candidates: {listed}")
    lines += [f"{stats[name]:,} {text}" for name, text in REMARKS if stats[name]]
    lines += _deeper(result)
    lines += [
        f"{count:,} pairs that {name} was to judge have no score; mined.unscored() lists them, and "
        "foils export --format unscored"
        for name, count in stats.get("unscored_pairs", {}).items()
        if count
    ]
    lines += [
        f"{name}: {facts['calls']:,} calls and {facts['tokens']:,} tokens for the {facts['answered_pairs']:,} pairs "
        f"that it answered; {facts['kept_pairs']:,} more answers were kept from before"
        for name, facts in stats.get("scorers", {}).items()
        if "kept_pairs" in facts
    ]
    lines += [f"warning: {warning}" for warning in stats["warnings"]]
    return "\n".join(lines)


def _deeper(result: Result) -> list[str]:
    """Say which units a fresh run would search deeper, unless that is of no use."""
    units = result.stats["needs_deeper"]
    return [f"{units:,} {DEEPER}"] if units and not beyond_reach(result.recipe) else []


def _shortfall(stats: dict[str, Any], what: str, asked: int) -> list[str]:
    if not stats["short_units"]:
        return []
    none = f" ({stats['empty_units']:,} of them none)" if stats["empty_units"] else ""
    line = (
        f"short: {stats['short_units']:,} of {stats['units']:,} {what} got fewer than {asked}{none}, "
        f"{stats['missing_negatives']:,} negatives missing"
    )
    scores = stats["mean_positive_score"]
    if scores["short_units"] is None or scores["other_units"] is None:
        return [line]
    return [
        f"{line}; their positives score {scores['short_units']:.3f} on average, the others' {scores['other_units']:.3f}"
    ]


def _hardness(stats: dict[str, Any], column: str) -> list[str]:
    gap, above = stats["hardness"]["mean_negative_minus_positive"], stats["hardness"]["share_at_or_above_positive"]
    if gap is None:
        return []
    return [
        f"hardness, by {printable(column)}: a negative scores {gap:+.3f} against its anchor's positives on average; "
        f"{above:.1%} score at or above them"
    ]
