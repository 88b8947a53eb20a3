"""How much an advice tries out."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

METRIC = "ndcg@10"
UNIFORM, NAIVE, POSITIVE_AWARE = RECIPES = "uniform", "naive-top-k", "nv-retriever"
"""From the cheapest to the most careful; where two are not shown to differ, the first is recommended."""
REFERENCE = "in-batch only"

Kind = Literal["static", "adapter"]


class AdviceSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much is tried out."""

    kind: Kind = "static"
    """What is trained: a static encoder, or an adapter behind the vectors that were given."""
    seeds: Annotated[int, msgspec.Meta(ge=2, le=100)] = 3
    """Trainings per arm."""
    negatives: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 4
    """Negatives per anchor."""
    anchors: Annotated[int, msgspec.Meta(ge=60)] = 4000
    """At most so many anchors are used, a third of them to evaluate."""
    items: Annotated[int, msgspec.Meta(ge=100)] = 20_000
    """At most so many items are used, judged ones first."""
    smallest_effect: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01
    """The smallest difference of nDCG@10 that would be worth the work."""
