"""Scorers: what a model, a person or an LLM says about pairs.

A scorer is a frozen struct of fields. Opened with the data of a run, it scores any (anchor row, item row) pairs; its
column is named after it, and NaN means *not scored* (rules reject such a candidate as ``unscored`` unless they say
``unscored: keep``).

``vectors``   the similarity of an encoder's vectors, any encoder's
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from foils.candidates import Candidates, Column, Kind
from foils.positives import Int64
from foils.scorers.vectors import VectorScorer
from foils.search import Inputs
from foils.search.vectors import Float32


class OpenScorer(Protocol):
    """A scorer bound to the data of a run."""

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: int64[P] anchor rows and item rows (−1 gives NaN) → float32[P]."""


class Scorer(Protocol):
    """The fields of a scorer."""

    def columns(self) -> Mapping[str, Kind]:
        """Name the column it adds, with its kind."""

    def reads(self) -> tuple[str, ...]:
        """Name the encoders whose vectors it reads."""

    def check(self, inputs: Inputs) -> None:
        """Look at what it will read, before work starts."""

    def open(self, inputs: Inputs) -> OpenScorer:
        """Bind it to the data of a run."""


def add_scores(candidates: Candidates, column: str, kind: Kind, scorer: OpenScorer) -> Candidates:
    """Score candidates and positives, and add the column."""
    units = candidates.units
    rows, places = np.nonzero(candidates.items >= 0)
    values = np.full(candidates.items.shape, np.nan, np.float32)
    values[rows, places] = scorer.score(units.anchors[rows], candidates.items[rows, places])
    positives = scorer.score(units.pair_anchors(), units.positives)
    return candidates.with_column(column, Column(values, kind, positives))


REGISTRY: Mapping[str, type[Scorer]] = {"vectors": VectorScorer}

__all__ = ["REGISTRY", "OpenScorer", "Scorer", "VectorScorer", "add_scores"]
