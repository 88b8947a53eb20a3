"""The page and the numbers of a demo as files: report.html, self-contained, and report.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from foils import _extras as extras
from foils.demo import plots
from foils.demo.result import DemoResult
from foils.demo.settings import ROUNDS, DemoSettings
from foils.reporting.files import check_folder, write_files
from foils.reporting.page import fill, markup

REPORT = "foils demo"
TEMPLATE = Path(__file__).with_name("report.html.j2")
EXTRA = ("bm25s", "jinja2", "matplotlib")
"""What the extra ``demo`` brings."""


def check_possible(out: Path) -> None:
    """Check, before long work, that a report can be made and written here.

    Raises:
        MissingExtraError: a package of the extra ``demo`` is not installed.
        FolderError: the folder cannot be written, or holds a report that is not ours.
    """
    extras.require("demo", EXTRA)
    check_folder(out, REPORT)


def write_report(result: DemoResult, out: Path) -> None:
    """Write both files, each whole or not at all.

    Raises:
        FolderError: the folder cannot be written.
    """
    write_files(out, result.data(), render_page(result))


def render_page(result: DemoResult) -> str:
    """Make the page; whatever comes from the data is escaped."""
    facts = {
        "result": result,
        "plots": _plots(result),
        "stages": _stages(result),
        "rounds": ROUNDS,
        "settings": _lines(_settings(result.settings)),
        "left_out": _lines(result.left_out),
        "versions": _lines(result.versions),
    }
    return fill(TEMPLATE, {}, facts)


def _plots(result: DemoResult) -> list[dict[str, Any]]:
    drawn = (
        (
            plots.false_negative_plot,
            "Hidden positives among the negatives of each recipe, with nothing known of duplicates and with exact "
            "duplicates resolved.",
        ),
        (
            plots.difference_plot,
            "Change of nDCG@10 against training with in-batch negatives only. An interval across the line: no "
            "difference shown.",
        ),
    )
    return [{"svg": markup(draw(result)), "caption": caption} for draw, caption in drawn]


def _stages(result: DemoResult) -> list[tuple[str, str, str]]:
    stages = [(stage.name, stage.wall_seconds, stage.cpu_seconds) for stage in result.stages]
    total = ("all", sum(stage[1] for stage in stages), sum(stage[2] for stage in stages))
    return [(name, f"{wall:.1f}", f"{cpu:.1f}") for name, wall, cpu in (*stages, total)]


def _settings(settings: DemoSettings) -> dict[str, Any]:
    """List the settings; which negatives are trained on is what the table compares."""
    facts: dict[str, Any] = msgspec.to_builtins(settings)
    training = facts.pop("static")
    del training["negatives"]
    return facts | {f"training: {name}": value for name, value in training.items()}


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else str(value))
        for name, value in facts.items()
    ]
