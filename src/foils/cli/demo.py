"""``foils demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils.cli.console import progress_of_stages, say, say_json, show
from foils.cli.options import Json, Whole
from foils.demo import DemoSettings, render, run_demo

DEFAULTS = DemoSettings()


def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder for report.html and report.json.")] = Path("demo-output"),
    seeds: Annotated[Whole, Parameter(help="Trainings of each kind.")] = DEFAULTS.seeds,
    anchors: Annotated[Whole, Parameter(help="Docstrings to use at most.")] = DEFAULTS.max_anchors,
    json: Json = False,
) -> None:
    """Do the main job on text that every machine has: Python's documentation.

    Trains an encoder on the docstrings of the installed Python and packages,
    mines hard negatives by five recipes, trains again with each and evaluates.
    Which of the "negatives" are hidden positives is known here, so that the
    recipes can be compared. Downloads nothing.

    Examples:
        foils demo

        foils demo --out my-demo --seeds 5
    """
    with progress_of_stages() as report:
        result = run_demo(out, settings=DemoSettings(seeds=seeds, max_anchors=anchors), progress=report)
    if json:
        say_json(result.data())
        return
    show(render(result))
    say(f"\nreport: {out / 'report.html'}")
