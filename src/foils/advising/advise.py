"""Try recipes out on a sample and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from foils.advising.arms import AdapterTrainer, StaticTrainer, Trainer, Trial, run_seed
from foils.advising.result import Advice, Arm
from foils.advising.sample import Sample, choose
from foils.advising.settings import RECIPES, REFERENCE, UNIFORM, AdviceSettings
from foils.advising.verdict import compare, recommend
from foils.collection import Collection
from foils.errors import InputError
from foils.mining import Execution
from foils.search import Vectors, open_matrix
from foils.search.vectors import Matrix

Progress = Callable[[int, int], None]
"""Called with (trainings done, trainings in all)."""


def advise(
    collection: Collection,
    *,
    query_vectors: Matrix | str | None = None,
    item_vectors: Matrix | str | None = None,
    split: str = "train",
    settings: AdviceSettings | None = None,
    seed: int = 0,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> Advice:
    """Try uniform, naive-top-k and positive-aware negatives on a sample, and say whether mining pays.

    A third of the sample's anchors is held out; every arm trains on the rest with the same seeds and is compared with
    training on in-batch negatives only, by nDCG@10 on the held-out anchors over the sample's items.

    Args:
        collection: anchors, items and positives; with texts where a static encoder is trained.
        query_vectors: float[anchors, d] of a frozen encoder, or an .npy file: an adapter is trained behind it.
        item_vectors: float[items, d].
        split: whose anchors are used.
        settings: how much is tried out.
        seed: of the sample and of the trainings.
        execution: memory and threads.
        progress: called after each training.

    Raises:
        InputError: too few anchors, or vectors that do not belong to the collection or to the settings.
    """
    settings = settings or AdviceSettings(kind="static" if query_vectors is None else "adapter")
    execution = execution or Execution()
    if (settings.kind == "adapter") != (query_vectors is not None) or (query_vectors is None) != (item_vectors is None):
        raise InputError(
            f"the kind {settings.kind!r} and the vectors do not go together: an adapter needs query and corpus "
            "vectors, a static encoder reads texts and takes none"
        )
    sample = choose(collection, split, settings, seed)
    trainer = _trainer(sample, collection, query_vectors, item_vectors)
    total = settings.seeds * (1 + len(RECIPES))
    trials: list[list[Trial]] = []
    for number in range(settings.seeds):
        trials.append([])
        for trial in run_seed(trainer, sample, settings, seed + number, execution):
            trials[-1].append(trial)
            if progress is not None:
                progress(sum(map(len, trials)), total)
    return _advice(trials, sample, settings)


def _trainer(
    sample: Sample, collection: Collection, queries: Matrix | str | None, corpus: Matrix | str | None
) -> Trainer:
    if queries is None or corpus is None:
        return StaticTrainer.of(sample)
    anchors = open_matrix(queries, what="query vectors", rows=len(collection.anchors), of="the queries")
    items = open_matrix(corpus, what="corpus vectors", rows=len(collection.items), of="the corpus")
    sides = Vectors(anchors[sample.anchors], "cosine", "query vectors"), Vectors(items[sample.items], "cosine")
    for side in sides:
        side.check()
    return AdapterTrainer(sample, (sides[0].read(slice(None)), sides[1].read(slice(None))))


def _advice(trials: Sequence[Sequence[Trial]], sample: Sample, settings: AdviceSettings) -> Advice:
    by_arm = [list(arm) for arm in zip(*trials, strict=True)]
    values: dict[str, npt.NDArray[np.float64]] = {
        arm[0].name: np.stack([trial.ndcg for trial in arm]) for arm in by_arm
    }
    arms = tuple(_arm(arm, values) for arm in by_arm)
    verdict, recipe, sentences = recommend(arms, values, settings.smallest_effect)
    return Advice(
        verdict=verdict,
        recipe=recipe,
        sentences=sentences,
        arms=arms,
        train_anchors=len(sample.anchors) - sample.held_out,
        held_out_anchors=sample.held_out,
        items=len(sample.items),
        settings=settings,
    )


def _arm(trials: Sequence[Trial], values: dict[str, npt.NDArray[np.float64]]) -> Arm:
    name = trials[0].name
    own = values[name]
    return Arm(
        name=name,
        ndcg=float(own.mean()),
        to_reference=None if name == REFERENCE else compare(own, values[REFERENCE]),
        to_uniform=None if name in (REFERENCE, UNIFORM) else compare(own, values[UNIFORM]),
        negatives_per_anchor=float(np.mean([trial.found for trial in trials])),
        seconds=float(np.mean([trial.seconds for trial in trials])),
    )
