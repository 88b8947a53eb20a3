"""Train the arms of one seed, from the same start, and evaluate each on the same held-out anchors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from foils.advising.sample import HELD_OUT, TRAIN, Sample
from foils.advising.settings import METRIC, RECIPES, REFERENCE, AdviceSettings
from foils.encoders.encoder import Float32
from foils.evaluating import evaluate_vectors
from foils.mining import Execution, mine
from foils.training import (
    AdapterSettings,
    CollectionBags,
    MinedNegatives,
    StaticSettings,
    bag_collection,
    fit_adapter,
    fit_static,
)

Float64 = npt.NDArray[np.float64]
Sides = tuple[Float32, Float32]


class Trainer(Protocol):
    """Trains on the sample, and gives the vectors of its anchors and items."""

    def vectors(self, mined: MinedNegatives | None, seed: int) -> Sides:
        """Train with these mined negatives beside those of the batch; None = those of the batch alone."""

    def start(self, reference: Sides) -> Sides:
        """Choose the vectors to mine with, given those of the reference."""


@dataclass(frozen=True, eq=False)
class StaticTrainer:
    """A static encoder; the reference is what mines, as it would be before mining was thought of."""

    sample: Sample
    bags: CollectionBags

    @classmethod
    def of(cls, sample: Sample) -> StaticTrainer:
        """Tokenise the sample once for all arms."""
        return cls(sample, bag_collection(sample.collection, split=TRAIN))

    def vectors(self, mined: MinedNegatives | None, seed: int) -> Sides:
        """Train a static encoder and pool its vectors."""
        settings = StaticSettings(negatives="in_batch" if mined is None else "both")
        encoder = fit_static(
            self.sample.collection, split=TRAIN, mined=mined, settings=settings, seed=seed, bags=self.bags
        )
        return encoder.pool(self.bags.anchors), encoder.pool(self.bags.items)

    def start(self, reference: Sides) -> Sides:
        """The reference."""
        return reference


@dataclass(frozen=True, eq=False)
class AdapterTrainer:
    """An adapter behind frozen vectors; the frozen vectors are what mines."""

    sample: Sample
    frozen: Sides

    def vectors(self, mined: MinedNegatives | None, seed: int) -> Sides:
        """Train an adapter and map the vectors."""
        settings = msgspec.structs.replace(AdapterSettings(), negatives="in_batch" if mined is None else "both")
        fitted = fit_adapter(
            self.sample.collection, *self.frozen, split=TRAIN, mined=mined, settings=settings, seed=seed
        )
        return fitted.adapter.queries(self.frozen[0]), fitted.adapter.items(self.frozen[1])

    def start(self, reference: Sides) -> Sides:
        """The frozen vectors."""
        return self.frozen


@dataclass(frozen=True, eq=False)
class Trial:
    """What one arm gave with one seed.

    Attributes:
        name: of the arm.
        ndcg: float64[Q], by held-out anchor.
        found: negatives per anchor that has any to find.
        seconds: wall time of mining and training.
    """

    name: str
    ndcg: Float64
    found: float
    seconds: float


def run_seed(
    trainer: Trainer, sample: Sample, settings: AdviceSettings, seed: int, execution: Execution
) -> Iterator[Trial]:
    """Run the reference and every recipe with one seed."""
    started = time.perf_counter()
    reference = trainer.vectors(None, seed)
    seconds = time.perf_counter() - started
    yield Trial(REFERENCE, evaluate(sample, reference), 0.0, seconds)
    start = trainer.start(reference)
    for recipe in RECIPES:
        started = time.perf_counter()
        mined = _mined(sample, recipe, start, settings, seed, execution)
        vectors = trainer.vectors(mined, seed)
        seconds = time.perf_counter() - started
        found = float((mined.items >= 0).sum() / len(mined.items))
        yield Trial(recipe, evaluate(sample, vectors), found, seconds)


def evaluate(sample: Sample, vectors: Sides) -> Float64:
    """Give nDCG@10 of every held-out anchor: float64[Q]."""
    return evaluate_vectors(sample.collection, *vectors, split=HELD_OUT, metrics=[METRIC]).values[METRIC]


def _mined(
    sample: Sample, recipe: str, vectors: Sides, settings: AdviceSettings, seed: int, execution: Execution
) -> MinedNegatives:
    mined = mine(
        sample.collection, recipe, negatives=settings.negatives, query_vectors=vectors[0], item_vectors=vectors[1],
        split=TRAIN, seed=seed, execution=execution,
    )  # fmt: skip
    return MinedNegatives(*mined.rows(sample.collection))
