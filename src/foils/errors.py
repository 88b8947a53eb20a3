"""The error tree. Every message says what was given, where, what is expected and how to mend it.

    FoilsError
    ├── InputError              the user's input or usage; the command line exits with 2
    │   ├── DataError           a file or an array: rows, ids, shapes, encodings
    │   ├── RecipeError         a recipe or an override: names, fields, ranges
    │   ├── FolderError         an output folder: foreign, in use, of another run, unwritable, full
    │   └── MissingExtraError   an optional dependency that is not installed
    └── DefectError             a fault of foils; the command line exits with 1

``KeyboardInterrupt`` is left alone: the command line exits with 130 and the run can be resumed.
"""

from __future__ import annotations

import difflib
import numbers
from collections.abc import Iterable

SHOWN = 20
"""Valid choices that a message lists at most."""


class FoilsError(Exception):
    """Any error that foils raises on purpose."""


class InputError(FoilsError):
    """The input or its use is wrong, and the user can mend it."""


class DataError(InputError):
    """A file or an array does not hold what is expected."""


class RecipeError(InputError):
    """A recipe, or an override of one, is not valid."""


class FolderError(InputError):
    """An output folder cannot be used for this run."""


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'foils[{extra}]'")


class DefectError(FoilsError):
    """An invariant of foils itself does not hold."""


def did_you_mean(name: str, valid: Iterable[str], *, near_from: float = 0.4) -> str:
    """Name the nearest valid choice and list all, for the end of an error message.

    >>> did_you_mean("top-k", ["top_k", "uniform"])
    "did you mean 'top_k'? Valid: top_k, uniform"
    """
    choices = sorted(valid)
    shown = ", ".join(choices[:SHOWN]) + (f" and {len(choices) - SHOWN} more" if len(choices) > SHOWN else "")
    folded = {choice.replace("-", "_").casefold(): choice for choice in choices}
    near = difflib.get_close_matches(name.replace("-", "_").casefold(), folded, n=1, cutoff=near_from)
    hint = f"did you mean {folded[near[0]]!r}? " if near else ""
    return f"{hint}Valid: {shown}"


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """Take a whole number in a range, of any type of whole numbers.

    Raises:
        InputError: it is something else, such as 4.0 or "4".
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= int(value) <= high:
        raise InputError(f"{name} is {value!r:.80}; expected a whole number from {low} to {high:,}")
    return int(value)


def printable(text: str) -> str:
    r"""Escape control characters and line breaks, so that text from data cannot steer a terminal.

    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
