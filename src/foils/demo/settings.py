"""What a demo does, and how much of it: chosen so that two cores are done in a minute and a half."""

from __future__ import annotations

import msgspec

from foils.errors import InputError
from foils.training import StaticSettings

METRIC = "ndcg@10"
PLAIN = "naive-top-k"
"""The recipe that checks nothing: the others are compared with it, and it gives the examples."""
RECIPES = ("uniform", PLAIN, "top-k-shifted", "nv-retriever", "simans")
ALONE = "nv-retriever"
"""The recipe that is also trained on without in-batch negatives."""
ROUNDS = 2000
"""Of every bootstrap."""


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done.

    Raises:
        InputError: a number is below 1.
    """

    seeds: int = 3
    """Trainings of each kind, and minings."""
    max_anchors: int = 4000
    """Of the ten thousand or so that an installation documents; chosen by hash."""
    negatives: int = 8
    """Mined per anchor."""
    static: StaticSettings = StaticSettings(epochs=5, mined_per_anchor=2)
    """Of every training: half the epochs and half the mined negatives of the default, which changes little here."""
    workers: int = 2
    """Threads for mining and for training side by side. The result does not depend on it."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("seeds", "max_anchors", "negatives", "workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1")

    @property
    def steps(self) -> int:
        """Count the steps: reading, tokenising, BM25, estimating and the report, beside those of each seed."""
        return 5 + self.seeds * (1 + len(RECIPES) + len(RECIPES) + 1)
