"""What an advice found, as plain data."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from foils.advising.settings import AdviceSettings, Kind
from foils.evaluating import PairedDifference

Verdict = Literal["pays", "does not pay", "cannot tell"]


class Arm(msgspec.Struct, frozen=True):
    """One way to train.

    The differences are of nDCG@10, paired by seed and held-out anchor; all intervals of an advice hold together at
    95 %. The p-values in them are not corrected for their number.
    """

    name: str
    ndcg: float
    to_reference: PairedDifference | None
    """To in-batch negatives only; None in that arm itself."""
    to_uniform: PairedDifference | None
    """To uniform negatives; None for that arm and for the reference."""
    negatives_per_anchor: float
    """Found, of those asked for."""
    mining_seconds: float
    """Wall time per seed, on the sample."""
    training_seconds: float
    """The same, of training."""


class Cost(msgspec.Struct, frozen=True):
    """What following an advice takes on the whole data, about."""

    mining_seconds: float
    """As ``foils.plan`` says, encoding included."""
    training_seconds: float
    """Of one training, scaled up by the number of training pairs."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """What was tried out, and what it says."""

    verdict: Verdict
    recipe: str | None
    """What to mine with; None where mining is not recommended."""
    sentences: tuple[str, ...]
    arms: tuple[Arm, ...]
    kind: Kind
    train_anchors: int
    held_out_anchors: int
    items: int
    """In the sample; the held-out anchors are ranked against these alone."""
    cost: Cost | None
    """Of the recommended recipe."""
    settings: AdviceSettings

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        return data
