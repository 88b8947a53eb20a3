"""PyKEEN itself, imported when it is needed."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from foils.errors import MissingExtraError


def module(name: str) -> Any:
    """Import a module of PyKEEN.

    Raises:
        MissingExtraError: PyKEEN is not installed.
    """
    if find_spec("pykeen") is None:
        raise MissingExtraError("PyKEEN", "kg")
    return importlib.import_module(name)
