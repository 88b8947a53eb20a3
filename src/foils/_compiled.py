"""Which body of a kernel runs: compiled by Numba where that is installed, NumPy where it is not.

A kernel that has both lies in two modules of one package, ``<name>_numba`` and ``<name>_numpy``, with the same
functions and the same results. Numba comes with the extra ``fast``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


@cache
def is_available() -> bool:
    """Say whether Numba is installed."""
    return find_spec("numba") is not None


def kernels(name: str) -> ModuleType:
    """Import the kernels of this name, ``package.name`` without its ending: compiled if possible, else NumPy's."""
    return import_module(f"{name}_{'numba' if is_available() else 'numpy'}")
