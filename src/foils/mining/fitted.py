"""Whether scores are those that a calibration was fitted to: its probabilities are right for these alone."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from foils.errors import printable
from foils.mining.identity import GIVEN, other_run
from foils.recipes import Recipe

DATA = ("collection", GIVEN)
OF_DATA = ("vectors.", "run")
OF_MODELS = ("scorers.", "bm25")
"""How the inputs are named that scores follow from; a digest of the first changes with the data, too."""


class Others(NamedTuple):
    """Names of inputs that differ from those that a calibration was fitted to."""

    differ: tuple[str, ...]
    """Vectors of the same data, or models."""
    untold: tuple[str, ...]
    """Both sides' vectors of other data: whether of the same encoder, digests do not tell."""


class FittedSetting(str):
    """A setting of a recipe, as text, that knows what it was fitted to.

    Attributes:
        recipe: source and scorers of the recipe that the scores were of.
        inputs: digests of what they followed from.
    """

    recipe: Mapping[str, Any]
    inputs: Mapping[str, str]

    @classmethod
    def of(cls, setting: str, recipe: Mapping[str, Any], inputs: Mapping[str, str]) -> FittedSetting:
        """Tell a setting what it was fitted to."""
        fitted = cls(setting)
        fitted.recipe, fitted.inputs = recipe, inputs
        return fitted


def warn_of_others(settings: Sequence[str], recipe: Recipe, inputs: Mapping[str, str]) -> None:
    """Warn the caller's caller where a setting was fitted to scores of other models than a run's, or may have been.

    Args:
        settings: of the run's recipe.
        recipe: of the run.
        inputs: digests of the run, as its identity has them.
    """
    for setting in settings:
        if isinstance(setting, FittedSetting):
            what = setting.partition("=")[0]
            others = other_inputs(setting.inputs, inputs)
            doubts = (
                of_other_scores(what, setting.recipe, recipe),
                of_other_inputs(what, others.differ),
                of_untold(what, others.untold),
            )
            for doubt in doubts:
                if doubt:
                    warnings.warn(doubt, stacklevel=3)


def of_other_scores(what: str, fitted_on: Mapping[str, Any], recipe: Recipe) -> str:
    """Say so where a calibration is of other scores than the recipe's; else nothing.

    Args:
        what: how it is called.
        fitted_on: source and scorers that it is of.
        recipe: whose scores are to be calibrated.
    """
    here = recipe.resolved()
    scorers = [{"recipe": {"scorers": parts["scorers"]}} for parts in (fitted_on, here)]
    if [*fitted_on["source"]] == [*here["source"]] and not other_run(*scorers):
        return ""
    return (
        f"{what} was fitted to scores of another source or of other scorers; p_positive is right only "
        "where the same models score: calibrate again where they changed"
    )


def of_other_inputs(what: str, differ: Sequence[str]) -> str:
    """Say so where a calibration is of other vectors or models than those that gave the scores; else nothing."""
    if not differ:
        return ""
    return (
        f"{what} was fitted to scores of other vectors or models: {printable(', '.join(differ))} differ; "
        "the probabilities (p_positive) may be wrong here: calibrate anew"
    )


def of_untold(what: str, untold: Sequence[str]) -> str:
    """Say so where a calibration is of other data, so that vectors may be of another encoder; else nothing."""
    if not untold:
        return ""
    return (
        f"{what} was fitted on other data, so whether {printable(', '.join(untold))} are of the same encoder cannot be "
        "told; if they are not, the probabilities (p_positive) may be wrong: calibrate anew"
    )


def other_inputs(there: Mapping[str, str], inputs: Mapping[str, str]) -> Others:
    """Compare what scores follow from with what calibrated ones followed from; only names that both have.

    Vectors are of texts, so they tell two encoders apart only on the data that it was fitted on.

    Args:
        there: digests of the run that was calibrated.
        inputs: digests of another run, as its identity has them.
    """
    same_data = not {there[name] for name in DATA if name in there}.isdisjoint(map(inputs.get, DATA))
    changed = [name for name in there if name in inputs and there[name] != inputs[name]]
    of_data = [name for name in changed if name.startswith(OF_DATA)]
    models = [name for name in changed if name.startswith(OF_MODELS)]
    if same_data:
        return Others(tuple(of_data + models), ())
    sides = Counter(name.rpartition(".")[0] for name in of_data if name.startswith("vectors."))
    return Others(tuple(models), tuple(name for name, count in sides.items() if count == 2))
