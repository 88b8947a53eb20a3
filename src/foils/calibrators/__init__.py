"""Calibrators: from scores to ``p_positive``, the probability that a candidate is an unlabelled positive.

    isotonic   a rising curve on one column
    platt      a logistic curve on one column
    stacker    a logistic regression over several columns
    cascade    one after the other, the last that answered wins

Each is a frozen struct of fitted numbers, written once for NumPy and PyTorch; ``foils.calibrate`` fits them. They say
neither 0 nor 1: a trusted negative is 0 and a known positive 1, by what the data says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from foils import _array
from foils._array import Array
from foils.calibrators.cascade import Cascade, One
from foils.calibrators.inputs import Input
from foils.calibrators.isotonic import Isotonic
from foils.calibrators.platt import Platt
from foils.calibrators.stacker import Stacker, Term
from foils.candidates import Candidates, Column


class Calibrator(Protocol):
    """The fields of a calibrator, and the calibrator itself."""

    def inputs(self) -> tuple[Input, ...]:
        """Name the score columns that it reads, and the positives that they are measured from."""

    def reads(self) -> tuple[str, ...]:
        """Name the score columns that it reads, once each."""

    def least(self) -> float:
        """Say which p_positive no score can fall below; 0 where it falls towards it."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give float32[A, K] between 0 and 1, neither of them; NaN where it cannot say."""


def calibrated(candidates: Candidates, calibrator: Calibrator | None) -> Candidates:
    """Write ``p_positive``: 0 stays for trusted negatives, the calibrator says the rest; None = NaN.

    What another calibrator wrote there before is forgotten, so this may be done again.
    """
    given = candidates.columns["p_positive"].values
    xp = _array.namespace(given)
    said = xp.full_like(given, xp.nan) if calibrator is None else calibrator(candidates)
    p_positive = xp.where(candidates.valid & (given == 0), xp.zeros_like(said), said)
    return replace(candidates, columns={**candidates.columns, "p_positive": Column(p_positive)})


REGISTRY: Mapping[str, type[Calibrator]] = {
    "isotonic": Isotonic,
    "platt": Platt,
    "stacker": Stacker,
    "cascade": Cascade,
}

__all__ = [
    "REGISTRY",
    "Calibrator",
    "Cascade",
    "Input",
    "Isotonic",
    "One",
    "Platt",
    "Stacker",
    "Term",
    "calibrated",
]
