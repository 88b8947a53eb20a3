"""A mined result as a PyTorch dataset: pairs with negatives that rotate through their pool by epoch.

The stored negatives of a pair are put in an order of its own (a hash of seed, pair and item), and epoch e takes the m
from place e·m on, round and round. So a pair sees each negative of its pool equally often, hard and less hard ones mix
within an epoch, and nothing has to be kept for a resume but the number of the epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import Dataset

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.collection import Collection
from foils.errors import InputError
from foils.mining import Mined
from foils.positives import PAIR_BITS, Examples, Int64
from foils.weights import Weight

Float32 = npt.NDArray[np.float32]
STAGE = "rotation"


class Example(NamedTuple):
    """A pair and its negatives of this epoch, by rows of the collection.

    Attributes:
        anchor: anchor row.
        positive: item row.
        negatives: int64[m], item rows; −1 = absent, at the right end.
    """

    anchor: int
    positive: int
    negatives: Int64


class WeighedExample(NamedTuple):
    """An ``Example`` whose negatives have weights.

    Attributes:
        anchor: anchor row.
        positive: item row.
        negatives: int64[m], item rows; −1 = absent, at the right end.
        log_weights: float32[m], how much each counts; −infinity where absent.
    """

    anchor: int
    positive: int
    negatives: Int64
    log_weights: Float32


class MinedDataset(Dataset[Example | WeighedExample]):
    """The pairs of a mined result, each with m of its negatives.

    ``set_epoch`` reaches the workers of a DataLoader, persistent ones too: they share the number of the epoch.

    Args:
        mined: the result; opened with its collection.
        negatives: m; default: as many as were mined.
        epoch: the first epoch.
        weights: how much the negatives count, see ``foils.weights``; default: all fully.

    Raises:
        InputError: the result was opened without its collection, has fewer negatives per unit than asked for, or does
            not hold what the weights rest on.
    """

    def __init__(
        self, mined: Mined, negatives: int | None = None, epoch: int = 0, *, weights: Weight | None = None
    ) -> None:
        if not isinstance(mined, Mined):
            raise InputError(f"expected a Mined, found {mined!r:.80}; open one: foils.Mined.open(path, collection)")
        if mined.collection is None:
            raise InputError("this result was opened without its collection; give it to Mined.open")
        stored = mined.identity.negatives
        if negatives is not None and not 1 <= negatives <= stored:
            raise InputError(
                f"negatives is {negatives}; {mined.path} holds {stored} per unit: ask for 1 to {stored}, or mine more"
            )
        self.per_example = negatives or stored
        self.seed = mined.identity.seed
        self.examples, self._units = _pairs(mined, mined.collection)
        self._pool = mined.rows(mined.collection)[1]
        self._log_weights = None if weights is None else mined.log_weights(weights)
        self._keys = (self.examples.anchors << PAIR_BITS) | self.examples.positives
        self._epoch = torch.tensor(epoch).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def epoch(self) -> int:
        """The epoch whose negatives are given."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Turn to the negatives of another epoch; call it between epochs."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, place: int) -> Example | WeighedExample:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[Example] | list[WeighedExample]:
        """Give several examples at once, as a DataLoader asks for them."""
        rows = np.asarray(places, np.int64)
        window, pairs = self._rotated(rows), self.examples.take(rows)
        sides = pairs.anchors.tolist(), pairs.positives.tolist(), list(self._taken(self._pool, rows, window, -1))
        if self._log_weights is None:
            return [Example(*parts) for parts in zip(*sides, strict=True)]
        weights = self._taken(self._log_weights, rows, window, -np.inf)
        return [WeighedExample(*parts) for parts in zip(*sides, weights, strict=True)]

    def _rotated(self, rows: Int64) -> Int64:
        """Give int64[R, m], places in the pool of the window of this epoch; −1 = absent."""
        pool, m = self._pool[self._units[rows]], self.per_example
        noise = _array.counter_uniform(Key(self.seed, STAGE, 0), self._keys[rows][:, None], pool)
        order = np.argsort(np.where(pool >= 0, noise, np.inf), axis=1, kind="stable")
        lengths = (pool >= 0).sum(axis=1)[:, None]
        steps = np.arange(m)
        places = (self.epoch * m + steps) % np.maximum(lengths, 1)
        return np.where(steps < lengths, np.take_along_axis(order, places, axis=1), -1)

    def _taken(self, values: npt.NDArray[Any], rows: Int64, places: Int64, absent: float) -> npt.NDArray[Any]:
        taken = np.take_along_axis(values[self._units[rows]], np.maximum(places, 0), axis=1)
        return np.where(places >= 0, taken, values.dtype.type(absent))


def _pairs(mined: Mined, collection: Collection) -> tuple[Examples, Int64]:
    """List the pairs of the result, those whose positive has no text left out, and the unit of each."""
    table = mined.negatives
    lists = table["positive_ids"].cast(pa.large_list(pa.large_string())).combine_chunks()
    units = segments.owners(pc.list_value_length(lists).to_numpy())
    positives = collection.items.rows(lists.flatten())
    anchors = collection.anchors.rows(table["anchor_id"].combine_chunks().cast(pa.large_string()))[units]
    keep = ~collection.items.empty[positives]
    return Examples(anchors[keep], positives[keep]), units[keep]
