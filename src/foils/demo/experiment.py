"""The experiment of one seed: warm up, mine by each recipe, train from scratch with what was mined, evaluate.

    warm-up encoder, in-batch negatives only ── its vectors ──> five recipes ──> negatives
    new encoder, same seed, in-batch and mined negatives  <───────────────────────'

The warm-up encoder is also the reference: a new one trained in the same way would be the same. What is trained
on was mined with nothing known of duplicates. With duplicates resolved, negatives are mined to be counted only.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import numpy as np

from foils.collection import Collection
from foils.demo.bench import Bench
from foils.demo.clock import Clock
from foils.demo.measures import Float32, Float64, score_gaps
from foils.demo.settings import ALONE, RECIPES, DemoSettings
from foils.demo.truth import Int64
from foils.encoders import StaticEncoder
from foils.mining import Execution, mine
from foils.training import MinedNegatives, StaticSettings, fit_static

REFERENCE, MINED_ONLY = "in-batch only", f"{ALONE}, mined only"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one seed gave.

    Attributes:
        ndcg: row of the table → float64[Q].
        hidden: recipe → int64[T, M], item rows of the negatives with nothing known of duplicates.
        resolved: recipe → int64[T, M], with duplicates resolved.
        gaps: recipe → float64[T, M], score of each negative in ``hidden`` minus that of the labelled positive.
    """

    ndcg: dict[str, Float64]
    hidden: dict[str, Int64]
    resolved: dict[str, Int64]
    gaps: dict[str, Float64]


@dataclass(frozen=True)
class _Job:
    """One training: its row of the table, and what it is pushed away from."""

    row: str
    mined: Int64
    settings: StaticSettings


class _StoppedError(Exception):
    """Training was called off, because the demo was interrupted."""


def run_seed(bench: Bench, settings: DemoSettings, seed: int, clock: Clock) -> tuple[Outcome, StaticEncoder]:
    """Run one seed; give what came out, and the warm-up encoder."""
    which = f"seed {seed + 1} of {settings.seeds}"
    with clock.work("warm-up training", which):
        warm = _changed(settings.static, "in_batch")
        encoder = fit_static(bench.training, settings=warm, seed=seed, bags=bench.bags)
        anchors, items = encoder.pool(bench.bags.anchors), encoder.pool(bench.bags.items)
        outcome = Outcome({REFERENCE: bench.evaluate(encoder)}, {}, {}, {})
    for recipe in RECIPES:
        with clock.work("mining", f"{recipe}, {which}"):
            for collection, mined in ((bench.training, outcome.hidden), (bench.resolved, outcome.resolved)):
                mined[recipe] = _mine(collection, recipe, anchors, items, settings, seed)
            outcome.gaps[recipe] = score_gaps(anchors, items, outcome.hidden[recipe], bench.truth.labelled)
    jobs = [_Job(recipe, outcome.hidden[recipe], _changed(settings.static, "both")) for recipe in RECIPES]
    jobs.append(_Job(MINED_ONLY, outcome.hidden[ALONE], _changed(settings.static, "mined")))
    with clock.work("training with mined negatives", which, steps=len(jobs)):
        outcome.ndcg.update(_train_all(bench, jobs, settings, seed, clock))
    return outcome, encoder


def _mine(
    collection: Collection, recipe: str, anchors: Float32, items: Float32, settings: DemoSettings, seed: int
) -> Int64:
    mined = mine(
        collection,
        recipe,
        negatives=settings.negatives,
        query_vectors=anchors,
        item_vectors=items,
        seed=seed,
        execution=Execution(threads=settings.workers),
    )
    return mined.rows(collection)[1]  # every anchor of the demo was mined for


def _train_all(bench: Bench, jobs: list[_Job], settings: DemoSettings, seed: int, clock: Clock) -> dict[str, Float64]:
    """Train and evaluate side by side; an interruption ends all trainings at their next step."""
    stop = threading.Event()

    def check(_done: int, _total: int, _loss: float) -> None:
        if stop.is_set():
            raise _StoppedError

    def work(job: _Job) -> Float64:
        mined = MinedNegatives(np.arange(len(job.mined)), job.mined)
        encoder = fit_static(
            bench.training, mined=mined, settings=job.settings, seed=seed, bags=bench.bags, progress=check
        )
        return bench.evaluate(encoder)

    ndcg: dict[str, Float64] = {}
    with ThreadPoolExecutor(settings.workers) as pool:
        try:
            for job, values in zip(jobs, pool.map(work, jobs), strict=True):
                ndcg[job.row] = values
                clock.advance()
        finally:
            stop.set()
    return ndcg


def _changed(settings: StaticSettings, negatives: str) -> StaticSettings:
    return msgspec.structs.replace(settings, negatives=negatives)
