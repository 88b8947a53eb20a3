"""PyKEEN itself, imported when it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from foils import _extras as extras


def module(name: str) -> Any:
    """Import a module of PyKEEN.

    Raises:
        MissingExtraError: PyKEEN is not installed.
    """
    extras.require("kg", ["pykeen"])
    return importlib.import_module(name)
