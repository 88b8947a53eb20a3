"""Optional dependencies: looked for before long work starts, without importing them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from foils.errors import MissingExtraError


def missing(packages: Iterable[str]) -> list[str]:
    """Name the packages that are not installed.

    >>> missing(["json", "no_such_package"])
    ['no_such_package']
    """
    return [package for package in packages if find_spec(package) is None]


def require(extra: str, packages: Iterable[str]) -> None:
    """Check that packages are installed.

    Args:
        extra: the extra of foils that brings them.
        packages: their import names.

    Raises:
        MissingExtraError: one is not; names the first.
    """
    for package in missing(packages):
        raise MissingExtraError(package, extra)
