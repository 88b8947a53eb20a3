"""Try recipes out on a sample and say what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils._cache import chosen_cache
from foils.advising.arms import Mining, Trial, run_seed
from foils.advising.result import Advice, Arm, Cost
from foils.advising.sample import TRAIN, Sample, chance_level, choose, sampled_constraints
from foils.advising.settings import RECIPES, REFERENCE, UNIFORM, AdviceSettings, Kind
from foils.advising.trainers import Trainer, chosen_kind, open_trainer
from foils.advising.verdict import compare, recommend
from foils.collection import Collection, require_collection
from foils.constraints import Constraint
from foils.encoders import Encoder
from foils.errors import InputError
from foils.mining import Execution
from foils.mining.prepare import bind, vectors_by_name
from foils.planning import plan
from foils.search import VectorSource

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the trainings done, and the trainings in all."""


def advise(
    collection: Collection,
    *,
    kind: Kind | None = None,
    model: str | Encoder | Any | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    constraints: Sequence[Constraint] = (),
    split: str = "train",
    settings: AdviceSettings | None = None,
    seed: int = 0,
    execution: Execution | None = None,
    cache: str | Path | bool = True,
    progress: Progress | None = None,
) -> Advice:
    """Try uniform, naive-top-k and positive-aware negatives on a sample, and say whether mining pays.

    A third of the sample's anchors is held out; every arm trains on the rest with the same seeds and is compared with
    training on in-batch negatives only, by nDCG@10 on the held-out anchors over the sample's items.

    Args:
        collection: anchors, items and positives; with texts where there are no vectors.
        kind: what is trained: ``static``, an encoder of its own, or ``adapter``, a matrix behind frozen vectors.
            Default: an adapter where there is a model or vectors.
        model: a frozen encoder (see ``foils.mine``); only the sample is encoded.
        query_vectors: instead of a model, float[anchors, d] or an .npy file of them.
        item_vectors: float[items, d] or an .npy file.
        constraints: which items an anchor may get at all; see ``foils.mine``. Every recipe mines under them.
        split: whose anchors are used.
        settings: how much is tried out.
        seed: of the sample and of the trainings.
        execution: memory and threads.
        cache: folder where vectors of texts are kept; see ``foils.mine``.
        progress: called before each training.

    Raises:
        InputError: too few anchors, vectors that do not belong to the collection, or a kind that does not go with what
            is given.
    """
    require_collection(collection)
    settings, execution = settings or AdviceSettings(), execution or Execution()
    given = vectors_by_name(query_vectors, item_vectors, None)
    if model is not None and given:
        raise InputError("give a model, or query_vectors and item_vectors, not both")
    kind = chosen_kind(kind, frozen=model is not None or bool(given))
    bind(constraints, collection)  # what cannot be read or compared is refused before any work
    sample = choose(collection, split, settings, seed)
    limits = sampled_constraints(constraints, sample.collection)
    kept = chosen_cache(choice=cache)
    trainer = open_trainer(kind, sample, collection, model, given, kept)
    trials = [
        _arms(trainer, sample, settings, seed, number, Mining(execution, limits), progress)
        for number in range(settings.seeds)
    ]
    if progress is not None:
        progress("comparing", _trainings(settings), _trainings(settings))
    whole = _Whole(collection, split, execution, kept or False, tuple(constraints))
    return _advice(trials, sample, trainer, kind, settings, whole)


@dataclass(frozen=True, eq=False)
class _Whole:
    """The data that the sample is from, and how it would be mined."""

    collection: Collection
    split: str
    execution: Execution
    cache: Path | bool
    constraints: tuple[Constraint, ...]

    def cost(self, recipe: str, arms: Sequence[Arm], sample: Sample, trainer: Trainer, negatives: int) -> Cost:
        """Say what mining all of it by a recipe and training on it takes."""
        planned = plan(
            self.collection, recipe, negatives=negatives, split=self.split, execution=self.execution, cache=self.cache,
            constraints=self.constraints, **trainer.whole(),
        )  # fmt: skip
        pairs = [
            len(one.positives((split,)).given().items)
            for one, split in ((self.collection, self.split), (sample.collection, TRAIN))
        ]
        training = next(arm.training_seconds for arm in arms if arm.name == recipe)
        return Cost(planned.seconds, training * pairs[0] / pairs[1])


def _arms(
    trainer: Trainer, sample: Sample, settings: AdviceSettings, seed: int, number: int, mining: Mining,
    progress: Progress | None,
) -> list[Trial]:  # fmt: skip
    """Run all arms with one of the seeds, the one of this number after the advice's own."""
    trials: list[Trial] = []
    names = [REFERENCE, *RECIPES]

    def tell() -> None:
        done = number * len(names) + len(trials)
        if progress is not None and len(trials) < len(names):
            what = f"training {names[len(trials)]}, seed {number + 1} of {settings.seeds}"
            progress(what, done, _trainings(settings))

    tell()
    for trial in run_seed(trainer, sample, settings, seed + number, mining):
        trials.append(trial)
        tell()
    return trials


def _trainings(settings: AdviceSettings) -> int:
    return settings.seeds * (1 + len(RECIPES))


def _advice(
    trials: Sequence[Sequence[Trial]], sample: Sample, trainer: Trainer, kind: Kind, settings: AdviceSettings,
    whole: _Whole,
) -> Advice:  # fmt: skip
    by_arm = [list(arm) for arm in zip(*trials, strict=True)]
    values = {arm[0].name: np.stack([trial.ndcg for trial in arm]) for arm in by_arm}
    arms = tuple(_arm(arm, values) for arm in by_arm)
    verdict, recipe, sentences = recommend(arms, values, settings.smallest_effect, chance=chance_level(sample))
    doubt = trainer.doubt()
    if doubt is not None:
        verdict, recipe, sentences = "cannot tell", None, (doubt, *sentences)
    cost = None if recipe is None else whole.cost(recipe, arms, sample, trainer, settings.negatives)
    return Advice(
        verdict=verdict,
        recipe=recipe,
        sentences=(*sentences, *_limits(sample, whole.collection)),
        arms=arms,
        kind=kind,
        train_anchors=len(sample.anchors) - sample.held_out,
        held_out_anchors=sample.held_out,
        items=len(sample.items),
        cost=cost,
        settings=settings,
    )


def _limits(sample: Sample, collection: Collection) -> tuple[str, ...]:
    """Say what the sample is too small for."""
    if len(sample.items) == len(collection.items):
        return ()
    return (
        f"Ranked were {len(sample.items):,} of {len(collection.items):,} items: nDCG@10 is higher there than on all of "
        "them, and the nearest negatives are less hard.",
    )


def _arm(trials: Sequence[Trial], values: Mapping[str, npt.NDArray[np.float64]]) -> Arm:
    name = trials[0].name
    own = values[name]
    return Arm(
        name=name,
        ndcg=float(own.mean()),
        to_reference=None if name == REFERENCE else compare(own, values[REFERENCE]),
        to_uniform=None if name in (REFERENCE, UNIFORM) else compare(own, values[UNIFORM]),
        negatives_per_anchor=float(np.mean([trial.found for trial in trials])),
        mining_seconds=float(np.mean([trial.mining_seconds for trial in trials])),
        training_seconds=float(np.mean([trial.training_seconds for trial in trials])),
    )
