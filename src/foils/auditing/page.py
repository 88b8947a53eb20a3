"""The page of an audit: self-contained, and whatever comes from the data is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from foils.auditing import plots
from foils.auditing.comparison import Change
from foils.auditing.intervals import Estimate
from foils.auditing.measured import Predicted
from foils.auditing.measured_text import bins_words, difference_words, look_words, prediction_words, span
from foils.auditing.report import Report
from foils.estimating import Rate
from foils.reporting.page import fill, markup
from foils.reporting.text import percent, rate, signed

TEMPLATE = Path(__file__).with_name("report.html.j2")
RELIABILITY = Path(__file__).with_name("reliability.html.j2")
STYLE = Path(__file__).with_name("report.css")


def render(report: Report) -> str:
    """Make the page."""
    filters: dict[str, Callable[..., str]] = {
        "whole": lambda number: f"{number:,}",
        "percentage": percentage,
        "number": number,
        "points": points,
        "in_percent": in_percent,
        "difference": difference_words,
    }
    style = markup(STYLE.read_text(encoding="utf-8"))
    said = report.measured
    predicted = None if said is None else said.predicted
    facts = {
        "report": report,
        "style": style,
        "plots": _plots(report),
        "tiles": _tiles(report),
        "measured_looks": [] if said is None else look_words(said),
        "measured_prediction": "" if predicted is None else prediction_words(predicted),
        "reliability": "" if predicted is None else _reliability(predicted),
    }
    return fill(TEMPLATE, filters, facts)


def percentage(share: float) -> str:
    r"""Write a share as a percentage: 0 is said of nothing else, and 100 neither.

    >>> [percentage(share) for share in (0, 0.0004, 0.0312, 0.5, 0.9996, 1)]
    ['0\xa0%', '<0.1\xa0%', '3.1\xa0%', '50.0\xa0%', '>99.9\xa0%', '100\xa0%']
    """
    value = 100 * share
    if value in (0, 100):
        written = f"{value:.0f}"
    elif value < 0.05:
        written = "<0.1"
    else:
        written = ">99.9" if value > 99.95 else f"{value:.1f}"
    return f"{written}\N{NO-BREAK SPACE}%"


def in_percent(share: float) -> str:
    """Write a measured share in per cent, as its sentence does; a dash where no label decides.

    >>> [in_percent(share) for share in (0.031, 0.21, float("nan"))]
    ['3.1', '21', '–']
    """
    return "–" if math.isnan(share) else percent(share)


def points(change: Change) -> str:
    """Write how far a figure moved, with its interval: shares in percentage points."""
    scale, form = (100, "+.1f") if change.is_share else (1, "+.3f")
    moved = change.difference or Estimate(change.now - change.before, 0.0, 0.0)
    middle, low, high = (f"{scale * end:{form}}".replace("-", "−") for end in (moved.estimate, moved.low, moved.high))
    return middle if change.difference is None else f"{middle} [{low}, {high}]"


def number(value: float | None) -> str:
    """Write a score with three decimals, or a dash.

    >>> [number(-0.25), number(None)]
    ['−0.250', '–']
    """
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _reliability(predicted: Predicted) -> Any:
    """Fill in the part of the page that sets what ``p_positive`` says beside the labels."""
    filters: dict[str, Callable[..., str]] = {
        "whole": lambda number: f"{number:,}",
        "in_percent": in_percent,
        "span": span,
    }
    words = bins_words(predicted)
    return markup(fill(RELIABILITY, filters, {"bins": predicted.bins, "words": f"{words[0].upper()}{words[1:]}."}))


def _tiles(report: Report) -> list[dict[str, str]]:
    """Choose the key figures: what it is, the figure, and what it is measured against."""
    about, missing, covered = report.about, report.shortfall, report.coverage
    tiles = [_tile("negatives", f"{about.negatives:,}", f"for {about.units:,} units, {about.asked} asked for each")]
    if report.measured is not None and report.measured.rate is not None:
        tiles.append(_measured_tile(report.measured.rate))
    if report.hidden is not None:
        found = report.hidden.rate
        interval = f"95 % interval {rate(1000 * found.low)} to {rate(1000 * found.high)}"
        of = " negatives of judged anchors" if report.hidden.partial else ""
        tiles.append(_tile(f"hidden positives per 1,000{of}", rate(1000 * found.estimate), interval))
    if report.hardness is not None:
        gap = report.hardness.gap("mean")
        interval = f"95 % interval {percentage(gap.at_or_above.low)} to {percentage(gap.at_or_above.high)}"
        tiles.append(_tile("score at or above their positive", percentage(gap.at_or_above.estimate), interval))
        tiles.append(_tile("hardness s⁻ − s⁺, on average", signed(gap.mean.estimate), "0 = scores like the positive"))
    short = f"{missing.short_units:,} of {missing.units:,}"
    tiles.append(_tile("of the units are short", percentage(missing.share_short.estimate), short))
    used = f"{covered.used:,} of {covered.items:,} items"
    return [*tiles, _tile("of the corpus is used", percentage(covered.share_of_corpus), used)]


def _measured_tile(rate: Rate) -> dict[str, str]:
    space = "\N{NO-BREAK SPACE}"
    detail = f"95 % interval {in_percent(rate.low)} to {in_percent(rate.high)}{space}%, {rate.labels:,} labels"
    return _tile("really positive, measured", f"{in_percent(rate.estimate)}{space}%", detail)


def _tile(name: str, figure: str, detail: str) -> dict[str, str]:
    return {"name": name, "figure": figure, "detail": detail}


def _plots(report: Report) -> dict[str, Any]:
    """Draw what there are figures for; labels are escaped by matplotlib."""
    drawn: dict[str, str] = {"coverage": plots.coverage_plot(report.coverage)}
    if report.hardness is not None:
        drawn["hardness"] = plots.hardness_plot(
            report.hardness, None if report.comparison is None else report.comparison.histograms
        )
    if (
        report.measured is not None
        and report.measured.rate is not None
        and not math.isnan(report.measured.rate.estimate)
    ):
        drawn["measured"] = plots.measured_plot(report.measured.bands, report.measured.rate)
    drawn |= {f"gradient {one.evidence}": plots.gradient_plot(one) for one in report.gradients}
    if report.ranks is not None:
        drawn["ranks"] = plots.rank_plot(report.ranks.bands)
        if report.hidden is not None:
            drawn["hidden"] = plots.hidden_plot(report.ranks.bands)
    if report.shortfall.by_positive_score and report.shortfall.short_units:
        drawn["shortfall"] = plots.shortfall_plot(report.shortfall)
    if report.verdicts and len(report.verdicts) > 1:
        drawn["verdicts"] = plots.verdict_plot(report.verdicts)
    return {name: markup(plot) for name, plot in drawn.items()}
