"""Ranks and depths: numbers, or shares of the items, as in ``4%``.

A share says the same of any collection. Before a recipe runs, ``bound`` writes the numbers for the collection at hand:
the share of the items, rounded down, so that the band from 3 % to 4 % of N items holds N/100 ranks.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Any, TypeVar

import msgspec

from foils.errors import InputError, RecipeError

MOST = 1_000_000
"""The deepest that a number can say; a share of a large collection can be more."""
SHARE = r"^(100|[0-9]{1,2}(\.[0-9]{1,6})?)%$"
DEEPER = 10
"""By default a short unit is searched down to this many times ``k``."""

Share = Annotated[str, msgspec.Meta(pattern=SHARE)]
Depth = Annotated[int, msgspec.Meta(ge=1, le=MOST)] | Share
"""How many candidates."""
Rank = Annotated[int, msgspec.Meta(ge=0, le=MOST)] | Share
"""An edge of a window of ranks."""

Fields = TypeVar("Fields")


def bound(fields: Fields, n_items: int) -> Fields:
    """Write numbers for shares, in a struct of fields and in those it holds.

    Raises:
        RecipeError: the numbers do not fit together, as where a band is narrower than one rank.
    """
    if isinstance(fields, tuple):
        return type(fields)(bound(entry, n_items) for entry in fields)
    if not isinstance(fields, msgspec.Struct):
        return fields
    changed: dict[str, Any] = {}
    for field in msgspec.structs.fields(fields):
        value = getattr(fields, field.name)
        if isinstance(value, str) and field.type in _HELD:
            changed[field.name] = max(_number(value, n_items), 1 if field.type in _DEPTHS else 0)
        elif isinstance(value, msgspec.Struct | tuple):
            changed[field.name] = bound(value, n_items)
    return msgspec.structs.replace(fields, **changed)


def is_amount(kind: Any) -> bool:
    """Tell whether a field of this type takes a number or a share."""
    return kind in _HELD


def number(amount: int | str) -> int:
    """Give a number that a share was written for.

    Raises:
        InputError: it is still a share.
    """
    if isinstance(amount, str):
        raise InputError(f"{amount} is a share of the items of a collection, and none is known here; give a number")
    return amount


def check_depths(k: int | str, max_depth: int | str | None) -> None:
    """Check that two depths fit together, as far as they can be compared.

    Raises:
        RecipeError: ``max_depth`` is below ``k``.
    """
    if max_depth is not None and isinstance(k, str) == isinstance(max_depth, str) and _size(max_depth) < _size(k):
        raise RecipeError(f"max_depth {max_depth} is below k {k}; use at least k")


def depths(k: int | str, max_depth: int | str | None) -> tuple[int, int]:
    """Give the depth of the first look and of the last."""
    first = number(k)
    return first, DEEPER * first if max_depth is None else number(max_depth)


def check_window(skip_ranks: int | str, max_rank: int | str | None) -> None:
    """Check that a window holds a rank, as far as its edges can be compared.

    Raises:
        RecipeError: ``max_rank`` is not above ``skip_ranks``.
    """
    if max_rank is None or isinstance(skip_ranks, str) != isinstance(max_rank, str):
        return
    if _size(max_rank) <= _size(skip_ranks):
        raise RecipeError(f"max_rank {max_rank} must be above skip_ranks {skip_ranks}")


def _size(amount: int | str) -> Fraction:
    """Give a number, or a share in items of a hundred."""
    return Fraction(amount.removesuffix("%")) if isinstance(amount, str) else Fraction(amount)


def _number(share: str, n_items: int) -> int:
    return int(_size(share) * n_items / 100)


_DEPTHS: tuple[Any, ...] = (Depth, Depth | None)
_HELD: tuple[Any, ...] = (*_DEPTHS, Rank, Rank | None)
