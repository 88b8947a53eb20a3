"""Scorers: what a model, a person or an LLM says about pairs.

A scorer is a frozen struct of fields. Opened with the data of a run, it scores any (anchor row, item row) pairs; its
column is named after it, and NaN means *not scored* (rules reject such a candidate as ``unscored`` unless they say
``unscored: keep``).

    vectors          the similarity of an encoder's vectors, any encoder's
    cross_encoder    what a model says that reads anchor and item together
    llm              what a language model behind an HTTP endpoint says of them
    near_duplicate   how much of the item's characters the anchor or one of its positives holds too (Jaccard)
    lexical_overlap  the share of the anchor's words that the item holds
    owner_query      the similarity of the anchor to other anchors that the item is a known positive of
    neighbours       the share of the item's neighbours that are known positives of the anchor, or of anchors like it
    missed_positives the similarity of the pair to known positives that the encoder misses
    graph_cleaner    how likely a hidden positive, learnt from neighbours by hiding known positives
    adapter          how likely a positive, learnt on frozen vectors from known positives
    confident        how far another scorer puts the pair above what it says of known positives

``vectors``, ``cross_encoder``, ``llm``, ``graph_cleaner``, ``adapter`` and ``confident`` tell relevance: more is
better, and margins against the positive make sense. The others tell likeness, which is no order to draw negatives in:
rules and samplers look at them only where they name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates, Column, Kind
from foils.collection import Collection
from foils.positives import Int64
from foils.scorers.adapter import AdapterScorer
from foils.scorers.band import Band, Banded
from foils.scorers.confident import Confident
from foils.scorers.cross_encoder import CrossEncoderScorer
from foils.scorers.lexical_overlap import LexicalOverlap
from foils.scorers.llm import LlmScorer
from foils.scorers.near_duplicate import NearDuplicate
from foils.scorers.neighbours import Neighbours
from foils.scorers.neighbours_learned import GraphCleaner
from foils.scorers.neighbours_missed import MissedPositives
from foils.scorers.owner_query import OwnerQuery
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


@runtime_checkable
class Remote(Protocol):
    """A scorer that asks a service, by calls that cost money and may stay unanswered."""

    @property
    def band(self) -> Band | None:
        """Which candidates it is asked about; None = all."""

    def check_service(self) -> None:
        """See that the service is named as it must be, without asking it; before anything is encoded."""

    def expected(self, collection: Collection, anchors: Int64, items: Int64) -> tuple[int, int]:
        """Estimate what asking about these pairs takes: calls and tokens."""

    def unanswered(self, candidates: Candidates, first: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Tell who was to be asked about and has no score: bool[A, K] candidates, bool[P] positives."""


@runtime_checkable
class Reporting(Protocol):
    """An open scorer that has something to say when all is done, and can be stopped before."""

    def facts(self) -> Mapping[str, Any]:
        """Give statistics for stats.json."""

    def warnings(self) -> Sequence[str]:
        """Say what a user should know."""

    def stop(self) -> None:
        """Begin nothing more; who waits for scores gets an exception."""


def scorer_digests(scorers: Sequence[Scorer], inputs: Inputs) -> dict[str, str]:
    """Name what scorers read besides the collection and vectors, with digests."""
    found = [scorer.digests(inputs) for scorer in scorers if isinstance(scorer, Digesting)]
    return {name: digest for digests in found for name, digest in digests.items()}


def add_scores(
    candidates: Candidates,
    column: str,
    kind: Kind,
    scorer: OpenScorer,
    band: Band | None = None,
    first: int | None = None,
) -> Candidates:
    """Score candidates and positives, and add the column.

    Args:
        candidates: without the column.
        column: its name.
        kind: what its numbers mean.
        scorer: asked about every positive, and about the candidates.
        band: which candidates it is asked about, the others get NaN; None = all.
        first: depth of the first look, over whose candidates a band in deviations is measured; None = all there are.
    """
    units = candidates.units
    rows, places = np.nonzero(candidates.items >= 0 if band is None else band.holds(candidates, first))
    values = np.full(candidates.items.shape, np.nan, np.float32)
    values[rows, places] = scorer.score(units.anchors[rows], candidates.items[rows, places])
    positives = scorer.score(units.pair_anchors(), units.positives)
    return candidates.with_column(column, Column(values, kind, positives))


REGISTRY: Mapping[str, type[Scorer]] = {
    "vectors": VectorScorer,
    "cross_encoder": CrossEncoderScorer,
    "llm": LlmScorer,
    "near_duplicate": NearDuplicate,
    "lexical_overlap": LexicalOverlap,
    "owner_query": OwnerQuery,
    "neighbours": Neighbours,
    "missed_positives": MissedPositives,
    "graph_cleaner": GraphCleaner,
    "adapter": AdapterScorer,
    "confident": Confident,
}

__all__ = [
    "REGISTRY",
    "AdapterScorer",
    "Band",
    "Banded",
    "Confident",
    "CrossEncoderScorer",
    "Digesting",
    "GraphCleaner",
    "Judging",
    "LexicalOverlap",
    "LlmScorer",
    "MissedPositives",
    "NearDuplicate",
    "Neighbours",
    "OpenScorer",
    "OwnerQuery",
    "Remote",
    "Reporting",
    "Scorer",
    "VectorScorer",
    "add_scores",
    "scorer_digests",
]
