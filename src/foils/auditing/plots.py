"""The plots of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from foils.auditing.comparison import Histograms
from foils.auditing.coverage import Coverage
from foils.auditing.gradients import Gradients
from foils.auditing.groups import Group
from foils.auditing.hardness import Hardness
from foils.auditing.intervals import Estimate
from foils.auditing.measured import Part
from foils.auditing.shortfall import Shortfall
from foils.estimating import Rate
from foils.reporting.svg import FIRST, GRID, INK, MUTED, SECOND, svg
from foils.reporting.text import percent, shown

HEIGHT = 2.7
"""Inches."""
ROW_HEIGHT = 0.34
LABEL = 26
"""Characters of a label from the data."""


def hardness_plot(hardness: Hardness, both: Histograms | None) -> str:
    """Draw how negatives score against their positives; what lies at or above them in the other colour."""
    edges, counts = (hardness.edges, hardness.histogram) if both is None else (both.edges, both.now)
    width = edges[1] - edges[0]
    colours = [FIRST if left >= -width / 2 else SECOND for left in edges[:-1]]

    def draw(axes: Any) -> None:
        axes.bar(edges[:-1], _shares(counts), width=width * 0.9, align="edge", color=colours, linewidth=0)
        if both is not None:
            axes.stairs(_shares(both.before), edges, color=MUTED, linewidth=1.4, label="before")
            axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
        axes.axvline(0, color=MUTED, linewidth=1)
        axes.set_xlabel("score of the negative minus that of its positive")
        axes.set_ylabel("% of negatives")
        axes.margins(x=0.01)
        axes.grid(axis="y", linewidth=0.8)
        axes.set_axisbelow(True)

    return svg("hardness", HEIGHT, draw)


def rank_plot(bands: Sequence[Group]) -> str:
    """Draw the share of the negatives by band of ranks."""
    return _bars("ranks", [group.label for group in bands], [100 * group.share for group in bands], "% of negatives")


def hidden_plot(groups: Sequence[Group]) -> str:
    """Draw hidden positives per 1,000 negatives by band of ranks, with intervals."""
    known = [(group.label, group.hidden) for group in groups if group.hidden is not None]
    return _points("hidden", known, 1000, "hidden positives per 1,000 negatives")


def measured_plot(parts: Sequence[Part], whole: Rate) -> str:
    """Draw the measured rate by band of ranks, with intervals; a line at the rate of all."""
    known = [(part.label, part.rate) for part in parts if part.rate is not None and not math.isnan(part.rate.estimate)]
    rates = [(label, Estimate(rate.estimate, rate.low, rate.high)) for label, rate in known]
    return _points("measured", rates, 100, "% really positive", line=whole.estimate)


def coverage_plot(coverage: Coverage) -> str:
    """Draw how unevenly the corpus is used."""
    x, y = ([100 * point[axis] for point in coverage.curve] for axis in (0, 1))

    def draw(axes: Any) -> None:
        axes.plot([0, 100], [0, 100], color=GRID, linewidth=1.4)
        axes.plot(x, y, color=SECOND, linewidth=2.2)
        axes.annotate("every item\nequally often", (56, 50), color=MUTED, fontsize=9, ha="left", va="top")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 103)
        axes.set_xlabel("% of the items, most used first")
        axes.set_ylabel("% of negatives")
        axes.grid(linewidth=0.8)
        axes.set_axisbelow(True)

    return svg("coverage", HEIGHT, draw)


def gradient_plot(found: Gradients) -> str:
    """Draw the share of each loss's negative gradient on suspects, with intervals; a line at their share."""
    labels = [one.loss for one in found.losses]
    values = [100 * one.share.estimate for one in found.losses]
    sides = [
        [100 * (one.share.estimate - one.share.low) for one in found.losses],
        [100 * (one.share.high - one.share.estimate) for one in found.losses],
    ]

    def draw(axes: Any) -> None:
        places = range(len(values))
        axes.barh(places, values, height=0.62, color=SECOND, linewidth=0)
        axes.errorbar(values, places, xerr=sides, fmt="none", ecolor=INK, elinewidth=1.2)
        axes.axvline(100 * found.share_of_negatives.estimate, color=FIRST, linewidth=1.6)
        axes.set_xlim(left=0)
        _rows(axes, labels)
        axes.set_xlabel("% of the negative gradient")

    name = found.evidence.replace(" ", "-").replace("_", "-")
    return svg(f"gradient-{name}", 0.8 + 0.26 * len(values), draw)


def shortfall_plot(shortfall: Shortfall) -> str:
    """Draw the share of short units by the score of their positives, with intervals."""
    parts = shortfall.by_positive_score
    known = [(f"{part.low:.2f} to {part.high:.2f}".replace("-", "−"), part.short) for part in parts]
    return _points("shortfall", known, 100, "% of the units that are short", "score of the positives")


def verdict_plot(verdicts: dict[str, int]) -> str:
    """Draw what became of the candidates."""
    total = max(sum(verdicts.values()), 1)
    ordered = sorted(verdicts.items(), key=lambda entry: (entry[0] != "kept", -entry[1], entry[0]))
    labels = [name.replace("_", " ") for name, _ in ordered]
    return _bars("verdicts", labels, [100 * count / total for _, count in ordered], "% of the candidates")


def _bars(name: str, labels: Sequence[str], values: Sequence[float], axis: str) -> str:
    def draw(axes: Any) -> None:
        places = range(len(values))
        axes.barh(places, values, height=0.62, color=SECOND, linewidth=0)
        for place, value in zip(places, values, strict=True):
            beside = {"xytext": (4, 0), "textcoords": "offset points", "va": "center", "size": 9}
            axes.annotate(percent(value / 100), (value, place), **beside)
        axes.set_xlim(0, 1.14 * max([*values, 1e-9]))
        _rows(axes, labels)
        axes.set_xlabel(axis)

    return svg(name, 0.8 + ROW_HEIGHT * len(values), draw)


def _points(
    name: str,
    known: Sequence[tuple[str, Estimate]],
    scale: float,
    axis: str,
    rows: str | None = None,
    line: float | None = None,
) -> str:
    def draw(axes: Any) -> None:
        middle = [scale * estimate.estimate for _, estimate in known]
        sides = [
            [scale * (estimate.estimate - estimate.low) for _, estimate in known],
            [scale * (estimate.high - estimate.estimate) for _, estimate in known],
        ]
        axes.errorbar(
            middle, range(len(known)), xerr=sides, fmt="o", color=FIRST, markersize=5, elinewidth=1.6, capsize=0
        )
        if line is not None:
            axes.axvline(scale * line, color=SECOND, linewidth=1.6)
        axes.set_xlim(left=min([0.0, *middle]) - 0.02 * axes.get_xlim()[1])
        _rows(axes, [label for label, _ in known])
        axes.set_xlabel(axis)
        if rows is not None:
            axes.set_ylabel(rows)

    return svg(name, 0.8 + ROW_HEIGHT * len(known), draw)


def _rows(axes: Any, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), [shown(label, LABEL) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", linewidth=0.8)
    axes.set_axisbelow(True)


def _shares(counts: Sequence[int]) -> list[float]:
    return [100 * n / max(sum(counts), 1) for n in counts]
