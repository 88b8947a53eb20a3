"""What the trainers read: the rows of an epoch's batches, and collators that turn rows into texts and labels.

The data set of a trainer holds the positions of pairs and nothing else. Which of them share a batch, and which mined
negatives they come with, follows from seed and epoch; ``EpochRotation`` (callbacks.py) says which epoch it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.positives import Int64
from foils.training.batches import Batch, batch_of, draw_mined, epoch_rows, steps_per_epoch
from foils.training.pool import BatchSettings, Pool

PAIR = "pair"
"""The one column of the trainers' data set: positions in ``pool.examples``."""
POSITIVE, NEGATIVE, MASKED = 1, 0, -1
"""Cells of the label of a retriever's batch."""


@dataclass(eq=False)
class Feed:
    """The batches of the current epoch; iterating gives lists of positions, as a batch sampler does.

    Attributes:
        collection: the texts.
        pool: pairs and negatives.
        settings: size of the batches, which negatives.
        seed: of order and draws.
        epoch: the current one; ``EpochRotation`` moves it on.
    """

    collection: Collection
    pool: Pool
    settings: BatchSettings
    seed: int
    epoch: int = 0

    def __len__(self) -> int:
        return steps_per_epoch(self.pool, self.settings)

    def __iter__(self) -> Iterator[list[int]]:
        for rows in epoch_rows(self.pool, self.settings, self.seed, self.epoch):
            yield rows.tolist()

    def batch(self, rows: Int64) -> Batch:
        """Put a batch together, with the negatives of the epoch."""
        return batch_of(self.pool, self.settings, rows, self.seed, self.epoch)

    def pairs(self, rows: Int64) -> tuple[Int64, Int64, npt.NDArray[np.float32]]:
        """Give the pairs at these positions with their negatives: anchor rows, item rows, labels 1 and 0."""
        owners, mined = draw_mined(self.pool, self.settings, rows, self.seed, self.epoch)
        examples = self.pool.examples
        known = self.pool.positives.contains(examples.anchors[rows[owners]], mined)
        owners, mined = owners[~known], mined[~known]
        anchors = np.concatenate([examples.anchors[rows], examples.anchors[rows[owners]]])
        items = np.concatenate([examples.positives[rows], mined])
        labels = np.concatenate([np.ones(len(rows)), np.zeros(len(mined))]).astype(np.float32)
        return anchors, items, labels

    def queries(self, rows: Int64) -> list[str]:
        """Give the texts of anchors."""
        texts: list[str] = self.collection.anchors.texts_at(rows).to_pylist()
        return texts

    def passages(self, rows: Int64) -> list[str]:
        """Give the texts of items."""
        texts: list[str] = self.collection.items.texts_at(rows).to_pylist()
        return texts


def positions(features: Sequence[Mapping[str, Any]]) -> Int64:
    """Read the positions of pairs from rows of the trainer's data set."""
    return np.array([feature[PAIR] for feature in features], np.int64)


def cell_labels(batch: Batch) -> npt.NDArray[np.int8]:
    """int8[B, N]: which item is the positive of which anchor, which are its negatives and which are neither."""
    labels = np.full((len(batch.anchors), len(batch.items)), NEGATIVE, np.int8)
    labels[batch.masked] = MASKED
    labels[np.arange(len(batch.anchors)), batch.targets] = POSITIVE
    return labels


@dataclass(eq=False)
class RetrieverCollator:
    """Tokenises the anchors of a batch, and each of its items once.

    Attributes:
        feed: what is in a batch.
        preprocess: the model's, from texts to tensors.
        prompts: what stands before queries and before items.
        tensor: makes a tensor of an array.
        valid_label_columns: what sentence-transformers asks a collator for.
    """

    feed: Feed
    preprocess: Callable[..., Mapping[str, Any]]
    prompts: tuple[str, str]
    tensor: Callable[[Any], Any]
    valid_label_columns: tuple[str, ...] = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch of tensors."""
        batch = self.feed.batch(positions(features))
        made: dict[str, Any] = {"label": self.tensor(cell_labels(batch))}
        anchors = ("anchor", self.feed.queries(batch.anchors), "query")
        items = ("item", self.feed.passages(batch.items), "document")
        for (name, texts, task), prompt in zip((anchors, items), self.prompts, strict=True):
            tokens = self.preprocess(texts, prompt=prompt or None, task=task)
            made |= {f"{name}_{key}": value for key, value in tokens.items()}
        return made


@dataclass(eq=False)
class RerankerCollator:
    """Gives the pairs of a batch as texts, which the loss tokenises.

    Attributes:
        feed: what is in a batch.
        tensor: makes a tensor of an array.
        valid_label_columns: what sentence-transformers asks a collator for.
    """

    feed: Feed
    tensor: Callable[[Any], Any]
    valid_label_columns: tuple[str, ...] = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Make a batch of texts and labels."""
        anchors, items, labels = self.feed.pairs(positions(features))
        return {"label": self.tensor(labels), "query": self.feed.queries(anchors), "item": self.feed.passages(items)}
