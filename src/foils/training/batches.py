"""Batches of a training pool: which pairs, which items as columns, and which cells are no negatives.

The columns of a batch are its positives and the mined negatives drawn for its anchors, each item once. Every
anchor sees them all, its other known positives excepted; or, with ``negatives: mined``, its own mined only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from foils import _array
from foils.positives import Int64, Positives, gather_segments
from foils.training.info_nce import Cells, Mask, Offsets
from foils.training.pool import BatchSettings, Pool


@dataclass(frozen=True, eq=False)
class Batch:
    """Pairs that are trained on together.

    Attributes:
        anchors: int64[B], anchor rows.
        items: int64[N], item rows, ascending: the columns.
        targets: int64[B], the column of each anchor's positive.
        masked: what is no negative.
        offsets: log-weights of mined negatives; None where all count fully.
    """

    anchors: Int64
    items: Int64
    targets: Int64
    masked: Mask
    offsets: Offsets | None = None


def steps_per_epoch(pool: Pool, settings: BatchSettings) -> int:
    """Count the batches of an epoch."""
    return -(-len(pool.examples) // settings.batch_size)


def batches(pool: Pool, settings: BatchSettings, seed: int, epoch: int) -> Iterator[Batch]:
    """Yield the batches of an epoch, in an order and with mined negatives that follow from seed and epoch."""
    for rows in epoch_rows(pool, settings, seed, epoch):
        yield batch_of(pool, settings, rows, seed, epoch)


def epoch_rows(pool: Pool, settings: BatchSettings, seed: int, epoch: int) -> list[Int64]:
    """Give the positions of each batch's pairs in ``pool.examples``."""
    noise = _array.counter_uniform(_array.Key(seed, "static order", epoch), pool.keys, np.zeros(1, np.int64))
    return np.array_split(np.argsort(noise, kind="stable"), steps_per_epoch(pool, settings))


def batch_of(pool: Pool, settings: BatchSettings, rows: Int64, seed: int, epoch: int) -> Batch:
    """Put a batch together.

    Args:
        pool: pairs and negatives.
        settings: which negatives.
        rows: int64[B], positions in ``pool.examples``.
        seed: of the draw of mined negatives.
        epoch: of the draw.
    """
    anchors, positives = pool.examples.anchors[rows], pool.examples.positives[rows]
    owners, mined = draw_mined(pool, settings, rows, seed, epoch)
    items = np.unique(np.concatenate([positives, mined]))
    targets = np.searchsorted(items, positives)
    known = known_cells(pool.positives, anchors, items, targets)
    offsets = weighed_cells(pool, anchors, items, targets)
    if settings.negatives != "mined":
        return Batch(anchors, items, targets, known, offsets)
    masked = np.ones((len(anchors), len(items)), bool)  # an anchor sees next to nothing: all cells, then
    masked[owners, np.searchsorted(items, mined)] = False
    masked[known] = True
    masked[np.arange(len(anchors)), targets] = False
    return Batch(anchors, items, targets, masked, offsets)


def draw_mined(pool: Pool, settings: BatchSettings, rows: Int64, seed: int, epoch: int) -> tuple[Int64, Int64]:
    """Draw mined negatives for pairs, uniformly without replacement: positions in ``rows``, and item rows."""
    if settings.negatives == "in_batch":
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    indptr, places = gather_segments(pool.mined_indptr, pool.examples.anchors[rows])
    owners = np.repeat(np.arange(len(rows)), np.diff(indptr))
    items = pool.mined_items[places]
    noise = _array.counter_uniform(_array.Key(seed, "static mined", epoch), pool.keys[rows[owners]], items)
    order = np.lexsort((noise, owners))
    drawn = order[np.arange(len(order)) - indptr[owners] < settings.mined_per_anchor]
    return owners[drawn], items[drawn]


def known_cells(positives: Positives, anchors: Int64, items: Int64, targets: Int64) -> Cells:
    """Find the known positives among the columns, the targets excepted: a join, never a table of all cells.

    Args:
        positives: the relation.
        anchors: int64[B], anchor rows.
        items: int64[N], item rows, ascending.
        targets: int64[B], columns to leave out.
    """
    return _joined(positives.indptr, positives.items, anchors, items, targets)[0]


def weighed_cells(pool: Pool, anchors: Int64, items: Int64, targets: Int64) -> Offsets | None:
    """Find the mined negatives of each anchor among the columns, with their weights; None where all count fully.

    A weight is of the pair, so it holds wherever the item comes from; pairs that were not mined count fully.

    Args:
        pool: mined negatives.
        anchors: int64[B], anchor rows.
        items: int64[N], item rows, ascending.
        targets: int64[B], columns to leave out.
    """
    if pool.mined_log_weights is None:
        return None
    cells, places = _joined(pool.mined_indptr, pool.mined_items, anchors, items, targets)
    return Offsets(cells, pool.mined_log_weights[places])


def _joined(indptr: Int64, listed: Int64, anchors: Int64, items: Int64, targets: Int64) -> tuple[Cells, Int64]:
    """Find the items that are listed for each anchor among the columns, and where in the list they stand."""
    starts, places = gather_segments(indptr, anchors)
    wanted = listed[places]
    rows = np.repeat(np.arange(len(anchors)), np.diff(starts))
    columns = np.minimum(np.searchsorted(items, wanted), len(items) - 1)
    hit = (items[columns] == wanted) & (columns != targets[rows])
    return Cells(rows[hit], columns[hit]), places[hit]
