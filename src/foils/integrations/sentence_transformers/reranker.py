"""Fine-tune a reranker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from foils.collection import Collection
from foils.errors import DataError
from foils.integrations.sentence_transformers.feed import RerankerCollator
from foils.integrations.sentence_transformers.outcome import Evaluated, FittedModel
from foils.integrations.sentence_transformers.prepare import prepare
from foils.integrations.sentence_transformers.settings import RerankerSettings
from foils.mining import Mined
from foils.training import MinedNegatives, Progress


def fit_reranker(
    collection: Collection,
    base: str | Path,
    *,
    out: str | Path,
    mined: Mined | MinedNegatives,
    split: str = "train",
    dev: str | None = None,
    settings: RerankerSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    on_evaluation: Callable[[Evaluated], None] | None = None,
) -> FittedModel:
    """Fine-tune a CrossEncoder by binary cross-entropy on positives and their mined negatives.

    The base may be a reranker or a plain transformer, which gets a new head. Arguments and promises are those of
    ``fit_full``; held-out anchors rank their positives among their mined negatives and random items.

    Raises:
        InputError: see ``prepare``; nothing was trained.
    """
    settings = settings or RerankerSettings()
    made = prepare(
        "reranker", collection, base, mined, out=Path(out), split=split, dev=dev, settings=settings, seed=seed
    )  # fmt: skip
    import torch
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

    from foils.integrations.sentence_transformers.evaluators import RerankerQuality
    from foils.integrations.sentence_transformers.trainer import Job, run

    quality = None
    if made.held_out is not None:
        quality = RerankerQuality.of(made.held_out, made.feed.pool, settings.dev_candidates, seed)
    job = Job(
        load=_open,
        trainer=CrossEncoderTrainer,
        arguments=CrossEncoderTrainingArguments,
        loss=BinaryCrossEntropyLoss,
        collator=lambda model: RerankerCollator(made.feed, torch.as_tensor),
        quality=quality,
    )
    count = 0 if made.held_out is None else len(made.held_out.anchors)
    return run(
        job, made.feed, settings, made.base, made.place, held_out=count, progress=progress, on_evaluation=on_evaluation
    )


def _open(folder: Path) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        return CrossEncoder(str(folder), num_labels=1, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # the library raises nothing more precise
        raise DataError(f"{folder}: cannot be opened as a CrossEncoder: {error}") from error
