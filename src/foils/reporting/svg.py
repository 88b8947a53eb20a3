"""Plots as SVG whose colours and fonts are those of the page around it, light or dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from io import StringIO
from typing import Any

# Colours that stand for the page's; written as such, so that they are found again in the SVG.
INK, MUTED, GRID, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404", "#050505"
VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", FIRST: "first", SECOND: "second"}
WIDTH = 5.0
"""Inches; narrow, so that a phone shows the letters as large as a desk does."""
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # letters stay letters: they can be searched, and the page chooses the font
    "svg.hashsalt": "foils",
    "text.parse_math": False,  # names come from the data, and a dollar sign in one means nothing
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


def svg(name: str, height: float, draw: Callable[[Any], None]) -> str:
    """Draw one plot.

    Args:
        name: of the plot; its ids begin with it, so that they are unique on a page of several.
        height: inches.
        draw: draws on matplotlib's axes, in the colours of this module.

    Returns:
        an ``<svg>`` element; text in it is escaped by matplotlib.
    """
    matplotlib = import_module("matplotlib")
    figures = import_module("matplotlib.figure")
    with matplotlib.rc_context(matplotlib.rcParamsDefault), matplotlib.rc_context(STYLE):
        figure = figures.Figure(figsize=(WIDTH, height), layout="constrained")
        draw(figure.subplots())
        file = StringIO()
        figure.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _adapted(name, file.getvalue())


def _adapted(name: str, document: str) -> str:
    """Make an SVG document a part of a page: no prologue, names of its own, the page's colours."""
    document = document[document.index("<svg") :]
    document = re.sub(r"<metadata>.*?</metadata>", "", document, flags=re.DOTALL)
    document = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", document)
    for colour, variable in VARIABLES.items():
        document = document.replace(colour, f"var(--{variable})")
    return document
