"""What a person says of a pair."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.errors import InputError

Int8 = npt.NDArray[np.int8]


class Label(IntEnum):
    """A verdict on a pair; arrays of int8 hold these numbers."""

    POSITIVE = 1
    NEGATIVE = 0
    UNSURE = -1
    SKIPPED = -2


def checked_labels(labels: npt.ArrayLike, most: int) -> Int8:
    """Take labels as int8[m].

    Raises:
        InputError: they are not one-dimensional, too many, or no labels.
    """
    given: npt.NDArray[Any] = np.asarray(labels)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iub"):
        raise InputError(f"labels have shape {given.shape} and type {given.dtype}; expected whole numbers in one row")
    if len(given) > most:
        raise InputError(f"{len(given):,} labels are given for a design of {most:,} pairs; expected at most as many")
    wrong = np.flatnonzero(~np.isin(given, [int(label) for label in Label]))
    if wrong.size:
        valid = ", ".join(f"{label.value} = {label.name.lower()}" for label in Label)
        raise InputError(f"label {wrong[0]} is {given[wrong[0]]}; expected one of {valid}")
    return given.astype(np.int8)
