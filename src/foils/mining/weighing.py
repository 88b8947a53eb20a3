"""How much the negatives of a result count: its tables as blocks of candidates, given to a weight."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foils import _array
from foils import _segments as segments
from foils._array import Key
from foils.candidates import Candidates, Column
from foils.mining.settle import take_rows
from foils.mining.stored import Result
from foils.positives import Int64, Units
from foils.records import find
from foils.weights import FittedWeight, Fitting, Weight

Float32 = npt.NDArray[np.float32]

PAIRS_TO_FIT = 200_000
"""Candidates that a weight is fitted to at most; of more, those of units by hash."""


def negative_log_weights(result: Result, weights: Weight) -> Float32:
    """Weigh the negatives of a result.

    Args:
        result: a finished folder.
        weights: its fields; what must be fitted is fitted to the stored candidates first.

    Returns:
        float32[U, M], in the order of the table of negatives; 0 = full, −∞ = out, and where absent.

    Raises:
        InputError: ``p_positive`` is not calibrated, or the candidates or their scores are not there.
    """
    if not isinstance(weights, Fitting):
        return _weighed(weights, _drawn(result))
    fitted = weights.fit([_thinned(block, result) for block in result.blocks()])
    parts, start = [], 0
    items = _item_rows(result)
    for block in result.blocks():
        rows = items[start : start + len(block.units)]
        found = _array.take_valid(_weighed(fitted, block), _positions(block, rows), np.float32(-np.inf))
        parts.append(np.asarray(found, np.float32))
        start += len(block.units)
    return np.concatenate(parts)


def _weighed(weights: FittedWeight, block: Candidates) -> Float32:
    return np.asarray(weights(block), np.float32)


def _drawn(result: Result) -> Candidates:
    """Take the drawn negatives alone, with the columns of their table."""
    table = result.negatives(["p_positive"])
    lists = table["p_positive"].combine_chunks()
    lengths = np.asarray(pc.list_value_length(lists).to_numpy(), np.int64)
    items = np.full((len(table), result.identity.negatives), -1, np.int64)
    at = segments.owners(lengths), segments.places(lengths)
    items[at] = np.arange(lengths.sum())
    values = np.full(items.shape, np.nan, np.float32)
    values[at] = lists.flatten().to_numpy(zero_copy_only=False)
    none = np.zeros(len(table), np.int64)
    units = Units(none, none, np.zeros(len(table) + 1, np.int64), np.zeros(0, np.int64))
    return Candidates(units, items, {"p_positive": Column(values)})


def _thinned(block: Candidates, result: Result) -> Candidates:
    """Keep a share of the units, by hash, so that all blocks together hold few enough pairs."""
    total = result.stats["units"] * block.items.shape[1]
    noise = _array.counter_uniform(Key(0, "weights fit", 0), block.units.keys, np.zeros(1, np.int64))
    return take_rows(block, np.flatnonzero(noise * total <= PAIRS_TO_FIT))


def _item_rows(result: Result) -> Int64:
    """Give int64[U, M], rows of the negatives in items.parquet; −1 = absent."""
    ids = pq.read_table(result.path / "items.parquet")["item_id"].combine_chunks().cast(pa.large_string())
    lists = result.negatives(["negative_ids"])["negative_ids"].combine_chunks()
    lengths = np.asarray(pc.list_value_length(lists).to_numpy(), np.int64)
    rows = np.full((len(lists), result.identity.negatives), -1, np.int64)
    rows[segments.owners(lengths), segments.places(lengths)] = find(lists.flatten().cast(pa.large_string()), ids)
    return rows


def _positions(block: Candidates, rows: Int64) -> Int64:
    """Find int64[A, M] where in the candidates' rows these items stand; −1 where absent."""
    order = _array.sort_rows(block.items, descending=False)
    ranked = np.take_along_axis(block.items, order, axis=1)
    count, width = ranked.shape
    indptr = np.arange(count + 1, dtype=np.int64) * width
    places = _array.row_searchsorted(ranked.ravel(), indptr, np.arange(count), rows, "left")
    found: Int64 = np.take_along_axis(order, np.minimum(places, width - 1), axis=1)
    return np.where(rows >= 0, found, -1)
