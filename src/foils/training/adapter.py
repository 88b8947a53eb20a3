"""Training of an adapter: InfoNCE on frozen vectors, by NumPy alone.

    u = x + x D,   x' = u / |u|,   W = I + D,   D = 0 at the start

so training begins at the encoder as it is, and every step of it has to be earned. D moves by Adam (Kingma & Ba,
2015) with decoupled decay (Loshchilov & Hutter, 2019), which here pulls towards the identity:

    m = β₁ m + (1 − β₁) g,   v = β₂ v + (1 − β₂) g²,   D −= rate · (m̂ / (√v̂ + ε) + decay · D)

After each epoch the held-out anchors are ranked against the whole corpus. The best epoch is kept, and epoch 0, the
encoder as it is, is one of them. The order of the pairs and the drawn negatives are functions of seed and epoch,
so a run that goes on from the checkpoint of an epoch ends in the same matrices as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foils._threads import one_thread
from foils.collection import Collection
from foils.encoders.adapted import Adapter
from foils.errors import InputError
from foils.evaluating import evaluate_vectors
from foils.search import Vectors, VectorSource, open_sides, require_equal_dims
from foils.training.adapter_identity import adapter_identity, weights_identity
from foils.training.adapter_settings import AdapterSettings
from foils.training.adapter_state import AdapterState, Epoch
from foils.training.adapter_step import adapter_step
from foils.training.batches import batches, steps_per_epoch
from foils.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from foils.training.fit import Progress
from foils.training.held_out import CHOSEN, METRIC, HeldOut, hold_out, not_held_out
from foils.training.pool import MinedNegatives, MinedResult, Pool, as_rows, check_negatives, usable_examples
from foils.weights import Weight

__all__ = ["Epoch", "FittedAdapter", "fit_adapter"]


@dataclass(frozen=True, eq=False)
class FittedAdapter:
    """What training gave.

    Attributes:
        adapter: of the best epoch, or of the last where nothing was held out.
        epochs: what each epoch gave, epoch 0 = before training.
        best: the epoch that the adapter is of.
        held_out: number of anchors that the epochs were compared on; 0 where training was not stopped by any.
    """

    adapter: Adapter
    epochs: tuple[Epoch, ...]
    best: int
    held_out: int


def fit_adapter(
    collection: Collection,
    query_vectors: VectorSource,
    item_vectors: VectorSource,
    *,
    split: str = "train",
    dev: str | None = None,
    mined: MinedResult | MinedNegatives | None = None,
    weights: Weight | None = None,
    settings: AdapterSettings | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> FittedAdapter:
    """Train an adapter on the positives of a split.

    Equal input and seed give equal matrices on one machine, whether a run was interrupted or not. Known positives
    of an anchor, exact duplicates included, never count as its negatives; pairs with an empty text are left out.

    Args:
        collection: anchors, items and judgements; texts are not needed.
        query_vectors: float[anchors, d] of the frozen encoder, or an .npy file of them.
        item_vectors: float[items, d], or an .npy file.
        split: whose pairs are trained on.
        dev: the split that says when to stop; default: ``dev`` where there is one, else a share of the anchors of
            ``split``, which is then not trained on.
        mined: a mined result, or rows; without them the negatives are those of the batch.
        weights: how much the negatives of a result count, by suspicion of being positive; default: all fully.
        settings: see ``AdapterSettings``.
        seed: of the order of the pairs, the draws and the held-out anchors.
        checkpoint: file to write after each epoch, and to go on from where it is there.
        progress: called after each step.
        on_epoch: called after each epoch, with those that a checkpoint brought first.

    Raises:
        InputError: nothing to train on, vectors that do not belong to the collection, settings and negatives that
            do not fit, or a checkpoint of another run.
    """
    settings = settings or AdapterSettings(negatives="in_batch" if mined is None else "both")
    rows = as_rows(mined, collection, split, weights)
    check_negatives(settings, rows)
    if seed < 0:
        raise InputError(f"seed is {seed}; expected a whole number from 0")
    sides = _opened(collection, query_vectors, item_vectors)
    held_out = None
    if settings.patience:
        held_out = hold_out(collection, split=split, dev=dev, share=settings.held_out, seed=seed)
    pool = _pool(collection, sides, split, held_out, rows)
    identity = adapter_identity(pool, sides, held_out, settings, seed) | weights_identity(weights)
    state = AdapterState.start(sides[0].dim, both=settings.sides == "both")
    found = None if checkpoint is None else read_checkpoint(checkpoint, identity)
    if found is not None:
        state.restore(found.arrays, found.standing)
    with one_thread():
        if not state.epochs:
            state.finish_epoch(None, _quality(state.adapter(), sides, held_out))
        if on_epoch is not None:
            for epoch in state.epochs:
                on_epoch(epoch)
        while not state.is_done(settings):
            loss = _epoch(state, pool, sides, settings, seed, progress)
            state.finish_epoch(loss, _quality(state.adapter(), sides, held_out))
            if on_epoch is not None:
                on_epoch(state.epochs[-1])
            if checkpoint is not None:
                write_checkpoint(checkpoint, identity, Checkpoint(*state.saved()))
    return FittedAdapter(
        state.best_adapter(), tuple(state.epochs), state.best, 0 if held_out is None else len(held_out.anchors)
    )


def _epoch(
    state: AdapterState,
    pool: Pool,
    sides: tuple[Vectors, Vectors],
    settings: AdapterSettings,
    seed: int,
    progress: Progress | None,
) -> float:
    """Train for one epoch and give its mean loss."""
    epoch, per_epoch = len(state.epochs) - 1, steps_per_epoch(pool, settings)
    losses = []
    for number, batch in enumerate(batches(pool, settings, seed, epoch), start=1):
        losses.append(adapter_step(state, sides, batch, settings))
        if progress is not None:
            progress(epoch * per_epoch + number, settings.epochs * per_epoch, losses[-1])
    return float(np.mean(losses))


def _quality(adapter: Adapter, sides: tuple[Vectors, Vectors], held_out: HeldOut | None) -> float | None:
    """Rank the whole corpus for the held-out anchors."""
    if held_out is None:
        return None
    queries = adapter.queries(np.asarray(sides[0].matrix[held_out.anchors]))
    items = sides[1].matrix if adapter.item is None else adapter.items(sides[1].matrix)
    evaluation = evaluate_vectors(held_out.collection, queries, items, split=CHOSEN, metrics=[METRIC])
    return evaluation.means()[METRIC]


def _pool(
    collection: Collection,
    sides: tuple[Vectors, Vectors],
    split: str,
    held_out: HeldOut | None,
    mined: MinedNegatives | None,
) -> Pool:
    positives = collection.positives((split,))
    filled = ~collection.items.empty
    free = not_held_out(held_out, len(collection.anchors)) & ~collection.anchors.empty
    pool = Pool.of(usable_examples(positives, free, filled, split), positives, mined, filled)
    sides[0].check(may_be_zero=~free)
    sides[1].check(may_be_zero=~filled)
    return pool


def _opened(collection: Collection, query_vectors: VectorSource, item_vectors: VectorSource) -> tuple[Vectors, Vectors]:
    """Open both sides.

    Raises:
        InputError: shapes that do not belong to the collection or to each other.
    """
    queries, items = open_sides(query_vectors, item_vectors, collection)
    require_equal_dims(queries, items)
    return Vectors(queries, "cosine", "query vectors"), Vectors(items, "cosine", "corpus vectors")
