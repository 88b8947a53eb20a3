"""What to calibrate, chosen and checked before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from foils.calibrating.calibration import Measure
from foils.calibrating.fit import METHODS
from foils.calibrators import Input
from foils.candidates import Kind, Reference
from foils.errors import InputError, did_you_mean
from foils.recipes import Recipe


def choose_columns(recipe: Recipe, method: str, columns: Sequence[str] | None, teacher: str | None) -> tuple[str, ...]:
    """Choose what to calibrate, and check it and the teacher.

    Raises:
        InputError: no such method or column, or the number of columns does not fit the method.
    """
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}; {did_you_mean(str(method), METHODS)}")
    kinds = recipe.columns()
    if isinstance(columns, str):
        raise InputError(f"columns is one text, {columns!r}; expected a list, as in columns=[{columns!r}]")
    for name in (*(columns or ()), *([] if teacher is None else [teacher])):
        if name not in kinds:
            hint = did_you_mean(str(name), kinds) if kinds else "it was mined by a recipe without scores"
            raise InputError(f"the result has no score column {name!r}; {hint}")
    if teacher is not None and kinds[teacher] is not Kind.PROBABILITY:
        raise InputError(
            f"{teacher} gives a {kinds[teacher]}, and a calibrator learns from probabilities; calibrate it to labels "
            "first, or take the sigmoid (activation: sigmoid of a cross_encoder)"
        )
    several = method in ("stacker", "cascade")
    others = [name for name in kinds if name != teacher]
    chosen = tuple(dict.fromkeys(columns)) if columns else tuple(others if several else others[-1:])
    if not chosen or (len(chosen) > 1 and not several):
        listed = ", ".join(kinds) or "none"
        expected = "at least one column" if several else "exactly one column"
        raise InputError(f"{method} needs {expected} to calibrate, and {len(chosen)} are given; there are: {listed}")
    return chosen


def choose_inputs(
    recipe: Recipe, method: str, columns: Sequence[str], measure: str, reference: Reference
) -> tuple[Input, ...]:
    """Say what to read of each column.

    Raises:
        InputError: there is no such measure or reference, or it does not fit the method or the recipe.
    """
    for what, value, known in (("measure", measure, get_args(Measure)), ("reference", reference, get_args(Reference))):
        if value not in known:
            raise InputError(f"there is no {what} {value!r}; {did_you_mean(str(value), known)}")
    if measure == "both" and method != "stacker":
        raise InputError(f"measure 'both' is for a stacker, and {method} reads one number: choose score or margin")
    if reference == "pair" and recipe.per != "pair":
        raise InputError("reference 'pair' is for results mined per pair; choose min, max or mean")
    references = {"score": (None,), "margin": (reference,), "both": (None, reference)}[measure]
    return tuple(Input(name, one) for name in columns for one in references)
