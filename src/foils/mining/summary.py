"""A few lines on what a run gave."""

from __future__ import annotations

from typing import Any

from foils.mining.stored import Result


def summarise(result: Result) -> str:
    """Say how many negatives, what is short and how that differs from the rest, how hard they are, and what was left out."""
    stats, identity = result.stats, result.identity
    units, negatives = int(stats["units"]), int(stats["negatives"])
    lines = [f"{negatives:,} negatives for {units:,} {'pairs' if result.recipe.per == 'pair' else 'anchors'} (asked: {identity.negatives} each)"]
    lines += _shortfall(stats, units)
    hardness = stats["hardness"]
    if hardness["mean_negative_minus_positive"] is not None:
        lines.append(
            f"hardness: a negative scores {hardness['mean_negative_minus_positive']:+.3f} against its anchor's positives on average; "
            f"{hardness['share_at_or_above_positive']:.1%} score at or above them"
        )
    rejected = {name: n for name, n in stats["candidates_by_verdict"].items() if name != "kept"}
    if rejected:
        listed = ", ".join(f"{name} {int(n):,}" for name, n in sorted(rejected.items()))
        lines.append(f"rejected of {int(stats['candidates']):,} candidates: {listed}")
    left_out = (
        ("anchors_without_positives", "anchors without a positive in this split got none"),
        ("items_with_empty_text", "items with empty text were never mined"),
        ("exact_duplicates_of_positives", "exact duplicates of positives were excluded with them"),
        ("needs_deeper", "units need a deeper search than what was stored: use deepen"),
    )
    lines += [f"{int(stats[name]):,} {text}" for name, text in left_out if stats.get(name)]
    lines += [f"warning: {warning}" for warning in stats["warnings"]]
    return "\n".join(lines)


def _shortfall(stats: dict[str, Any], units: int) -> list[str]:
    short = int(stats["short_units"])
    if not short:
        return []
    scores = stats["mean_positive_score"]
    compared = ""
    if scores["short_units"] is not None and scores["other_units"] is not None:
        compared = f"; their positives score {scores['short_units']:.3f} on average, the others' {scores['other_units']:.3f}"
    empty = int(stats["empty_units"])
    none = f", {empty:,} of them with none" if empty else ""
    return [f"short: {short:,} of {units:,} units{none}, {int(stats['missing_negatives']):,} negatives missing{compared}"]
