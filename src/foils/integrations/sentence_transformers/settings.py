"""What the training of a whole model can be told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from foils.training.settings import NegativesMode, check_fields

TrainingPrecision = Literal["auto", "float32", "bfloat16"]
"""``auto`` is bfloat16 on GPUs that have it, else float32; weights and their updates are float32 in any case."""

FULL_RANGES: Mapping[str, tuple[float, float]] = {
    "steps": (1, 10_000_000),
    "batch_size": (1, 65_536),
    "learning_rate": (1e-8, 1.0),
    "warmup": (0, 1),
    "temperature": (1e-3, 1e3),
    "mined_per_anchor": (1, 1024),
    "evaluations": (1, 10_000),
    "patience": (0, 10_000),
    "held_out": (0.001, 0.5),
    "dev_items": (10, 10_000_000),
    "dev_candidates": (2, 1000),
}
"""Smallest and largest value of each number."""


class FullSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a retriever is fine-tuned.

    Raises:
        InputError: a value is of the wrong type or outside ``FULL_RANGES``.
    """

    steps: int = 200
    """Batches that are trained on at most."""
    batch_size: int = 16
    """Pairs in a batch; at most this many, the batches of an epoch are of nearly equal size."""
    learning_rate: float = 2e-5
    """Highest rate of AdamW; it rises during the warm-up and falls linearly to 0."""
    warmup: float = 0.1
    """Share of the steps in which the rate rises."""
    temperature: float = 0.05
    """What cosines are divided by; 0.05 is a ``scale`` of 20."""
    negatives: NegativesMode = "both"
    """What an anchor sees beside its positive: the batch's items, its own mined ones, or all of both."""
    mined_per_anchor: int = 4
    """Mined negatives drawn per pair, anew in each epoch. Each is encoded: 4 make a step some three times as long."""
    evaluations: int = 10
    """How often the held-out anchors are ranked, and a checkpoint is written."""
    patience: int = 3
    """Evaluations without a better nDCG@10, after which training stops; 0 = never, and nothing is held out."""
    held_out: float = 0.1
    """Share of the anchors that is held out where there is no split for it."""
    dev_items: int = 1000
    """Items that held-out anchors are ranked against: those judged, and a random sample up to this many."""
    precision: TrainingPrecision = "auto"
    """Of products. On a processor that multiplies bfloat16, it takes about half the time of float32."""

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_fields(self, FULL_RANGES)


class RerankerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a reranker is fine-tuned; the fields mean what they mean in ``FullSettings``.

    Raises:
        InputError: a value is of the wrong type or outside ``FULL_RANGES``.
    """

    steps: int = 200
    batch_size: int = 8
    """Positive pairs in a batch; their negatives come on top."""
    learning_rate: float = 2e-5
    warmup: float = 0.1
    mined_per_anchor: int = 4
    """Mined negatives drawn per positive, anew in each epoch."""
    evaluations: int = 10
    patience: int = 3
    held_out: float = 0.1
    dev_candidates: int = 20
    """Items ranked for a held-out anchor: its positives, its mined negatives, and random ones up to so many."""
    precision: TrainingPrecision = "auto"

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_fields(self, FULL_RANGES)

    @property
    def negatives(self) -> NegativesMode:
        """A reranker sees pairs, so there are no in-batch negatives."""
        return "mined"
