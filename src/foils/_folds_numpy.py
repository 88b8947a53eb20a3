"""Sums in one fixed order, in NumPy: the canonical inner product and length.

A product of two float32 numbers is exact in float64, and a fixed fold over the dimensions adds them, so a score has the
same bits for any number of pairs and in both bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

CELLS = 2**17
"""float64 cells worked on at once: 1 MiB, about the second-level cache of one core."""


def dots(left: Float32, rows: Int64, right: Float32, columns: Int64, scores: Float32) -> None:
    """Write the inner product of ``left[rows[p]]`` and ``right[columns[p]]`` to ``scores[p]``, rounded once."""
    with np.errstate(over="ignore", invalid="ignore"):
        for block in row_blocks(len(rows), left.shape[1], CELLS):
            products = left[rows[block]].astype(np.float64)
            products *= right[columns[block]]
            scores[block] = fold(products).astype(np.float32)
    scores += np.float32(0.0)  # no -0.0, so scores that tie are the same bits


def unit_dots(left: Float32, rows: Int64, right: Float32, columns: Int64, scores: Float32) -> None:
    """Do what ``dots`` does with rows of ``right`` that are normalised first, as ``normalise`` does it."""
    for block in row_blocks(len(rows), left.shape[1], CELLS):
        unit = right[columns[block]]
        normalise(unit)
        dots(left, rows[block], unit, np.arange(len(unit)), scores[block])


def normalise(vectors: Float32) -> None:
    """Divide each row of vectors[N,d] by its length, in place; zero rows stay zero."""
    for block in row_blocks(vectors.shape[0], vectors.shape[1], CELLS):
        rows = vectors[block].astype(np.float64)
        length = np.sqrt(fold(rows * rows))
        vectors[block] = (rows / np.where(length == 0.0, 1.0, length)[:, None]).astype(np.float32)


def row_blocks(count: int, width: int, cells: int) -> Iterator[slice]:
    """Yield slices of rows that hold about so many cells."""
    step = max(1, cells // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def fold(cells: Any) -> Any:
    """Sum each row of cells[P,d] of any array library in place: add the right half to the left until one is left."""
    width = cells.shape[1]
    if width == 0:
        return cells.sum(axis=1)
    while width > 1:
        half = (width + 1) // 2
        left = cells[:, : width - half]
        left += cells[:, half:width]
        width = half
    return cells[:, 0]
