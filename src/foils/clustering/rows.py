"""Rows of length 1, read from a matrix block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from foils import _segments as segments
from foils._lengths import lengths_of
from foils._stored import as_float32, finite_as_float32
from foils.positives import Int64
from foils.search.vectors import NEARLY_ONE, NORM_LIMIT, Float32, Matrix, Vectors

BLOCK = 4096
"""Rows of a block. Fixed, because the last digits of a product may depend on its shape."""
SHORTEST = 1e-30
"""Below this length a vector has no direction."""

Made = TypeVar("Made")
Rows = slice | Int64


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Vectors and their lengths.

    Attributes:
        matrix: float[N, d], possibly memory-mapped.
        inverse: float32[N], 1 / length; 0 for a vector without direction.
        is_unit: whether all have length 1 already.
    """

    matrix: Matrix
    inverse: Float32
    is_unit: bool

    @classmethod
    def of(cls, matrix: Matrix) -> UnitRows:
        """Measure the rows.

        Raises:
            DataError: NaN, infinity, or a length above 1e18.
        """
        lengths = np.empty(len(matrix))
        for rows in segments.slices(len(matrix), BLOCK):
            with np.errstate(over="ignore", invalid="ignore"):
                lengths[rows] = lengths_of(as_float32(matrix[rows]))
        if not (lengths <= NORM_LIMIT).all():  # NaN compares as false: the complaint names the row
            Vectors(matrix, "cosine").check(may_be_zero=np.ones(len(matrix), np.bool_))
        inverse = np.where(lengths > SHORTEST, 1.0 / np.maximum(lengths, SHORTEST), 0.0)
        is_unit = bool((np.abs(lengths - 1) <= NEARLY_ONE).all())
        return cls(matrix, inverse.astype(np.float32), is_unit)

    def __len__(self) -> int:
        return len(self.inverse)

    def read(self, rows: Rows) -> Float32:
        """Read rows as float32[R, d] of length 1, or 0; do not write to them."""
        block = finite_as_float32(self.matrix[rows])
        return block if self.is_unit else block * self.inverse[rows, None]


def in_blocks(rows: int | Int64, make: Callable[[Rows], Made], threads: int) -> Iterator[tuple[slice, Made]]:
    """Make something of every block of rows, in their order, ``threads`` blocks at a time.

    Args:
        rows: how many there are, or int64[R], which ones.
        make: what is done with a block.
        threads: blocks at a time.

    Yields:
        The block's place among the rows, and what was made of it.
    """
    count = rows if isinstance(rows, int) else len(rows)
    places = list(segments.slices(count, BLOCK))
    with ThreadPoolExecutor(threads) as pool:
        for first in range(0, len(places), threads):
            wave = places[first : first + threads]
            blocks = [place if isinstance(rows, int) else rows[place] for place in wave]
            yield from zip(wave, pool.map(make, blocks), strict=True)


def row_dots(left: Float32, right: Float32) -> Float32:
    """Multiply row by row: float32[R]."""
    products: Float32 = np.einsum("nd,nd->n", left, right)
    return products
