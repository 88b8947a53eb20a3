"""The plots of the page, as SVG whose colours and fonts are those of the page around it, light or dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from io import StringIO
from typing import Any

from foils.demo.result import DemoResult, Estimate, Row

# Colours that stand for the page's; written as such, so that they are found again in the SVG.
INK, MUTED, GRID, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", FIRST: "first", SECOND: "second"}
WIDTH = 5.0
"""Inches; narrow, so that a phone shows the letters as large as a desk does."""
ROW_HEIGHT = 0.42
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # letters stay letters: they can be searched, and the page chooses the font
    "svg.hashsalt": "foils",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.left": False,
}


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

    return _figure(name, 1.0 + ROW_HEIGHT * len(rows), draw_rows)


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


def _figure(name: str, height: float, draw: Callable[[Any], None]) -> str:
    matplotlib = import_module("matplotlib")
    figures = import_module("matplotlib.figure")
    with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(STYLE):
        figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.subplots())
        file = StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _adapted(name, file.getvalue())


def _adapted(name: str, svg: str) -> str:
    """Make an SVG document a part of a page: no prologue, names of its own, the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg
