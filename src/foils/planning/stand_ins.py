"""What stands in for vectors and judgements that do not exist yet: right in shape and cost, without meaning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from foils import _array
from foils.positives import Int64
from foils.search.vectors import Float32, Matrix

KEY = _array.Key(0, "plan", 0)


def stand_in(rows: int, dim: int) -> Matrix:
    """Give vectors of no meaning that take the memory of one row each: overlapping windows of noise.

    Returns:
        float32[rows, dim], read-only.
    """
    noise = np.random.default_rng(0).standard_normal(rows + dim - 1).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(noise, dim)[:rows]


@dataclass(frozen=True, eq=False)
class Listener:
    """Answers in a judge's place, and keeps the pairs that it was asked about."""

    asked: list[tuple[Int64, Int64]] = field(default_factory=list)

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Give noise between 0 and 1: float32[P]; NaN for −1."""
        self.asked.append((anchors, items))
        noise = _array.counter_uniform(KEY, anchors, items).astype(np.float32)
        return np.where(items >= 0, noise, np.float32(np.nan))

    def pairs(self) -> tuple[Int64, Int64]:
        """Give the pairs that have an item: int64[P] anchors and int64[P] items."""
        anchors, items = (np.concatenate([pair[side] for pair in self.asked]) for side in (0, 1))
        return anchors[items >= 0], items[items >= 0]
