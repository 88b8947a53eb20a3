"""Candidates as a call wants them: with the positives ranked among them, and scored by a cross-encoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.compat.request import ArgumentError
from foils.mining.settle import Provider
from foils.positives import Int64, Units
from foils.scorers import add_scores
from foils.search.vectors import Float32

CROSS_ENCODER = "cross_encoder"


@dataclass(frozen=True, eq=False)
class CrossEncoderScores:
    """A cross-encoder bound to the texts; scores all pairs of a block in one call.

    Attributes:
        model: with ``predict``.
        anchors: texts of the anchors.
        items: texts of the items.
        batch_size: pairs at a time.
        pool: the model's processes, or None.
    """

    model: Any
    anchors: list[str]
    items: list[str]
    batch_size: int
    pool: Any

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs of rows: float32[P].

        Raises:
            ArgumentError: the model gives more than one number per pair.
        """
        if not len(anchors):
            return np.zeros(0, np.float32)
        pairs = [(self.anchors[row], self.items[item]) for row, item in zip(anchors, items, strict=True)]
        said = self.model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False, pool=self.pool)
        scores = np.asarray(said, np.float32)
        if scores.shape not in ((len(pairs),), (len(pairs), 1)):
            raise ArgumentError(
                f"the cross-encoder gave {scores.shape} for {len(pairs)} pairs; expected one score per pair"
            )
        return scores.reshape(-1)


@dataclass(frozen=True, eq=False)
class Judged:
    """A provider whose candidates hold the positives and the cross-encoder's scores, where they are wanted."""

    provider: Provider
    include_positives: bool
    cross_encoder: CrossEncoderScores | None

    @property
    def depth(self) -> int:
        """Depth of the first look."""
        return self.provider.depth

    @property
    def max_depth(self) -> int:
        """Depth of the last look."""
        return self.provider.max_depth

    def reach(self, rows: Int64) -> Int64:
        """Say how deep these rows can be looked into."""
        return self.provider.reach(rows)

    def candidates(self, rows: Int64, depth: int) -> Candidates:
        """Search, then merge and score."""
        found = self.provider.candidates(rows, depth)
        if self.include_positives:
            found = with_positives(found)
        if self.cross_encoder is not None:
            found = add_scores(found, CROSS_ENCODER, Kind.RATIO, self.cross_encoder)
        return found


def with_positives(found: Candidates) -> Candidates:
    """Rank the stated positives among the candidates, by (−score, item row), and keep as many as there were."""
    name = found.scored()[-1]
    column = found.columns[name]
    items, scores = _rectangle(found.units, np.asarray(column.positives))
    items = np.concatenate([found.items, items], axis=1)
    scores = np.concatenate([column.values, scores], axis=1)
    keys = np.where(items >= 0, -scores.astype(np.float64), np.inf)
    order = np.lexsort((items, keys), axis=1)[:, : found.items.shape[1]]
    items, scores = np.take_along_axis(items, order, axis=1), np.take_along_axis(scores, order, axis=1)
    ranked = Candidates.listed(found.units, items, found.sources[0], 0.0)
    return ranked.with_column(name, Column(scores, column.kind, column.positives))


def _rectangle(units: Units, scores: Float32) -> tuple[Int64, Float32]:
    """Lay out ragged positives: int64[A, P], −1 = absent; float32[A, P]."""
    lengths = np.diff(units.indptr)
    present = np.arange(lengths.max(initial=0)) < lengths[:, None]
    items = np.full(present.shape, -1, np.int64)
    values = np.full(present.shape, np.nan, np.float32)
    items[present], values[present] = units.positives, scores
    return items, values
