"""The plots of the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from foils.demo.result import DemoResult, Estimate, Row
from foils.reporting.svg import FIRST, MUTED, SECOND, svg

ROW_HEIGHT = 0.42
"""Inches."""


def false_negative_plot(result: DemoResult) -> str:
    """Draw the hidden false negatives per 1,000 negatives by recipe, duplicates unknown and resolved."""
    rows = [row for row in result.rows if row.role == "recipe"]

    def draw(axes: Any) -> None:
        unknown = [(place - 0.16, row.hidden) for place, row in enumerate(rows) if row.hidden is not None]
        resolved = [(place + 0.16, row.resolved) for place, row in enumerate(rows) if row.resolved is not None]
        _intervals(axes, unknown, FIRST, "o", "one name labelled")
        _intervals(axes, resolved, SECOND, "D", "duplicates resolved")
        axes.set_xlim(left=-0.02 * axes.get_xlim()[1])
        axes.set_xlabel("hidden positives per 1,000 negatives")
        axes.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=2, frameon=False, handletextpad=0.3)

    return _by_row("rates", rows, draw)


def difference_plot(result: DemoResult) -> str:
    """Draw the differences of nDCG@10 to in-batch negatives only, with their intervals."""
    rows = [row for row in result.rows if row.difference is not None]

    def draw(axes: Any) -> None:
        axes.axvline(0, color=MUTED, linewidth=1)
        known = [(float(place), row.difference) for place, row in enumerate(rows) if row.difference is not None]
        _intervals(axes, known, FIRST, "o", None)
        axes.margins(x=0.08)
        axes.set_xlabel("nDCG@10 minus that of in-batch only")

    return _by_row("differences", rows, draw)


def _by_row(name: str, rows: Sequence[Row], draw: Callable[[Any], None]) -> str:
    def draw_rows(axes: Any) -> None:
        draw(axes)
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(axis="x", linewidth=0.8)
        axes.set_axisbelow(True)

    return svg(name, 1.0 + ROW_HEIGHT * len(rows), draw_rows)


def _intervals(axes: Any, known: Sequence[tuple[float, Estimate]], colour: str, marker: str, label: str | None) -> None:
    places = [place for place, _ in known]
    middle = [estimate.estimate for _, estimate in known]
    sides = [
        [estimate.estimate - estimate.low for _, estimate in known],
        [estimate.high - estimate.estimate for _, estimate in known],
    ]
    axes.errorbar(
        middle, places, xerr=sides, fmt=marker, color=colour, markersize=5, elinewidth=1.6, capsize=0, label=label
    )
