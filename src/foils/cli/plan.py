"""``foils plan``."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils import planning
from foils.cli.asked import AS_BY_DEFAULT, Asked, Negatives, Recipes
from foils.cli.console import note, say, say_json
from foils.cli.data import Data
from foils.cli.options import Json
from foils.cli.out import check_result_folder
from foils.planning import Plan, Stage
from foils.planning.text import describe, size

PlannedOut = Annotated[Path, Parameter(help="Where the result would go; nothing is written, only its room is checked.")]


def plan(
    data: Data,
    /,
    *,
    recipe: Recipes,
    negatives: Negatives,
    out: PlannedOut | None = None,
    asked: Asked = AS_BY_DEFAULT,
    json: Json = False,
) -> None:
    r"""Say what foils mine would take, before it runs: time, memory, disk, judges.

    Takes the options of foils mine. Each stage is carried out for about a
    second on a little of the data and scaled up; nothing is mined or written.
    What the cache holds already is not counted again.

    Examples:
        foils plan scifact --recipe nv-retriever --model minilm --negatives 8

        foils plan scifact --recipe naive-top-k --negatives 8 --memory 500MB \
          --query-vectors q.npy --corpus-vectors c.npy --json
    """
    execution, loaded = asked.execution(), asked.load(recipe)
    if out is not None:
        check_result_folder(out)
    kept = asked.kept()
    files, encoders = asked.open(loaded, kept)
    started = time.perf_counter()
    collection = asked.read(data)
    reading = Stage("reading the data", len(collection.items), "items", time.perf_counter() - started)
    planned = planning.plan(
        collection, loaded, negatives=negatives, models=encoders, query_vectors=files[0], item_vectors=files[1],
        constraints=asked.limits.constraints(), split=asked.split, seed=asked.seed, execution=execution,
        cache=kept or False,
    ).after([reading])  # fmt: skip
    if json:
        say_json(planned.data())
        return
    say(describe(planned))
    if out is not None:
        _note_room(planned, out)


def _note_room(planned: Plan, out: Path) -> None:
    """Say whether the result fits on its disk."""
    nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    fits = "which is enough" if free > planned.disk_bytes else "which is TOO LITTLE"
    note(f"free where {out} would be: {size(free)}, {fits}")
