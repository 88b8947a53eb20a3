"""What a training gave."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec


class Evaluated(msgspec.Struct, frozen=True):
    """An evaluation during training."""

    step: int
    """0 = before training."""
    quality: float
    """nDCG@10 of the held-out anchors."""


@dataclass(frozen=True)
class FittedModel:
    """A model that was fine-tuned and saved.

    Attributes:
        path: its folder, in the format of sentence-transformers.
        steps: steps taken.
        best: the step that the saved weights are of; 0 = the base was better than whatever came of it.
        loss: mean loss at the end; None where no step was taken.
        evaluations: how training went, step 0 first; empty where nothing was held out.
        held_out: number of anchors held out for them.
    """

    path: Path
    steps: int
    best: int
    loss: float | None
    evaluations: tuple[Evaluated, ...]
    held_out: int
