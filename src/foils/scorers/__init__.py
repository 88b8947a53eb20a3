"""Scorers: what a model, a person or an LLM says about pairs.

A scorer is a frozen struct of fields. Opened with the data of a run, it scores any (anchor row, item row) pairs; its
column is named after it, and NaN means *not scored* (rules reject such a candidate as ``unscored`` unless they say
``unscored: keep``).

    vectors          the similarity of an encoder's vectors, any encoder's
    cross_encoder    what a model says that reads anchor and item together
    near_duplicate   how much of the item's characters the anchor or one of its positives holds too (Jaccard)
    lexical_overlap  the share of the anchor's words that the item holds

The first two tell relevance: more is better, and margins against the positive make sense. The last two tell likeness of
the texts, which is no order to draw negatives in: rules and samplers look at them only where they name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates, Column, Kind
from foils.positives import Int64
from foils.scorers.cross_encoder import CrossEncoderScorer
from foils.scorers.lexical_overlap import LexicalOverlap
from foils.scorers.near_duplicate import NearDuplicate
from foils.scorers.vectors import VectorScorer
from foils.search import Inputs
from foils.search.vectors import Float32


class OpenScorer(Protocol):
    """A scorer bound to the data of a run."""

    def score(self, anchors: Int64, items: Int64) -> Float32:
        """Score pairs: int64[P] anchor rows and item rows (−1 gives NaN) → float32[P]."""


class Scorer(Protocol):
    """The fields of a scorer."""

    relevance: ClassVar[bool]
    """Whether a higher score means a better match; else its column must be named to be used."""

    def columns(self) -> Mapping[str, Kind]:
        """Name the column it adds, with its kind."""

    def reads(self) -> tuple[str, ...]:
        """Name the encoders whose vectors it reads."""

    def check(self, inputs: Inputs) -> None:
        """Look at what it will read, before work starts."""

    def open(self, inputs: Inputs) -> OpenScorer:
        """Bind it to the data of a run."""


@runtime_checkable
class Digesting(Protocol):
    """A scorer whose scores follow from more than the collection and vectors."""

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name what else it reads, with digests; they identify the run."""


@runtime_checkable
class Judging(Protocol):
    """An open scorer that puts pairs to a model, which takes long, and keeps the answers."""

    def known(self, anchors: Int64, items: Int64) -> npt.NDArray[np.bool_]:
        """Tell which pairs need not be put to the model: bool[P]."""


def scorer_digests(scorers: Sequence[Scorer], inputs: Inputs) -> dict[str, str]:
    """Name what scorers read besides the collection and vectors, with digests."""
    found = [scorer.digests(inputs) for scorer in scorers if isinstance(scorer, Digesting)]
    return {name: digest for digests in found for name, digest in digests.items()}


def add_scores(candidates: Candidates, column: str, kind: Kind, scorer: OpenScorer) -> Candidates:
    """Score candidates and positives, and add the column."""
    units = candidates.units
    rows, places = np.nonzero(candidates.items >= 0)
    values = np.full(candidates.items.shape, np.nan, np.float32)
    values[rows, places] = scorer.score(units.anchors[rows], candidates.items[rows, places])
    positives = scorer.score(units.pair_anchors(), units.positives)
    return candidates.with_column(column, Column(values, kind, positives))


REGISTRY: Mapping[str, type[Scorer]] = {
    "vectors": VectorScorer,
    "cross_encoder": CrossEncoderScorer,
    "near_duplicate": NearDuplicate,
    "lexical_overlap": LexicalOverlap,
}

__all__ = [
    "REGISTRY",
    "CrossEncoderScorer",
    "Digesting",
    "Judging",
    "LexicalOverlap",
    "NearDuplicate",
    "OpenScorer",
    "Scorer",
    "VectorScorer",
    "add_scores",
    "scorer_digests",
]
