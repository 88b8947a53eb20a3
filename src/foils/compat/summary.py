"""What a call tells its caller: how positives and negatives score, what was rejected, who came out short."""

from __future__ import annotations

import sys
import warnings

import numpy as np

from foils.compat.find import Found
from foils.compat.pairs import Pairs
from foils.compat.request import THRESHOLDS, Request
from foils.mining import counts

STACK = 3
"""Frames between a warning here and the caller of ``mine_hard_negatives``."""


class CompatWarning(UserWarning):
    """Something in a result that its reader should know of."""


def say(text: str) -> None:
    """Write a line to the standard output, as ``verbose`` promises."""
    sys.stdout.write(f"{text}\n")


def warn(text: str, *, level: int = STACK) -> None:
    """Warn the caller of ``mine_hard_negatives``."""
    warnings.warn(text, CompatWarning, stacklevel=level)


def shortfall(pairs: Pairs, found: Found, request: Request) -> str | None:
    """Say which anchors came out short, how they differ from the rest, and how to keep them; None if none did."""
    per_anchor, m = found.per_anchor, request.num_negatives
    short, empty = int((per_anchor < m).sum()), int((per_anchor == 0).sum())
    if not short:
        return None
    text = f"{short:,} of {len(per_anchor):,} anchors have fewer than {m} negatives"
    text += f", {empty:,} of them none" if empty else ""
    means = counts.describe(found.counts)["mean_positive_score"]
    if means["short_units"] is not None and means["other_units"] is not None:
        text += f" (their positives score {means['short_units']:.3f}, those of the others {means['other_units']:.3f})"
    return f"{text}.{_fate(request, short, empty)} {advice(pairs, found, request)}"


def _fate(request: Request, short: int, empty: int) -> str:
    """Say what became of the short anchors' rows."""
    lost = short if request.output_format == "n-tuple" else empty
    if not lost:
        return ""
    keeping = {"n-tuple": "with nulls", "labeled-list": "with their positives alone"}
    if request.output_format == "labeled-pair":
        return f" {lost:,} are in the result with their positives alone."
    if request.output_format not in keeping:
        return f" {lost:,} are not in the result."
    if request.shortfall == "short":
        return f" {lost:,} are in the result {keeping[request.output_format]}."
    return f" {lost:,} are not in the result; shortfall='short' keeps them, {keeping[request.output_format]}."


def advice(pairs: Pairs, found: Found, request: Request) -> str:
    """Name the parameters that decide how many negatives there are."""
    names = ["range_max", *(["range_min"] if request.range_min else []), *request.thresholds]
    listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    text = f"Consider adjusting the {listed} parameter{'s' if names[1:] else ''} if more are wanted"
    whole = int((found.exhausted & (found.per_anchor < request.num_negatives)).sum())
    return f"{text} (for {whole:,} all {len(pairs.collection.items):,} texts were looked at)." if whole else f"{text}."


def overview(pairs: Pairs, found: Found, request: Request, rows: int, possible: int) -> str:
    """Describe a result in a few lines."""
    negatives = found.scores[pairs.anchors]
    present = found.items[pairs.anchors] >= 0
    difference = (found.positive_scores[:, None] - negatives)[present]
    columns = (found.positive_scores, negatives[present], difference)
    lines = [f"{'Metric':<6} {'Positive':>14} {'Negative':>14} {'Difference':>14}"]
    lines.append(f"{'Count':<6} {len(found.positive_scores):>14,} {len(difference):>14,}")
    for name, values in zip(MEASURES, zip(*(_measures(column) for column in columns), strict=True), strict=True):
        lines.append(f"{name:<6} " + " ".join(f"{value:>14.4f}" for value in values))
    rejected = counts.describe(found.counts)["candidates_by_verdict"]
    total = sum(rejected.values())
    for name in THRESHOLDS:
        if name in rejected:
            share = rejected[name] / total
            bound = request.thresholds[name]
            lines.append(f"Rejected {rejected[name]:,} candidates ({share:.2%}) by the {name} of {bound}.")
    if rows < possible:
        missing = f"Could not find enough negatives for {possible - rows:,} rows ({1 - rows / possible:.2%})."
        lines.append(f"{missing} {advice(pairs, found, request)}")
    return "\n".join(lines)


MEASURES = ("Mean", "Median", "Std", "Min", "25%", "75%", "Max")


def _measures(values: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[float]:
    numbers = values[~np.isnan(values)].astype(np.float64)
    if not len(numbers):
        return [float("nan")] * len(MEASURES)
    low, middle, high = np.quantile(numbers, [0.25, 0.5, 0.75])
    spread = float(numbers.std(ddof=1)) if len(numbers) > 1 else 0.0
    return [float(numbers.mean()), middle, spread, float(numbers.min()), low, high, float(numbers.max())]
