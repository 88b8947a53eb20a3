"""What the training of a static encoder can be told, with the values that worked on small retrieval sets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from foils.encoders.bags import ALPHABET
from foils.errors import InputError, did_you_mean

NegativesMode = Literal["in_batch", "mined", "both"]

RANGES: Mapping[str, tuple[float, float]] = {
    "dim": (1, 8192),
    "vocabulary_size": (ALPHABET, 2**20),
    "epochs": (0, 10_000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-6, 1e3),
    "temperature": (1e-3, 1e3),
    "mined_per_anchor": (1, 1024),
}
"""Smallest and largest value of each number."""


class StaticSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a static encoder is trained.

    Raises:
        InputError: a value is of the wrong type or outside ``RANGES``.
    """

    dim: int = 512
    """Length of the vectors. Random token vectors are the less alike the longer they are."""
    vocabulary_size: int = 8192
    """Most tokens. Fewer share parts of words, as stemming does, and suit few pairs; more suit many pairs."""
    epochs: int = 5
    """How often each pair is seen. 0 leaves the random vectors weighted by rarity: a lexical encoder."""
    batch_size: int = 512
    """Pairs in a batch; at most this many, batches are of nearly equal size."""
    learning_rate: float = 0.1
    """Length of a token's first step; its vector starts with a length between 0 and 1."""
    temperature: float = 0.05
    """What cosines are divided by."""
    negatives: NegativesMode = "both"
    """What an anchor sees beside its positive: the batch's items, its own mined ones, or all of both."""
    mined_per_anchor: int = 4
    """Mined negatives drawn per pair, anew in each epoch."""

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_fields(self, RANGES)


def check_fields(settings: msgspec.Struct, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Check the fields of settings: numbers by their ranges, choices by their types.

    Raises:
        InputError: a value is of the wrong type or out of range.
    """
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if field.name in ranges:
            _check_number(field.name, value, ranges[field.name], whole=field.type is int)
        elif value not in get_args(field.type):
            choices = did_you_mean(str(value), get_args(field.type))
            raise InputError(f"{field.name} is {value!r}; {choices}")


def _check_number(name: str, value: object, limits: tuple[float, float], *, whole: bool) -> None:
    low, high = limits
    kinds = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        raise InputError(f"{name} is {value!r}; expected a {'whole ' * whole}number")
    if not low <= value <= high:
        raise InputError(f"{name} is {value}; expected a number from {low:g} to {high:g}")
