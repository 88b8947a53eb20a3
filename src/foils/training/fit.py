"""Training of a static encoder: InfoNCE over in-batch and mined negatives, by NumPy and SciPy alone.

Token vectors start random, scaled by rarity, which is a random projection of TF-IDF and retrieves like it.
Each step pools the batch's texts, takes the gradient of the loss through normalisation and mean, and moves
the tokens that occur in the batch by Adagrad with one accumulator per token (Duchi et al., 2011):

    s_v += |g_v|²,    E_v −= rate · g_v / sqrt(s_v)

so a rare token takes a long step when it occurs at last. Products run on one thread, so that weights have the
same bits whatever the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from foils._threads import one_thread
from foils.collection import Collection, require_collection
from foils.encoders.bags import Bags
from foils.encoders.encoder import Float32
from foils.encoders.static import StaticEncoder
from foils.errors import InputError
from foils.training.batches import Batch, batches, steps_per_epoch
from foils.training.info_nce import info_nce
from foils.training.pool import MinedNegatives, MinedResult, Pool, as_rows, check_negatives, usable_examples
from foils.training.settings import StaticSettings
from foils.training.texts import CollectionBags, bag_collection, check_bags, has_tokens
from foils.weights import Weight

Progress = Callable[[int, int, float], None]
"""Called after each step with the steps done, the steps in all and the batch's loss."""

TINY = 1e-12  # a gradient that is zero divided by this stays zero


def fit_static(
    collection: Collection,
    *,
    split: str = "train",
    mined: MinedResult | MinedNegatives | None = None,
    weights: Weight | None = None,
    settings: StaticSettings | None = None,
    seed: int = 0,
    bags: CollectionBags | None = None,
    progress: Progress | None = None,
) -> StaticEncoder:
    """Train a static encoder on the positives of a split.

    Equal input and seed give equal weights on one machine. Pairs with an empty text are left out; the other
    known positives of an anchor, exact duplicates included, never count as its negatives.

    Args:
        collection: anchors and items with texts.
        split: whose pairs are trained on.
        mined: a mined result, or rows; without them the negatives are those of the batch.
        weights: how much the negatives of a result count, by suspicion of being positive; default: all fully.
        settings: see ``StaticSettings``; its ``vocabulary_size`` is not used where ``bags`` are given.
        seed: of the first vectors, the order of the pairs and the draws.
        bags: from ``bag_collection``, to share among trainings; made here by default.
        progress: called after each step.

    Raises:
        DataError: no texts, no such split, no pair to train on, or mined rows outside the collection.
        InputError: the settings ask for mined negatives that are not given, or ignore those that are; or the seed is
            negative.
    """
    require_collection(collection)
    settings = settings or StaticSettings()
    rows = as_rows(mined, collection, split, weights)
    check_negatives(settings, rows)
    if seed < 0:
        raise InputError(f"seed is {seed}; expected a whole number from 0")
    positives = collection.positives((split,))
    if bags is None:
        bags = bag_collection(collection, split=split, vocabulary_size=settings.vocabulary_size)
    check_bags(bags, collection)
    filled = has_tokens(bags.anchors), has_tokens(bags.items)
    pool = Pool.of(usable_examples(positives, *filled, split), positives, rows, filled[1])
    state = _State.start(bags.items, settings.dim, seed)
    total = settings.epochs * steps_per_epoch(pool, settings)
    done = 0
    with one_thread():
        for epoch in range(settings.epochs):
            for batch in batches(pool, settings, seed, epoch):
                loss = _step(state, bags, batch, settings)
                done += 1
                if progress is not None:
                    progress(done, total, loss)
    return StaticEncoder(state.embeddings, bags.tokenizer)


@dataclass(frozen=True, eq=False)
class _State:
    """What training changes, in place.

    Attributes:
        embeddings: float32[V, d].
        squares: float32[V], the sum of the squared lengths of each token's gradients.
    """

    embeddings: Float32
    squares: Float32

    @classmethod
    def start(cls, items: Bags, dim: int, seed: int) -> _State:
        """Draw random directions; a token's length falls with the share of items that it occurs in."""
        count, tokens = items.shape
        noise = np.random.default_rng(seed).standard_normal((tokens, dim), dtype=np.float32)
        found_in = np.bincount(items.indices, minlength=tokens)
        rarity = np.log1p(count / (found_in + 1)) / np.log1p(count)
        noise *= (rarity / np.sqrt(dim)).astype(np.float32)[:, None]
        return cls(noise, np.zeros(tokens, np.float32))


def _step(state: _State, bags: CollectionBags, batch: Batch, settings: StaticSettings) -> float:
    """Take one step and return the loss before it."""
    n_anchors = len(batch.anchors)
    texts = sp.vstack([bags.anchors[batch.anchors], bags.items[batch.items]], format="csr")
    means = texts @ state.embeddings
    lengths = np.sqrt(np.einsum("nd,nd->n", means, means))[:, None]
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    vectors = means * scale
    anchors, items = vectors[:n_anchors], vectors[n_anchors:]
    out = info_nce(anchors, items, batch.targets, batch.masked, settings.temperature, batch.offsets)
    gradient = np.concatenate([out.anchors, out.items])
    # Through u = m / |m|: the part along u is lost.
    gradient -= vectors * np.einsum("nd,nd->n", gradient, vectors)[:, None]
    gradient *= scale
    _descend(state, texts, gradient, settings.learning_rate)
    return out.loss


def _descend(state: _State, texts: Bags, gradient: Float32, rate: float) -> None:
    """Move the tokens of these texts against the gradient of their means."""
    occurs = np.zeros(len(state.squares), bool)
    occurs[texts.indices] = True
    tokens = np.flatnonzero(occurs)
    place = np.cumsum(occurs, dtype=np.int32) - 1
    columns = (texts.data, place[texts.indices], texts.indptr)  # the rows of texts, transposed
    by_token = sp.csc_array(columns, shape=(len(tokens), len(gradient))) @ gradient
    state.squares[tokens] += np.einsum("td,td->t", by_token, by_token)
    by_token *= (rate / (np.sqrt(state.squares[tokens]) + TINY))[:, None]
    state.embeddings[tokens] -= by_token
