"""A fitted calibrator and how well it does on anchors that it was not fitted to; kept as one JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from foils import _durable as durable
from foils.calibrating.fit import Method
from foils.calibrating.reliability import Reliability
from foils.candidates import Reference
from foils.errors import InputError, printable
from foils.mining.fitted import FittedSetting, Others, other_inputs
from foils.mining.reach import shown

Measure = Literal["score", "margin", "both"]
MADE_BY = "foils calibrate"


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted calibrator, ready for a recipe's ``p_positive``.

    Attributes:
        p_positive: the calibrator as a recipe has it: its name and its numbers.
        method: what was fitted.
        columns: the scores that it reads.
        measure: ``score`` = as they stand, ``margin`` = less the reference positive's, or ``both``.
        reference: which positive of the unit margins are measured from.
        learnt_from: ``labels``, or the column of a stronger scorer.
        positives: how many of the pairs are positive; of a stronger scorer the sum of its probabilities.
        negatives: the others.
        anchors: how many anchors the pairs are of.
        weighted: whether pairs count 1/pi, as a design drew them.
        left_out: pairs that were not used: why → how many.
        before: how the last column does when its numbers are taken for probabilities; None where they cannot be.
        after: how the calibrator does on anchors that it was not fitted to.
        fitted_on: source and scorers of the recipe that the scores are of.
        notes: what to know before relying on it.
        fitted_inputs: digests of the data, vectors and models that the scores follow from; None in files of before.
        lowest: the lowest p_positive of the result's candidates, which no rate can lie below; None in files of before.
    """

    p_positive: dict[str, Any]
    method: Method
    columns: tuple[str, ...]
    measure: Measure
    reference: Reference
    learnt_from: str
    positives: float
    negatives: float
    anchors: int
    weighted: bool
    left_out: dict[str, int]
    before: Reliability | None
    after: Reliability | None
    fitted_on: dict[str, Any]
    notes: tuple[str, ...]
    made_by: str = MADE_BY
    fitted_inputs: dict[str, str] | None = None
    lowest: float | None = None

    def setting(self) -> FittedSetting:
        """Give it as a setting of a recipe, for ``foils.mine``, ``mined.rethreshold`` and ``recipes.load``.

        It is text. The first two warn where the scores are of other models than those that it was fitted to.
        """
        setting = f"p_positive={json.dumps(self.p_positive)}"
        return FittedSetting.of(setting, self.fitted_on, self.fitted_inputs or {})

    def other_inputs(self, inputs: Mapping[str, str]) -> Others:
        """Compare what scores follow from with what the calibrated ones followed from; only names that both have.

        Args:
            inputs: digests of a run, as its identity has them.
        """
        return other_inputs(self.fitted_inputs or {}, inputs)

    def write(self, path: str | Path) -> Path:
        """Write it to a JSON file.

        Raises:
            InputError: its name does not end in .json.
            FolderError: the file cannot be written.
        """
        path = Path(path)
        check_calibration_file(path)
        with durable.explained(path):
            durable.make_folder(path.parent)
            durable.write_json(path, self)
        return path

    def __str__(self) -> str:
        """Say in a few lines what was fitted and how well it does."""
        columns = printable(", ".join(self.columns))
        taken = "labels" if self.learnt_from == "labels" else f"pairs that {printable(self.learnt_from)} scored"
        lines = [
            f"{self.method} of {columns}: {self.positives + self.negatives:,.0f} {taken} of {self.anchors:,} anchors "
            f"({self.positives:,.0f} positive)",
            "on anchors that it was not fitted to:        said    found  calibration error   Brier  log loss",
        ]
        for name, one in (("before, the score as it stands", self.before), ("after", self.after)):
            if one is not None:
                lines.append(
                    f"  {name:<42}{one.said:6.1%}  {one.found:6.1%}  {one.calibration_error:17.3f}  {one.brier:6.3f}"
                    f"  {one.log_loss:8.3f}"
                )
        if self.lowest is not None:
            lines.append(f"  lowest p_positive of the candidates: {shown(self.lowest)}")
        lines += [f"  left out: {count:,} {printable(why)}" for why, count in self.left_out.items()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def check_calibration_file(path: Path) -> None:
    """Check the name of a file that a calibration is written to.

    Raises:
        InputError: it does not end in .json.
    """
    if path.suffix.casefold() != ".json":
        raise InputError(f"{path}: a calibration is written as JSON; give a name that ends in .json")


def read_calibration(path: str | Path) -> Calibration:
    """Read what ``foils calibrate`` or ``Calibration.write`` wrote.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; give the one that foils calibrate --out named")
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=Calibration)
    except (OSError, RecursionError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read as a calibration: {error}; give the file that foils calibrate --out named"
        ) from error
