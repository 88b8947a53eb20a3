"""Sources: where candidates come from.

A source is a frozen struct of fields (so that a recipe can hold it). Opened with the data of a run, it answers
``retrieve(units, depth)``: candidates per unit, best first, what is forbidden excluded before the cut.

    dense       the nearest items by an encoder's vectors, searched exactly
    hnsw        the same, searched in a graph of neighbours: approximate, its recall measured
    ivf         the same, searched in lists of neighbours: approximate, its recall measured
    bm25        the items that share the rarest words
    run         what somebody else's ranking or file of negatives lists
    provided    the pairs judged non-relevant: trusted, exempt from rules
    uniform     items drawn uniformly, without replacement:        P(j) = 1 / (n − deg)
    popularity  items drawn by popularity, without replacement:    P(j) ∝ f_j^α, f_j = anchors that j is a positive of
    bernoulli   corrupted triples: entities drawn uniformly; a stream corrupts the head with P = tph_r / (tph_r + hpt_r)
    pseudo_typed corrupted triples: entities drawn from heads(r) or tails(r)
    in_batch    the positives of the other examples of a batch:    P(j) = P(an example of j shares the unit's batch)
    mixture     several of these, by quotas or by reciprocal ranks: RRF(j) = Σ_s 1 / (c + rank_s(j))

The depth of a search can double for units that come out short, up to ``max_depth``; random sources draw once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from foils.candidates import Candidates, Kind
from foils.positives import Units
from foils.search import Inputs
from foils.sources.bernoulli import Bernoulli
from foils.sources.bm25 import BM25
from foils.sources.dense import Dense
from foils.sources.hnsw import HNSW
from foils.sources.in_batch import InBatch
from foils.sources.ivf import IVF
from foils.sources.mixture import Mixture
from foils.sources.popularity import Popularity
from foils.sources.provided import Provided
from foils.sources.pseudo_typed import PseudoTyped
from foils.sources.run import Run
from foils.sources.uniform import Uniform


class OpenSource(Protocol):
    """A source bound to the data of a run."""

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Give up to ``depth`` candidates per unit."""


class Source(Protocol):
    """The fields of a source.

    ``random`` says that its ranks are the order of a random draw, and mean nothing else.
    """

    @property
    def random(self) -> bool:
        """Whether ranks are the order of a random draw."""

    def columns(self) -> Mapping[str, Kind]:
        """Name the score columns it returns, with their kinds."""

    def reads(self) -> tuple[str, ...]:
        """Name the encoders whose vectors it reads."""

    def depths(self, negatives: int) -> tuple[int, int]:
        """Say how many candidates per unit are asked for at first, and at most; a random source draws once."""

    def check(self, inputs: Inputs) -> None:
        """Look at what it will read, before work starts."""

    def open(self, inputs: Inputs) -> OpenSource:
        """Bind it to the data of a run."""


@runtime_checkable
class Digesting(Protocol):
    """A source whose candidates follow from more than the collection and vectors."""

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name what else it reads, with digests or versions; they identify the run."""


@runtime_checkable
class Telling(Protocol):
    """An open source that has something to say of itself."""

    def facts(self) -> Mapping[str, Any]:
        """Give what was found or measured, as JSON-ready data by the source's name; ``warnings`` is a list of texts."""


def source_digests(source: Source, inputs: Inputs) -> Mapping[str, str]:
    """Name what a source reads besides the collection and vectors, with digests."""
    return source.digests(inputs) if isinstance(source, Digesting) else {}


def source_facts(source: OpenSource) -> Mapping[str, Any]:
    """Give what an open source has to say of itself, for stats.json."""
    return source.facts() if isinstance(source, Telling) else {}


REGISTRY: Mapping[str, type[Source]] = {
    "dense": Dense,
    "hnsw": HNSW,
    "ivf": IVF,
    "bm25": BM25,
    "run": Run,
    "provided": Provided,
    "uniform": Uniform,
    "popularity": Popularity,
    "bernoulli": Bernoulli,
    "pseudo_typed": PseudoTyped,
    "in_batch": InBatch,
    "mixture": Mixture,
}

__all__ = [
    "BM25",
    "HNSW",
    "IVF",
    "REGISTRY",
    "Bernoulli",
    "Dense",
    "Digesting",
    "InBatch",
    "Mixture",
    "OpenSource",
    "Popularity",
    "Provided",
    "PseudoTyped",
    "Run",
    "Source",
    "Telling",
    "Uniform",
    "source_digests",
    "source_facts",
]
