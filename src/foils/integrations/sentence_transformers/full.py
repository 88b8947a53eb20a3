"""Fine-tune a whole retriever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from foils.collection import Collection
from foils.errors import DataError
from foils.integrations.sentence_transformers.feed import RetrieverCollator
from foils.integrations.sentence_transformers.outcome import Evaluated, FittedModel
from foils.integrations.sentence_transformers.prepare import prepare
from foils.integrations.sentence_transformers.settings import FullSettings
from foils.mining import Mined
from foils.training import MinedNegatives, Progress


def fit_full(
    collection: Collection,
    base: str | Path,
    *,
    out: str | Path,
    mined: Mined | MinedNegatives | None = None,
    split: str = "train",
    dev: str | None = None,
    settings: FullSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    on_evaluation: Callable[[Evaluated], None] | None = None,
) -> FittedModel:
    """Fine-tune a SentenceTransformer by InfoNCE, with known positives masked.

    A killed training goes on from its last checkpoint when it is called again, and on one machine ends in the same
    weights. The model that is saved is the best that was evaluated; the base, before training, is one of them.

    Args:
        collection: anchors and items with texts.
        base: folder of sentence-transformers, ``owner/name`` on the Hugging Face hub, or ``minilm``.
        out: new folder for the model; checkpoints lie in ``.NAME.training`` beside it until it is there.
        mined: a mined result or rows; without it the negatives are those of the batch.
        split: whose pairs are trained on.
        dev: the split that says when to stop; default: ``dev`` where there is one, else a share of the anchors of
            ``split``, which is then not trained on.
        settings: see ``FullSettings``.
        seed: of the order of the pairs, the draws, the dropout and the held-out anchors.
        progress: called now and then with steps done, steps in all and the loss.
        on_evaluation: called after each evaluation.

    Raises:
        InputError: see ``prepare``; nothing was trained.
    """
    settings = settings or FullSettings(negatives="in_batch" if mined is None else "both")
    made = prepare(
        "full", collection, base, mined, out=Path(out), split=split, dev=dev, settings=settings, seed=seed
    )  # fmt: skip
    import torch
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    from foils.encoders.sentence import SentenceEncoder
    from foils.integrations.sentence_transformers.evaluators import RetrieverQuality
    from foils.integrations.sentence_transformers.loss import MaskedInfoNCE
    from foils.integrations.sentence_transformers.trainer import Job, run

    def collator(model: Any) -> RetrieverCollator:
        encoder = SentenceEncoder(model)
        return RetrieverCollator(
            made.feed, model.preprocess, (encoder.prompt("anchors"), encoder.prompt("items")), torch.as_tensor
        )

    held_out = None if made.held_out is None else made.held_out.with_items(settings.dev_items, seed)
    job = Job(
        load=_open,
        trainer=SentenceTransformerTrainer,
        arguments=SentenceTransformerTrainingArguments,
        loss=lambda model: MaskedInfoNCE(model, settings.temperature),
        collator=collator,
        quality=None if held_out is None else RetrieverQuality(held_out),
    )
    count = 0 if held_out is None else len(held_out.anchors)
    return run(
        job, made.feed, settings, made.base, made.place, held_out=count, progress=progress, on_evaluation=on_evaluation
    )


def _open(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(str(folder), trust_remote_code=False, local_files_only=True)
    except Exception as error:  # the library raises nothing more precise
        raise DataError(f"{folder}: cannot be opened by sentence-transformers: {error}") from error
