"""What an advice trains: a static encoder of its own, or an adapter behind frozen vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from foils.advising.sample import HELD_OUT, TRAIN, Sample
from foils.advising.settings import Kind
from foils.collection import Collection
from foils.encoders import as_encoder, encode_collection
from foils.encoders.encoder import Float32
from foils.errors import InputError
from foils.mining.encoded import memo_of
from foils.mining.prepare import VectorSources
from foils.mining.sanity import separation
from foils.search import MODEL, Vectors, VectorSource, open_sides, require_equal_dims
from foils.training import (
    AdapterSettings,
    CollectionBags,
    MinedNegatives,
    StaticSettings,
    bag_collection,
    fit_adapter,
    fit_static,
)

Sides = tuple[Float32, Float32]


class Trainer(Protocol):
    """Trains on the sample, and gives the vectors of its anchors and items."""

    def vectors(self, mined: MinedNegatives | None, per_anchor: int, seed: int) -> Sides:
        """Train with this many of these mined negatives beside those of the batch; None = those of the batch alone."""

    def start(self, reference: Sides) -> Sides:
        """Choose the vectors to mine with, given those of the reference."""

    def whole(self) -> Mapping[str, Any]:
        """Say what the whole data would be mined with, as arguments of ``foils.plan``."""

    def doubt(self) -> str | None:
        """Say why what it is given cannot be believed, if so."""


@dataclass(frozen=True, eq=False)
class StaticTrainer:
    """A static encoder; the reference is what mines, as it would be before mining was thought of."""

    sample: Sample
    bags: CollectionBags

    @classmethod
    def of(cls, sample: Sample) -> StaticTrainer:
        """Tokenise the sample once for all arms."""
        return cls(sample, bag_collection(sample.collection, split=TRAIN))

    def vectors(self, mined: MinedNegatives | None, per_anchor: int, seed: int) -> Sides:
        """Train a static encoder and pool its vectors."""
        settings = StaticSettings(negatives="in_batch" if mined is None else "both", mined_per_anchor=per_anchor)
        encoder = fit_static(
            self.sample.collection, split=TRAIN, mined=mined, settings=settings, seed=seed, bags=self.bags
        )
        return encoder.pool(self.bags.anchors), encoder.pool(self.bags.items)

    def start(self, reference: Sides) -> Sides:
        """The reference."""
        return reference

    def whole(self) -> Mapping[str, Any]:
        """An encoder that was not trained: it takes as long."""
        settings = StaticSettings(negatives="in_batch", epochs=0)
        return {"model": fit_static(self.sample.collection, split=TRAIN, settings=settings, bags=self.bags)}

    def doubt(self) -> str | None:
        """Nothing is given."""
        return None


@dataclass(frozen=True, eq=False)
class AdapterTrainer:
    """An adapter behind frozen vectors; the frozen vectors are what mines.

    Attributes:
        sample: what is trained on.
        frozen: vectors of its anchors and items.
        source: where they come from, as arguments of ``foils.plan``.
    """

    sample: Sample
    frozen: Sides
    source: Mapping[str, Any]

    def vectors(self, mined: MinedNegatives | None, per_anchor: int, seed: int) -> Sides:
        """Train an adapter and map the vectors."""
        settings = AdapterSettings(negatives="in_batch" if mined is None else "both", mined_per_anchor=per_anchor)
        fitted = fit_adapter(
            self.sample.collection, *self.frozen, split=TRAIN, mined=mined, settings=settings, seed=seed
        )
        return fitted.adapter.queries(self.frozen[0]), fitted.adapter.items(self.frozen[1])

    def start(self, reference: Sides) -> Sides:
        """The frozen vectors."""
        return self.frozen

    def whole(self) -> Mapping[str, Any]:
        """Where the frozen vectors come from."""
        return self.source

    def doubt(self) -> str | None:
        """Whether positives score no better than random items."""
        collection = self.sample.collection
        found = separation(collection, collection.positives((TRAIN, HELD_OUT)), *self.frozen)
        return f"The vectors cannot be right: {found.complaint()}." if found is not None and found.suspicious else None


def open_trainer(
    kind: Kind, sample: Sample, collection: Collection, model: Any, vectors: VectorSources, cache: Path | None
) -> Trainer:
    """Make what trains on a sample.

    Args:
        kind: what is trained.
        sample: what on.
        collection: what the sample is from.
        model: a frozen encoder, or None.
        vectors: of the whole collection; empty where there is a model.
        cache: folder of the vector cache; None = none.
    """
    if kind == "static":
        return StaticTrainer.of(sample)
    if vectors:
        return _behind_vectors(sample, collection, *vectors[MODEL])
    encoder = as_encoder(model, memo=memo_of(cache))
    return AdapterTrainer(sample, encode_collection(encoder, sample.collection, cache=cache), {"model": encoder})


def chosen_kind(kind: Kind | None, *, frozen: bool) -> Kind:
    """Choose what is trained.

    Args:
        kind: what was asked for; None = what goes with what is given.
        frozen: whether a model or vectors are given.

    Raises:
        InputError: it does not go with what is given.
    """
    if kind not in (None, "static", "adapter"):
        raise InputError(f"kind is {kind!r}; expected static or adapter")
    if kind == "static" and frozen:
        raise InputError(
            "a static encoder reads texts and takes no model or vectors; leave them out, or try an adapter"
        )
    if kind == "adapter" and not frozen:
        raise InputError(
            "an adapter is trained behind frozen vectors; give a model (--model), or query vectors and corpus vectors"
        )
    return "adapter" if frozen else "static"


def _behind_vectors(
    sample: Sample, collection: Collection, queries: VectorSource, corpus: VectorSource
) -> AdapterTrainer:
    anchors, items = open_sides(queries, corpus, collection)
    require_equal_dims(anchors, items)
    sides = (
        Vectors(anchors[sample.anchors], "cosine", "query vectors of the sample"),
        Vectors(items[sample.items], "cosine", "corpus vectors of the sample"),
    )
    for side in sides:
        side.check()
    frozen = sides[0].read(slice(None)), sides[1].read(slice(None))
    return AdapterTrainer(sample, frozen, {"query_vectors": queries, "item_vectors": corpus})
