"""Batches for a training step: global rows, and texts or vectors of what they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from foils._stored import as_float32
from foils.collection import Collection, require_collection
from foils.errors import DataError, InputError
from foils.positives import Int64
from foils.records import Records
from foils.search.vectors import Matrix
from foils.torch.mined import Example, WeighedExample


@dataclass(frozen=True, eq=False)
class Batch:
    """Examples that are trained on together.

    Attributes:
        anchors: int64[B], anchor rows.
        items: int64[B], item rows of the positives.
        negatives: int64[B, M], item rows; −1 = absent.
        log_weights: float32[B, M], where the dataset has weights; what ``InfoNCE`` takes.
        anchor_texts: B texts, where the collator has a collection.
        positive_texts: B texts.
        negative_texts: B·M texts, row by row; empty where absent.
        anchor_vectors: float32[B, d], where the collator has vectors.
        positive_vectors: float32[B, d].
        negative_vectors: float32[B, M, d]; zero where absent.
    """

    anchors: Tensor
    items: Tensor
    negatives: Tensor
    log_weights: Tensor | None = None
    anchor_texts: list[str] | None = None
    positive_texts: list[str] | None = None
    negative_texts: list[str] | None = None
    anchor_vectors: Tensor | None = None
    positive_vectors: Tensor | None = None
    negative_vectors: Tensor | None = None

    def pin_memory(self) -> Batch:
        """Pin the tensors, as a DataLoader with ``pin_memory`` asks."""
        pinned: dict[str, Any] = {
            name: value.pin_memory() if isinstance(value, Tensor) else value for name, value in vars(self).items()
        }
        return Batch(**pinned)


class Collator:
    """Makes batches of examples: give it to a DataLoader as ``collate_fn``.

    Args:
        collection: adds texts (title and text joined) to the batches.
        vectors: (anchor matrix, item matrix) float[anchors, d] and float[items, d]; adds vectors.

    Raises:
        InputError: the collection holds no texts.
    """

    def __init__(self, collection: Collection | None = None, *, vectors: tuple[Matrix, Matrix] | None = None) -> None:
        if collection is not None and require_collection(collection).items.texts is None:
            raise InputError("this collection holds no texts; leave it out, or give vectors=(anchors, items)")
        self._texts = None if collection is None else (_texts(collection.anchors), _texts(collection.items))
        self._vectors = vectors

    def __call__(self, examples: Sequence[Example | WeighedExample]) -> Batch:
        """Stack the rows of the examples and look up what they name.

        Raises:
            DataError: the examples have different numbers of negatives.
        """
        if len({len(example.negatives) for example in examples}) > 1:
            raise DataError("the examples of a batch have different numbers of negatives; fill up with −1")
        anchors = np.array([example.anchor for example in examples], np.int64)
        items = np.array([example.positive for example in examples], np.int64)
        negatives = np.stack([example.negatives for example in examples])
        found: dict[str, Any] = {}
        weights = [example.log_weights for example in examples if isinstance(example, WeighedExample)]
        if weights:
            found["log_weights"] = torch.from_numpy(np.stack(weights))
        if self._texts is not None:
            sides = (self._texts[0], anchors), (self._texts[1], items), (self._texts[1], negatives.ravel())
            names = ("anchor_texts", "positive_texts", "negative_texts")
            found |= {name: _look_up(texts, rows) for name, (texts, rows) in zip(names, sides, strict=True)}
        if self._vectors is not None:
            found["anchor_vectors"] = _gather(self._vectors[0], anchors)
            found["positive_vectors"] = _gather(self._vectors[1], items)
            found["negative_vectors"] = _gather(self._vectors[1], negatives)
        return Batch(torch.from_numpy(anchors), torch.from_numpy(items), torch.from_numpy(negatives), **found)


def _texts(records: Records) -> pa.LargeStringArray:
    return pa.array(records.full_texts(), pa.large_string())


def _look_up(texts: pa.LargeStringArray, rows: Int64) -> list[str]:
    found = texts.take(pa.array(rows, mask=rows < 0)).to_pylist()
    return ["" if text is None else text for text in found]


def _gather(matrix: Matrix, rows: Int64) -> Tensor:
    taken = as_float32(matrix[np.where(rows >= 0, rows, 0)])
    taken[rows < 0] = 0
    return torch.from_numpy(taken)
