"""``foils rethreshold``."""

from __future__ import annotations

import shlex
from typing import Annotated

from cyclopts import Parameter

from foils.cli.calibrate import Calibrated, note_other_inputs, note_other_scores, with_calibration
from foils.cli.console import note, progress, say, say_json
from foils.cli.export import Folder
from foils.cli.options import Json
from foils.cli.out import Out, check_result_folder
from foils.errors import InputError
from foils.mining import Mined

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
    if deeper:
        note(f"{deeper:,} units would be searched deeper by a fresh run; mine again with these settings for those")
    note(f"next: foils audit {shlex.quote(str(out))} --data DATA --out REPORT")
