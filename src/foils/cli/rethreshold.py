"""``foils rethreshold``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foils import recipes
from foils.cli.calibrate import Calibrated, note_other_inputs, note_other_scores, note_reached, with_calibration
from foils.cli.console import note, progress, say, say_json
from foils.cli.export import Folder
from foils.cli.options import Json
from foils.cli.out import Out, check_result_folder
from foils.cli.usable import unusable
from foils.errors import InputError
from foils.mining import Mined
from foils.mining.reach import beyond_reach

Settings = Annotated[
    list[str],
    Parameter(
        name="--set",
        negative=(),
        help="Change rules, sampler or p_positive: part.name.field=value, or a part as a whole. May be repeated.",
    ),
]


def rethreshold(
    folder: Folder,
    /,
    *,
    out: Out,
    calibration: Calibrated | None = None,
    set: Settings | None = None,
    json: Json = False,
) -> None:
    r"""Judge the candidates of a result by other rules, without searching or scoring.

    What comes out is what mining by these rules gives, as far as the stored
    candidates reach; it says for how many queries they do not.

    Examples:
        foils rethreshold runs/a --set rules.relative_margin.margin=0.1 \
          --out runs/b

        foils rethreshold runs/a --calibration calibration.json --out runs/c \
          --set 'rules=[{max_false_negative_rate: {rate: 0.05}}]'
    """
    settings = with_calibration(set or (), calibration)
    if not settings:
        raise InputError("nothing is to be changed; give --set part.name.field=value, or --calibration FILE")
    check_result_folder(out)
    before = Mined.open(folder)
    note_other_scores(calibration, before.recipe)
    note_other_inputs(calibration, before.identity.inputs)
    with progress("judging") as report:
        mined = before.rethreshold(settings, out, progress=report)
    deeper = len(mined.needs_deeper)
    if json:
        say_json({"out": str(out), "stats": mined.stats, "identity": mined.identity.data(), "needs_deeper": deeper})
        return
    say(f"{mined.summary()}\nwritten to {out}")
    note_reached(calibration, mined)
    if deeper and not beyond_reach(mined.recipe):
        note(f"{deeper:,} units would be searched deeper by a fresh run, with the DATA, model or vectors of {folder}:")
        note(f"  {_fresh_run(before, set or (), calibration)}")
    note(unusable(mined) or f"next: foils audit {shlex.quote(str(out))} --data DATA --out REPORT")


def _fresh_run(before: Mined, settings: Sequence[str], calibration: Path | None) -> str:
    """Write the command that mines anew what was judged again."""
    made = before.identity
    words = ["--recipe", before.stats["recipe"], "--negatives", str(made.negatives), "--split", made.split]
    words += ["--seed", str(made.seed), *(() if calibration is None else ("--calibration", str(calibration)))]
    given = " ".join(shlex.quote(word) for word in [*words, *(word for one in settings for word in ("--set", one))])
    own = "" if _as_shipped(before) else f" (and what else {before.path} was mined with: --set, --calibration)"
    return f"foils mine DATA {given} --out OUT{own}"


def _as_shipped(mined: Mined) -> bool:
    """Tell whether the recipe is still what its name says."""
    try:
        there = recipes.load(mined.stats["recipe"]).bound(len(mined.result.names.items))
    except InputError:  # a file of recipes that is gone
        return False
    return there.resolved() == mined.recipe.resolved()
