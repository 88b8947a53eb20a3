"""The reliability diagram: what was said against what was found, before and after, as one SVG file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foils import _durable as durable
from foils._extras import require
from foils.calibrating.calibration import Calibration
from foils.calibrating.reliability import Reliability
from foils.errors import InputError
from foils.reporting.page import STYLE
from foils.reporting.svg import FIRST, MUTED, SECOND, svg

HEIGHT = 4.4
"""Inches."""
ROOM = 1.08
"""How far the axes go beyond the last point."""


def reliability_plot(calibration: Calibration) -> str:
    """Draw the bins with their intervals: an ``<svg>`` element in the colours of the page around it."""
    drawn: list[tuple[str, str, Reliability]] = [
        (name, colour, one)
        for name, colour, one in (("before", FIRST, calibration.before), ("after", SECOND, calibration.after))
        if one is not None
    ]
    most = max([one.said for _, _, each in drawn for one in each.bins] + [0.05])
    highest = max([min(one.high, 1.0) for _, _, each in drawn for one in each.bins] + [0.05])
    width, height = min(1.0, ROOM * most), min(1.0, ROOM * highest)

    def draw(axes: Any) -> None:
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=1, linestyle="--", label="as said")
        for name, colour, each in drawn:
            said, found = [100 * one.said for one in each.bins], [100 * one.found for one in each.bins]
            sides = [
                [100 * (one.found - one.low) for one in each.bins],
                [100 * (one.high - one.found) for one in each.bins],
            ]
            axes.errorbar(
                said, found, yerr=sides, fmt="o", color=colour, markersize=5, elinewidth=1.4,
                label=f"{name} (calibration error {each.calibration_error:.3f})",
            )  # fmt: skip
        axes.set_xlim(-0.02 * 100 * width, 100 * width)
        axes.set_ylim(0, 100 * height)
        axes.set_xlabel("% said to be positive")
        axes.set_ylabel("% found to be positive")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
        axes.grid(linewidth=0.8)
        axes.set_axisbelow(True)

    return svg("reliability", HEIGHT, draw)


def write_plot(calibration: Calibration, path: str | Path) -> Path:
    """Write the diagram to an .svg file that stands alone, light or dark as the reader's screen.

    Raises:
        InputError: the suffix is not .svg.
        FolderError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    path = Path(path)
    check_plot(path)
    plot = reliability_plot(calibration)
    opened = plot.index(">") + 1
    style = STYLE.read_text(encoding="utf-8")
    own = "svg { background: var(--paper); font-family: system-ui, sans-serif; } svg text { font-family: inherit; }"
    document = f"{plot[:opened]}<style>{style}\n{own}</style>{plot[opened:]}"
    with durable.explained(path):
        durable.make_folder(path.parent)
        durable.write_file(path, lambda partial: partial.write_text(document, encoding="utf-8"))
    return path


def check_plot(path: Path) -> None:
    """Check, before long work, that a plot can be drawn and where it goes.

    Raises:
        InputError: the suffix is not .svg.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix != ".svg":
        raise InputError(f"{path}: the plot is written as .svg; give such a name")
    require("report", ["matplotlib"])
