"""What the training of an adapter changes: its matrices, the optimiser's memory, and how the epochs went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from foils.encoders.adapted import Adapter
from foils.encoders.encoder import Float32
from foils.training.adapter_settings import AdapterSettings
from foils.training.checkpoint import Arrays

FIRST_DECAY, SECOND_DECAY, TINY = 0.9, 0.999, 1e-8
"""β₁, β₂ and ε of Adam, as in the paper."""
NAMES = ("query", "item")


class Epoch(msgspec.Struct, frozen=True):
    """How an epoch went."""

    number: int
    """0 = before training."""
    loss: float | None
    """Mean over its batches; None before training."""
    quality: float | None
    """nDCG@10 of the held-out anchors; None where nothing is held out."""


@dataclass(eq=False)
class AdapterState:
    """The state after a number of whole epochs.

    Attributes:
        deltas: W − I of queries and items, float32[d, d]; None for a side that is not adapted.
        best_deltas: those of the best epoch.
        first: Adam's mean of the gradients.
        second: Adam's mean of their squares.
        steps: taken so far.
        epochs: how they went, epoch 0 first.
        best: the number of the best epoch; the last where nothing is held out.
    """

    deltas: list[Float32 | None]
    best_deltas: list[Float32 | None]
    first: list[Float32 | None]
    second: list[Float32 | None]
    steps: int = 0
    epochs: list[Epoch] = field(default_factory=list)
    best: int = 0

    @classmethod
    def start(cls, dim: int, *, both: bool) -> AdapterState:
        """Begin at the identity."""

        def zeros() -> list[Float32 | None]:
            return [np.zeros((dim, dim), np.float32), np.zeros((dim, dim), np.float32) if both else None]

        return cls(zeros(), zeros(), zeros(), zeros())

    def descend(self, gradients: Sequence[Float32 | None], settings: AdapterSettings) -> None:
        """Move the matrices against their gradients."""
        self.steps += 1
        whole_first, whole_second = (1 - decay**self.steps for decay in (FIRST_DECAY, SECOND_DECAY))
        for delta, first, second, gradient in zip(self.deltas, self.first, self.second, gradients, strict=True):
            if delta is None or first is None or second is None or gradient is None:
                continue
            first += (1 - FIRST_DECAY) * (gradient - first)
            second += (1 - SECOND_DECAY) * (gradient * gradient - second)
            step = first / whole_first / (np.sqrt(second / whole_second) + TINY)
            delta -= settings.learning_rate * (step + settings.decay * delta)

    def finish_epoch(self, loss: float | None, quality: float | None) -> None:
        """Write down how an epoch went, and keep the matrices if it is the best so far."""
        self.epochs.append(Epoch(len(self.epochs), loss, quality))
        best = self.epochs[self.best].quality
        if quality is None or best is None or quality > best:
            self.best = len(self.epochs) - 1
            self.best_deltas = [None if delta is None else delta.copy() for delta in self.deltas]

    def is_done(self, settings: AdapterSettings) -> bool:
        """Tell whether all epochs are over, or too many went by without a better one."""
        done = len(self.epochs) - 1
        stopped = self.epochs[-1].quality is not None and done - self.best >= settings.patience
        return done >= settings.epochs or stopped

    def adapter(self) -> Adapter:
        """Give the adapter as it is now."""
        return _adapter(self.deltas)

    def best_adapter(self) -> Adapter:
        """Give the adapter of the best epoch."""
        return _adapter(self.best_deltas)

    def saved(self) -> tuple[Arrays, dict[str, Any]]:
        """Give all of it, as arrays and as JSON-ready data."""
        arrays = {
            f"{name}.{kind}": array
            for kind, both in self._kinds().items()
            for name, array in zip(NAMES, both, strict=True)
            if array is not None
        }
        return arrays, {"steps": self.steps, "best": self.best, "epochs": msgspec.to_builtins(self.epochs)}

    def restore(self, arrays: Arrays, standing: dict[str, Any]) -> None:
        """Go back to what ``saved`` gave."""
        for kind, both in self._kinds().items():
            both[:] = [arrays.get(f"{name}.{kind}") for name in NAMES]
        self.steps, self.best = standing["steps"], standing["best"]
        self.epochs = msgspec.convert(standing["epochs"], list[Epoch])

    def _kinds(self) -> dict[str, list[Float32 | None]]:
        return {"delta": self.deltas, "best": self.best_deltas, "first": self.first, "second": self.second}


def _adapter(deltas: Sequence[Float32 | None]) -> Adapter:
    query, item = (None if delta is None else np.eye(len(delta), dtype=np.float32) + delta for delta in deltas)
    if query is None:
        raise ValueError("the queries' matrix is missing")
    return Adapter(query, item)
