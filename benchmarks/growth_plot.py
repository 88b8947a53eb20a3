"""Draw docs/speed/growth.svg of docs/speed/growth.json: readable on light and on dark pages."""

from __future__ import annotations

import json
from typing import Any

import matplotlib as mpl
from harness import FOLDER
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GREY, STYLES = "#808890", (("o-", "#2f8fd0"), ("s--", "#d9822b"))
"""Enough contrast with white and with near-black."""
AXES = {"anchors": "anchors, at 12,500 items", "items": "items, at 8,000 anchors"}


def draw() -> None:
    """Draw time above memory, by anchors and by items, a line per setting of the BLAS."""
    settings = json.loads((FOLDER / "growth.json").read_text(encoding="utf-8"))["settings"]
    with mpl.rc_context(
        {"svg.hashsalt": "foils", "svg.fonttype": "none", "font.size": 10, "font.family": "sans-serif"}
    ):
        figure = Figure(figsize=(9, 6), layout="constrained")
        panels = figure.subplots(2, 2, sharex="col", sharey="row")
        for axes in panels.flat:
            axes.set(xscale="log", yscale="log")
            axes.minorticks_off()
        for column, way in enumerate(AXES):
            other = "items" if way == "anchors" else "anchors"
            at = {"anchors": 8_000, "items": 12_500}[other]
            for (line, colour), (key, entry) in zip(STYLES, settings.items(), strict=False):
                points = sorted((p for p in entry["facts"]["points"] if p[other] == at), key=lambda p: int(p[way]))
                sizes = [p[way] for p in points]
                label = "AVX2 pin" if "Haswell" in key else key
                panels[0, column].plot(sizes, [p["cpu_seconds"] for p in points], line, color=colour, label=label)
                panels[1, column].plot(sizes, [p["peak_bytes"] / 1e6 for p in points], line, color=colour, label=label)
            guides(panels[0, column], panels[1, column], sizes, points, at)
            panels[1, column].set_xlabel(AXES[way])
            panels[1, column].set_xticks(sizes, [f"{size:,}" for size in sizes])
        panels[0, 0].set_ylabel("CPU seconds")
        panels[1, 0].set_ylabel("anonymous memory, MB")
        for axes in panels.flat:
            style(axes)
        figure.savefig(FOLDER / "growth.svg", transparent=True, metadata={"Date": None})


def guides(time: Axes, memory: Axes, sizes: list[int], points: list[dict[str, Any]], at: int) -> None:
    """Add what linear growth would be, and what a matrix of all scores would take."""
    last = points[-1]["cpu_seconds"]
    time.plot(sizes, [last * size / sizes[-1] for size in sizes], ":", color=GREY, label="linear")
    memory.plot(sizes, [4e-6 * size * at for size in sizes], ":", color=GREY, label="anchors × items × 4 bytes")


def style(axes: Axes) -> None:
    """Use colours that both kinds of page bear, and no background."""
    axes.set_facecolor("none")
    axes.tick_params(colors=GREY, which="both")
    axes.grid(color=GREY, alpha=0.25, linewidth=0.6)
    for side in axes.spines.values():
        side.set_color(GREY)
    for text in (axes.xaxis.label, axes.yaxis.label):
        text.set_color(GREY)
    axes.legend(frameon=False, labelcolor=GREY)


if __name__ == "__main__":
    draw()
