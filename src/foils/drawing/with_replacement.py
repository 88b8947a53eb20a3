"""Draws with replacement: each is independent of the others, and of how many are drawn at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from foils import _array, _compiled
from foils import _segments as segments
from foils._array import Key
from foils.drawing.exclusions import Exclusions, Float64
from foils.positives import Int64, Relation

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]

NAME = "foils.drawing.kernels"
CHUNK = 1 << 17
"""Draws that one thread makes at a time: about a millisecond, next to which starting a thread is cheap."""


def contains(relation: Relation, rows: Int64, items: Int64) -> npt.NDArray[np.bool_]:
    """Tell which pairs are in a relation.

    Args:
        relation: rows and their items.
        rows: int64[N].
        items: int64[N].
    """
    found = np.empty(len(rows), np.bool_)
    _compiled.kernels(NAME).contains(relation.indptr, relation.items, rows, items, found)
    return found


def sides(key: Key, units: Int64, shares: Float64, count: int) -> Int8:
    """Choose side 0 with a probability of its own per example, else side 1.

    Args:
        key: key of the noise.
        units: int64[E], the examples' own numbers.
        shares: float64[E], P(side 0).
        count: M, how many to choose.

    Returns:
        int8[E, M].
    """
    chosen = np.empty((len(units), count), np.int8)
    kernels, bits = _compiled.kernels(NAME), _array.key_bits(key)
    _in_chunks(lambda part: kernels.sides(bits, units[part], shares[part], chosen[part]), *chosen.shape)
    return chosen


def independent(
    exclusions: Exclusions, key: Key, units: Int64, rows: Int64, chosen: Int8, log_weights: Float64
) -> tuple[Int64, Float32]:
    """Draw items.

    Args:
        exclusions: the rows, with what they must not get.
        key: key of the noise.
        units: int64[E], the examples' own numbers.
        rows: int64[E, S], the rows that each example may draw from.
        chosen: int8[E, M], which of them each draw is from.
        log_weights: float64[E, S], added to the log probability of an item.

    Returns:
        int64[E, M] items, −1 where nothing is left; float32[E, M], log P(item) + ``log_weights``, NaN there.
    """
    items, log_q = np.empty(chosen.shape, np.int64), np.empty(chosen.shape, np.float32)
    base = log_weights - exclusions.log_left[rows]
    kernels, bits = _compiled.kernels(NAME), _array.key_bits(key)

    def work(part: slice) -> None:
        kernels.draw(
            exclusions.tables, bits, units[part], rows[part], chosen[part], base[part], items[part], log_q[part]
        )

    _in_chunks(work, *chosen.shape)
    return items, log_q


def _in_chunks(work: Callable[[slice], object], count: int, width: int) -> None:
    """Do chunks of examples, many of them on a thread per core where kernels are compiled; which does not matter."""
    chunks = list(segments.slices(count, max(1, CHUNK // width)))
    threads = min(len(chunks), _cores()) if _compiled.is_available() else 1
    if threads <= 1:
        for chunk in chunks:
            work(chunk)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, chunks):
            pass  # an error is raised here


def _cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
