"""What an advice found, as plain data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foils.advising.settings import AdviceSettings
from foils.evaluating import PairedDifference

Verdict = Literal["pays", "does not pay", "cannot tell"]


class Arm(msgspec.Struct, frozen=True):
    """One way to train.

    The differences are of nDCG@10, paired by seed and held-out anchor; their intervals hold together at 95 %.
    """

    name: str
    ndcg: float
    to_reference: PairedDifference | None
    """To in-batch negatives only; None in that arm itself."""
    to_uniform: PairedDifference | None
    """To uniform negatives; None for that arm and for the reference."""
    negatives_per_anchor: float
    """Found, of those asked for."""
    seconds: float
    """Wall time of mining and training, per seed."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried out, and what it says."""

    verdict: Verdict
    recipe: str | None
    """What to mine with; None where mining is not recommended."""
    sentences: tuple[str, ...]
    arms: tuple[Arm, ...]
    train_anchors: int
    held_out_anchors: int
    items: int
    settings: AdviceSettings

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data
