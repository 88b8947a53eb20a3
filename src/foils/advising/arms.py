"""Train the arms of one seed, from the same start, and evaluate each on the same held-out anchors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.advising.sample import HELD_OUT, TRAIN, Sample
from foils.advising.settings import METRIC, RECIPES, REFERENCE, AdviceSettings
from foils.advising.trainers import Sides, Trainer
from foils.constraints import Constraint
from foils.evaluating import evaluate_vectors
from foils.mining import Execution, mine
from foils.training import MinedNegatives

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mining:
    """How every arm mines.

    Attributes:
        execution: memory and threads.
        constraints: which items an anchor may get; of the sample.
    """

    execution: Execution
    constraints: Sequence[Constraint] = ()


@dataclass(frozen=True, eq=False)
class Trial:
    """What one arm gave with one seed.

    Attributes:
        name: of the arm.
        ndcg: float64[Q], by held-out anchor.
        found: negatives per anchor that has any to find.
        mining_seconds: wall time.
        training_seconds: wall time, with encoding by what was trained.
    """

    name: str
    ndcg: Float64
    found: float
    mining_seconds: float
    training_seconds: float


def run_seed(trainer: Trainer, sample: Sample, settings: AdviceSettings, seed: int, mining: Mining) -> Iterator[Trial]:
    """Run the reference and every recipe with one seed."""
    started = time.perf_counter()
    reference = trainer.vectors(None, settings.negatives, seed)
    yield Trial(REFERENCE, _evaluated(sample, reference), 0.0, 0.0, time.perf_counter() - started)
    start = trainer.start(reference)
    for recipe in RECIPES:
        started = time.perf_counter()
        mined = _mined(sample, recipe, start, settings, seed, mining)
        between = time.perf_counter()
        vectors = trainer.vectors(mined, settings.negatives, seed)
        seconds = between - started, time.perf_counter() - between
        found = float((mined.items >= 0).sum() / len(mined.items))
        yield Trial(recipe, _evaluated(sample, vectors), found, *seconds)


def _evaluated(sample: Sample, vectors: Sides) -> Float64:
    """Give nDCG@10 of every held-out anchor: float64[Q]."""
    return evaluate_vectors(sample.collection, *vectors, split=HELD_OUT, metrics=[METRIC]).values[METRIC]


def _mined(
    sample: Sample, recipe: str, vectors: Sides, settings: AdviceSettings, seed: int, mining: Mining
) -> MinedNegatives:
    mined = mine(
        sample.collection, recipe, negatives=settings.negatives, query_vectors=vectors[0], item_vectors=vectors[1],
        split=TRAIN, seed=seed, execution=mining.execution, constraints=mining.constraints,
    )  # fmt: skip
    return MinedNegatives(*mined.rows(sample.collection))
