"""Batches of a training pool: which pairs, which items as columns, and which cells are no negatives.

The columns of a batch are its positives and the mined negatives drawn for its anchors, each item once. Every
anchor sees them all, its other known positives excepted; or, with ``negatives: mined``, its own mined only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.errors import DataError
from foils.positives import Examples, Int64, Positives, gather_segments
from foils.training.info_nce import Cells, Mask
from foils.training.settings import StaticSettings


@dataclass(frozen=True, eq=False)
class MinedNegatives:
    """Mined negatives as plain arrays.

    Attributes:
        anchors: int64[U], anchor rows; an anchor may occur more than once.
        items: int64[U, M], item rows; −1 = absent.
    """

    anchors: Int64
    items: Int64


@dataclass(frozen=True, eq=False)
class Pool:
    """What batches are drawn from.

    Attributes:
        examples: the pairs.
        positives: what is never a negative.
        mined_indptr: int64[A + 1], where each anchor's mined negatives begin and end.
        mined_items: int64[P], their item rows.
    """

    examples: Examples
    positives: Positives
    mined_indptr: Int64
    mined_items: Int64

    @cached_property
    def keys(self) -> Int64:
        """int64[E], the number that a pair's randomness is keyed by, whatever the other pairs are."""
        return self.examples.anchors * np.int64(self.positives.n_items) + self.examples.positives

    @classmethod
    def of(
        cls,
        examples: Examples,
        positives: Positives,
        mined: MinedNegatives | None,
        items_with_text: npt.NDArray[np.bool_],
    ) -> Pool:
        """Group the mined negatives by anchor, without repetitions and without items that have no text.

        Raises:
            DataError: the shapes of ``mined`` differ, or a row is outside the collection.
        """
        n_anchors, n_items = positives.n_anchors, positives.n_items
        if mined is None:
            mined = MinedNegatives(np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
        _check(mined, n_anchors, n_items)
        anchors = np.repeat(mined.anchors, mined.items.shape[1])
        items = mined.items.ravel()
        keep = items >= 0
        keep[keep] = items_with_text[items[keep]]
        pairs = np.unique(anchors[keep] * np.int64(n_items) + items[keep])
        anchors, items = np.divmod(pairs, np.int64(max(n_items, 1)))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(anchors, minlength=n_anchors))])
        return cls(examples, positives, indptr, items)


@dataclass(frozen=True, eq=False)
class Batch:
    """Pairs that are trained on together.

    Attributes:
        anchors: int64[B], anchor rows.
        items: int64[N], item rows, ascending: the columns.
        targets: int64[B], the column of each anchor's positive.
        masked: what is no negative.
    """

    anchors: Int64
    items: Int64
    targets: Int64
    masked: Mask


def steps_per_epoch(pool: Pool, settings: StaticSettings) -> int:
    """Count the batches of an epoch."""
    return -(-len(pool.examples) // settings.batch_size)


def batches(pool: Pool, settings: StaticSettings, seed: int, epoch: int) -> Iterator[Batch]:
    """Yield the batches of an epoch, in an order and with mined negatives that follow from seed and epoch."""
    noise = _array.counter_uniform(_array.Key(seed, "static order", epoch), pool.keys, np.zeros(1, np.int64))
    for rows in np.array_split(np.argsort(noise, kind="stable"), steps_per_epoch(pool, settings)):
        yield _batch(pool, settings, rows, _array.Key(seed, "static mined", epoch))


def known_cells(positives: Positives, anchors: Int64, items: Int64, targets: Int64) -> Cells:
    """Find the known positives among the columns, the targets excepted: a join, never a table of all cells.

    Args:
        positives: the relation.
        anchors: int64[B], anchor rows.
        items: int64[N], item rows, ascending.
        targets: int64[B], columns to leave out.
    """
    indptr, places = gather_segments(positives.indptr, anchors)
    known = positives.items[places]
    rows = np.repeat(np.arange(len(anchors)), np.diff(indptr))
    columns = np.minimum(np.searchsorted(items, known), len(items) - 1)
    hit = (items[columns] == known) & (columns != targets[rows])
    return Cells(rows[hit], columns[hit])


def _batch(pool: Pool, settings: StaticSettings, rows: Int64, key: _array.Key) -> Batch:
    anchors, positives = pool.examples.anchors[rows], pool.examples.positives[rows]
    owners, mined = _draw(pool, settings, rows, key)
    items = np.unique(np.concatenate([positives, mined]))
    targets = np.searchsorted(items, positives)
    known = known_cells(pool.positives, anchors, items, targets)
    if settings.negatives != "mined":
        return Batch(anchors, items, targets, known)
    masked = np.ones((len(anchors), len(items)), bool)  # an anchor sees next to nothing: all cells, then
    masked[owners, np.searchsorted(items, mined)] = False
    masked[known] = True
    masked[np.arange(len(anchors)), targets] = False
    return Batch(anchors, items, targets, masked)


def _draw(pool: Pool, settings: StaticSettings, rows: Int64, key: _array.Key) -> tuple[Int64, Int64]:
    """Draw mined negatives for pairs, uniformly without replacement: positions in ``rows``, and item rows."""
    if settings.negatives == "in_batch":
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    indptr, places = gather_segments(pool.mined_indptr, pool.examples.anchors[rows])
    owners = np.repeat(np.arange(len(rows)), np.diff(indptr))
    items = pool.mined_items[places]
    noise = _array.counter_uniform(key, pool.keys[rows[owners]], items)
    order = np.lexsort((noise, owners))
    drawn = order[np.arange(len(order)) - indptr[owners] < settings.mined_per_anchor]
    return owners[drawn], items[drawn]


def _check(mined: MinedNegatives, n_anchors: int, n_items: int) -> None:
    anchors, items = mined.anchors, mined.items
    if anchors.ndim != 1 or items.ndim != 2 or len(anchors) != len(items):
        raise DataError(
            f"mined anchors are {list(anchors.shape)} and items {list(items.shape)}; expected [U] and [U, M]"
        )
    for name, rows, least, most in (("anchors", anchors, 0, n_anchors), ("items", items, -1, n_items)):
        if rows.dtype.kind != "i":
            raise DataError(f"mined {name} are {rows.dtype}; expected int64 row numbers")
        if rows.size and not least <= rows.min() <= rows.max() < most:
            raise DataError(
                f"mined {name} hold rows from {rows.min()} to {rows.max()}; the collection has {most} {name}"
            )
