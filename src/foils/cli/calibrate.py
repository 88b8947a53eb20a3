"""``foils calibrate``: how likely a score makes a candidate a positive."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from foils.calibrating import calibrate, read_calibration, write_plot
from foils.calibrating.calibration import check_calibration_file
from foils.calibrating.plot import check_plot
from foils.calibrating.reached import reached
from foils.cli.console import note, say, say_json
from foils.cli.export import Folder
from foils.cli.options import Json, Seed
from foils.cli.out import check_place
from foils.errors import InputError
from foils.labelling import read_labels
from foils.mining import Mined
from foils.mining.fitted import of_other_inputs, of_other_scores, of_untold
from foils.mining.reach import at_least, beyond_reach, rates, shown
from foils.recipes import Recipe

RATE = 0.05
"""The rate that is proposed, where it can be kept."""

Given = Annotated[
    Path, Parameter(help="Labels: a result folder, .csv or .jsonl. Default: those that foils review stored in FOLDER.")
]
By = Annotated[
    str, Parameter(help="Instead of labels, a column of probabilities to learn from: a reranker's, an LLM's.")
]
Method = Annotated[
    Literal["isotonic", "platt", "stacker", "cascade"],
    Parameter(help="A curve on one column (isotonic, platt), a regression on several, or the last that has a score."),
]
Columns = Annotated[
    str, Parameter(help="Scores to calibrate, as in dense,cross_encoder. Default: the last, or all for several.")
]
Measure = Annotated[
    Literal["score", "margin", "both"],
    Parameter(help="Scores as they stand, less that of the positive, or both (stacker)."),
]
Positive = Annotated[
    Literal["min", "max", "mean", "pair"], Parameter(help="Which positive of a query margins are measured from.")
]
File = Annotated[Path, Parameter(help="File to write, .json; for --calibration of foils mine and foils rethreshold.")]
Calibrated = Annotated[Path, Parameter(name="--calibration", help="What foils calibrate wrote: says p_positive.")]
Plot = Annotated[Path, Parameter(help="Draw what was said against what was found: an .svg file.")]


def calibrate_scores(
    folder: Folder,
    /,
    *,
    out: File,
    labels: Given | None = None,
    by: By | None = None,
    method: Method = "isotonic",
    columns: Columns | None = None,
    measure: Measure = "score",
    reference: Positive = "min",
    plot: Plot | None = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    r"""Learn from labels how likely a score makes a candidate a positive.

    What comes out turns scores into p_positive, the probability that a
    candidate is a positive nobody labelled. Rules such as
    max_false_negative_rate, and soft weights, need it. How far it can be
    trusted is measured on queries that it was not fitted to.

    Examples:
        foils calibrate runs/a --out calibration.json --plot reliability.svg

        foils calibrate runs/a --labels labels.csv --method stacker \
          --columns dense,cross_encoder --measure both --out calibration.json

        foils calibrate runs/a --by cross_encoder --columns dense \
          --out calibration.json
    """
    if by is not None and labels is not None:
        raise InputError("--by and --labels are two sources to learn from; give one of them")
    check_calibration_file(out)
    check_place(out.parent)
    if plot is not None:
        check_place(plot.parent)
        check_plot(plot)
    mined = Mined.open(folder)
    given = None if by is not None else read_labels(folder if labels is None else labels)
    chosen = None if columns is None else [name.strip() for name in columns.split(",")]
    found = calibrate(
        mined, given, column=by, method=method, columns=chosen, measure=measure, reference=reference, seed=seed
    )
    found.write(out)
    if plot is not None:
        write_plot(found, plot)
    if json:
        say_json({"out": str(out), "calibration": msgspec.to_builtins(found)})
        return
    say(f"{found}\nwritten to {out}{'' if plot is None else f' and {plot}'}")
    rate = f"{RATE:g}"
    if found.lowest is not None and found.lowest > RATE:
        rate = at_least(found.lowest)
        note(
            f"no candidate has a p_positive of {RATE:g} or less, so that no lower rate than {rate} can be kept: label "
            "lower ranks for that, or try --method platt"
        )
    note(
        f"next: foils rethreshold {shlex.quote(str(folder))} --calibration {shlex.quote(str(out))} "
        f"--set 'rules=[{{max_false_negative_rate: {{rate: {rate}}}}}]' --out OUT"
    )


def with_calibration(settings: Sequence[str], path: Path | None) -> list[str]:
    """Put a calibration before the settings of a recipe.

    Raises:
        InputError: the file is something else.
    """
    if path is None:
        return list(settings)
    return [str(read_calibration(path).setting()), *settings]  # plain: the command warns, and names the file


def note_other_scores(path: Path | None, recipe: Recipe) -> None:
    """Say so where a calibration is of other scores than the recipe's: its numbers hold for those it was fitted to."""
    if path is None:
        return
    doubt = of_other_scores(str(path), read_calibration(path).fitted_on, recipe)
    if doubt:
        note(f"warning: {doubt}")


def note_reached(path: Path | None, mined: Mined) -> None:
    """Say where a calibration knows nothing of a result's scores, and where no candidate has so low a p_positive."""
    calibrator = mined.recipe.p_positive
    if path is None or calibrator is None or not mined.identity.candidates_stored:
        return
    there = reached(mined.result, calibrator.fields)
    if read_calibration(path).learnt_from == "labels":
        for line in there.notes():
            note(f"{path}: {line}")
    for rate in [] if beyond_reach(mined.recipe) else rates(mined.recipe):
        if there.least > rate:
            note(
                f"the lowest p_positive of these candidates is {shown(there.least)}, above the rate {rate:g}: ask for "
                f"at least {at_least(there.least)}, or search deeper"
            )


def note_other_inputs(path: Path | None, inputs: Mapping[str, str]) -> None:
    """Say so where a calibration is of other vectors or models than those (digests by name) that gave the scores."""
    if path is None:
        return
    others = read_calibration(path).other_inputs(inputs)
    doubt, untold = of_other_inputs(str(path), others.differ), of_untold(str(path), others.untold)
    if doubt:
        note(f"warning: {doubt}")
    if untold:
        note(untold)
