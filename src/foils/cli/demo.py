"""``foils demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from foils.cli.console import progress_of_stages, say, say_json
from foils.cli.options import Json
from foils.demo import DemoSettings, render, run_demo


def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder for report.html and report.json.")] = Path("demo-output"),
    seeds: Annotated[int, Parameter(help="Trainings of each kind.")] = DemoSettings().seeds,
    anchors: Annotated[int, Parameter(help="Docstrings to use at most.")] = DemoSettings().max_anchors,
    json: Json = False,
) -> None:
    """Do the main job on real text that every machine has: the documentation of the installed Python and its packages.

    Trains an encoder, mines hard negatives by five recipes, trains again with each, and evaluates; it is known which of the
    "negatives" were positives in hiding. Downloads nothing.

    Examples:
        foils demo

        foils demo --out my-demo --seeds 5
    """
    with progress_of_stages() as report:
        result = run_demo(out, settings=DemoSettings(seeds=seeds, max_anchors=anchors), progress=report)
    if json:
        say_json(result.data())
        return
    Console(highlight=False).print(render(result))
    say(f"\nreport: {out / 'report.html'}")
