"""How much an advice tries out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from foils.training.settings import check_fields

METRIC = "ndcg@10"
REFERENCE = "in-batch only"
UNIFORM, NAIVE, POSITIVE_AWARE = RECIPES = "uniform", "naive-top-k", "nv-retriever"
PREFERRED = UNIFORM, POSITIVE_AWARE, NAIVE
"""Which recipe is recommended where two are not shown to differ: the cheapest, then the one that checks its negatives.
Unchecked ones have the metric on their side: an unlabelled positive that is pushed away counts as irrelevant in it."""

Kind = Literal["static", "adapter"]

RANGES: Mapping[str, tuple[float, float]] = {
    "seeds": (2, 100),
    "negatives": (1, 1000),
    "anchors": (60, 10_000_000),
    "items": (100, 100_000_000),
    "smallest_effect": (1e-6, 1),
}
"""Smallest and largest value of each number."""


class AdviceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is tried out.

    Raises:
        InputError: a value is of the wrong type or outside ``RANGES``.
    """

    seeds: int = 5
    """Trainings per arm."""
    negatives: int = 4
    """Negatives per anchor, mined and trained with."""
    anchors: int = 4000
    """At most so many anchors are used, a third of them to evaluate."""
    items: int = 20_000
    """At most so many items are used, judged ones first."""
    smallest_effect: float = 0.01
    """The smallest difference of nDCG@10 that would be worth the work."""

    def __post_init__(self) -> None:
        """Check types and ranges."""
        check_fields(self, RANGES)
