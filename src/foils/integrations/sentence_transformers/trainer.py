"""Run a trainer of sentence-transformers so that it can be killed at any moment, and keep the best that it saw."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset  # type: ignore[import-untyped]
from datasets.utils.logging import (  # type: ignore[import-untyped]
    disable_progress_bar,
    enable_progress_bar,
    is_progress_bar_enabled,
)
from sentence_transformers.base.evaluation import BaseEvaluator
from torch import nn
from transformers import PrinterCallback, TrainerState, set_seed
from transformers.utils import logging as transformers_logging

from foils import _durable as durable
from foils.encoders.files import check_new
from foils.encoders.sentence import quiet_loading
from foils.integrations.sentence_transformers.callbacks import (
    QUALITY,
    Checkpoints,
    EpochRotation,
    Reporting,
    StopWhenNoBetter,
    evaluated,
    is_exhausted,
)
from foils.integrations.sentence_transformers.feed import PAIR, Feed
from foils.integrations.sentence_transformers.outcome import Evaluated, FittedModel
from foils.integrations.sentence_transformers.place import TrainingFolder
from foils.integrations.sentence_transformers.settings import FullSettings, RerankerSettings

LOGS = 200
"""How often, over a whole training, the loss is written down."""
KEPT = 2
"""Checkpoints on disk, beside the best: one may be half written when the run is killed."""
LAST_LOGS = 10
"""Whose mean is the loss at the end."""

Progress = Callable[[int, int, float], None]


@dataclass(frozen=True, eq=False)
class Job:
    """What the two kinds of training differ in.

    Attributes:
        load: opens a model from its folder.
        trainer: class of the trainer.
        arguments: class of its arguments.
        loss: makes the loss of a model.
        collator: makes the collator of a model.
        quality: measures a model on what is held out; None where nothing is.
    """

    load: Callable[[Path], Any]
    trainer: Any
    arguments: Any
    loss: Callable[[Any], nn.Module]
    collator: Callable[[Any], Any]
    quality: Callable[[Any], float] | None


class _Evaluator(BaseEvaluator):
    """Gives the quality under the name that the callbacks read."""

    def __init__(self, job: Job) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job = job

    def __call__(
        self, model: Any, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        return {QUALITY.removeprefix("eval_"): job_quality(self.job, model)}


def run(
    job: Job,
    feed: Feed,
    settings: FullSettings | RerankerSettings,
    base: Path,
    place: TrainingFolder,
    *,
    held_out: int,
    progress: Progress | None,
    on_evaluation: Callable[[Evaluated], None] | None,
) -> FittedModel:
    """Train, or go on from the last whole checkpoint, and save the best model in a new folder.

    Args:
        job: the kind of training.
        feed: its batches.
        settings: see ``FullSettings``.
        base: folder of the model to begin with.
        place: where checkpoints and the model go.
        held_out: number of held-out anchors.
        progress: called now and then with steps done, steps in all and the loss.
        on_evaluation: called after each evaluation.

    Raises:
        FolderError: the folder cannot be written.
    """
    with quiet(), durable.explained(place.work):
        model = _opened(job, base, feed.seed)
        before = None if job.quality is None else Evaluated(0, place.once("before", lambda: job_quality(job, model)))
        if before is not None and on_evaluation is not None:
            on_evaluation(before)
        state = _trained(job, model, feed, settings, place, before, progress, on_evaluation)
        evaluations = () if before is None else (before, *evaluated(state.log_history))
        best = max(evaluations, key=lambda one: one.quality).step if evaluations else state.global_step
        check_new(place.out)
        with durable.new_folder(place.out) as partial:
            _opened(job, place.checkpoint(best) if best else base, feed.seed).save_pretrained(str(partial))
        shutil.rmtree(place.work)
    losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
    loss = float(np.mean(losses[-LAST_LOGS:])) if losses else None
    return FittedModel(place.out, state.global_step, best, loss, evaluations, held_out)


def _opened(job: Job, folder: Path, seed: int) -> Any:
    """Open a model; where a reranker's head is new, it is drawn by the seed."""
    set_seed(seed)
    return job.load(folder)


def job_quality(job: Job, model: Any) -> float:
    """Measure a model that is not in training."""
    if job.quality is None:
        raise ValueError("nothing is held out")
    model.eval()
    return job.quality(model)


def _trained(
    job: Job,
    model: Any,
    feed: Feed,
    settings: FullSettings | RerankerSettings,
    place: TrainingFolder,
    before: Evaluated | None,
    progress: Progress | None,
    on_evaluation: Callable[[Evaluated], None] | None,
) -> TrainerState:
    """Train up to the end, and give the state that the trainer ended in."""
    last = place.last_checkpoint()
    if last is not None:
        state: TrainerState = TrainerState.load_from_json(str(last / "trainer_state.json"))
        qualities = [] if before is None else [before.quality, *(one.quality for one in evaluated(state.log_history))]
        if state.global_step >= settings.steps or (qualities and is_exhausted(qualities, settings.patience)):
            return state
    model.model_card_data.generate_widget_examples = False  # else it encodes texts for the card, with a bar of its own
    callbacks = [EpochRotation(feed), Checkpoints(), Reporting(progress, on_evaluation)]
    if before is not None:
        callbacks.append(StopWhenNoBetter(settings.patience, before.quality))
    trainer = job.trainer(
        model=model,
        args=_arguments(job, feed, settings, place),
        train_dataset=Dataset.from_dict({PAIR: np.arange(len(feed.pool.examples))}),
        loss=job.loss(model),
        data_collator=job.collator(model),
        evaluator=None if job.quality is None else _Evaluator(job),
        callbacks=callbacks,
    )
    trainer.get_batch_sampler = lambda *given, **named: feed  # not in the arguments, which are pickled
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=None if last is None else str(last))
    ended: TrainerState = trainer.state
    return ended


def _arguments(job: Job, feed: Feed, settings: FullSettings | RerankerSettings, place: TrainingFolder) -> Any:
    """Set up the trainer's arguments."""
    on_gpu = torch.cuda.is_available()
    by_itself = on_gpu and torch.cuda.is_bf16_supported()
    in_bfloat16 = by_itself if settings.precision == "auto" else settings.precision == "bfloat16"
    every = -(-settings.steps // settings.evaluations)
    stopping = job.quality is not None
    return job.arguments(
        output_dir=str(place.work),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=int(settings.warmup * settings.steps),
        lr_scheduler_type="linear",
        seed=feed.seed,
        bf16=in_bfloat16,
        use_cpu=in_bfloat16 and not on_gpu,  # else the trainer refuses bfloat16 without a GPU
        dataloader_pin_memory=on_gpu,
        eval_strategy="steps" if stopping else "no",
        eval_steps=every if stopping else None,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=KEPT,
        metric_for_best_model=QUALITY if stopping else None,
        greater_is_better=True if stopping else None,
        logging_steps=max(1, settings.steps // LOGS),
        report_to="none",
        disable_tqdm=True,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep libraries from drawing their progress over ours, and from remarks that are meant for other callers."""
    shown, told = is_progress_bar_enabled(), transformers_logging.get_verbosity()
    disable_progress_bar()
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        with quiet_loading():
            yield
    finally:
        transformers_logging.set_verbosity(told)
        if shown:
            enable_progress_bar()
