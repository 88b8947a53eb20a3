"""What the training of an adapter can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from foils.training.settings import NegativesMode, check_fields

Sides = Literal["query", "both"]

ADAPTER_RANGES: Mapping[str, tuple[float, float]] = {
    "epochs": (0, 10_000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-7, 1.0),
    "decay": (0, 1e3),
    "temperature": (1e-3, 1e3),
    "mined_per_anchor": (1, 1024),
    "patience": (0, 10_000),
    "held_out": (0.001, 0.5),
}
"""Smallest and largest value of each number."""


class AdapterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an adapter is trained.

    Raises:
        InputError: a value is of the wrong type or outside ``ADAPTER_RANGES``.
    """

    sides: Sides = "query"
    """Whose vectors are adapted. Queries alone leave the corpus, and every index of it, as it is."""
    epochs: int = 50
    """How often each pair is seen at most; 0 leaves the vectors as they are."""
    batch_size: int = 128
    """Pairs in a batch; at most this many, batches are of nearly equal size."""
    learning_rate: float = 1e-4
    """Of Adam: about what one step moves an entry of the matrix by."""
    decay: float = 0.1
    """Share of the distance to the identity that is taken back per step, times the learning rate."""
    temperature: float = 0.05
    """What cosines are divided by."""
    negatives: NegativesMode = "both"
    """What an anchor sees beside its positive: the batch's items, its own mined ones, or all of both."""
    mined_per_anchor: int = 4
    """Mined negatives drawn per pair, anew in each epoch."""
    patience: int = 3
    """Epochs without a better nDCG@10 on what is held out, after which training stops; 0 = never, nothing held out."""
    held_out: float = 0.1
    """Share of the anchors that is held out where there is no split for it."""

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_fields(self, ADAPTER_RANGES)
