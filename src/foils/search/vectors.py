"""Vectors in memory or memory-mapped: checked once, then read by blocks in one canonical float32 form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from foils import _array
from foils.collection import Collection
from foils.errors import DataError
from foils.positives import Int64

Float32 = npt.NDArray[np.float32]
Matrix = npt.NDArray[Any]
Similarity = Literal["cosine", "dot"]

READ_BYTES = 16 << 20
"""Bytes read at a time when a whole matrix is checked or hashed."""

NORM_LIMIT = 1e18
"""Longest vector accepted: products of two stay far from the largest float32 (3.4e38)."""


def open_matrix(source: str | Path | Matrix, *, what: str, rows: int, of: str) -> Matrix:
    """Open an .npy file (memory-mapped) or take an array, and check its shape and dtype.

    Args:
        source: path of an .npy file, or float[N, d].
        what: how messages call it, for instance ``corpus vectors``.
        rows: how many rows are expected.
        of: what the rows follow, for instance ``corpus.jsonl``.

    Raises:
        DataError: no such file, not an .npy file, wrong dtype, shape or number of rows.
    """
    name = what
    matrix: Any = source
    if isinstance(source, str | Path):
        name = f"{what} ({source})"
        try:
            matrix = np.load(source, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            objects = isinstance(error, ValueError) and "pickle" in str(error)
            reason = "it holds Python objects, which are never loaded" if objects else error
            raise DataError(
                f"{name}: cannot be read as an .npy array: {reason}; write numbers with numpy.save"
            ) from error
    if not isinstance(matrix, np.ndarray) or matrix.dtype.kind != "f" or matrix.dtype.itemsize not in (2, 4, 8):
        found = getattr(matrix, "dtype", type(matrix).__name__)
        raise DataError(f"{name}: expected float16, float32 or float64, found {found}; convert with .astype('float32')")
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DataError(f"{name}: expected the shape (rows, dimensions), found {matrix.shape}")
    if matrix.shape[0] != rows:
        raise DataError(
            f"{name}: {matrix.shape[0]} rows for {rows} entries of {of}; row i must be the vector of its i-th line"
        )
    return matrix


def open_sides(
    queries: str | Path | Matrix, corpus: str | Path | Matrix, collection: Collection, *, label: str = ""
) -> tuple[Matrix, Matrix]:
    """Open the vectors of the anchors and of the items of a collection.

    Args:
        queries: path of an .npy file, or float[A, d].
        corpus: the same of the items, float[I, d].
        collection: what they are of.
        label: follows in messages; where there are several pairs, the name of this one.

    Raises:
        DataError: one of them cannot be read, or does not fit the collection; see ``open_matrix``.
    """
    return (
        open_matrix(queries, what=f"query vectors{label}", rows=len(collection.anchors), of="the queries"),
        open_matrix(corpus, what=f"corpus vectors{label}", rows=len(collection.items), of="the corpus"),
    )


@dataclass(frozen=True, eq=False)
class Vectors:
    """A checked matrix and the similarity it is used with.

    Attributes:
        matrix: float[N, d], possibly memory-mapped.
        similarity: ``cosine`` (rows are normalised when read) or ``dot``.
        what: how messages call it.
    """

    matrix: Matrix
    similarity: Similarity
    what: str = "vectors"

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self.matrix.shape[1])

    def read(self, rows: slice | Int64) -> Float32:
        """Read rows as float32, normalised under cosine; a row does not depend on what it is read with."""
        block = np.ascontiguousarray(self.matrix[rows], dtype=np.float32)
        return _array.normalise_rows(block) if self.similarity == "cosine" else block

    @cached_property
    def longest(self) -> float:
        """Length of the longest vector as read (1 under cosine)."""
        if self.similarity == "cosine":
            return 1.0
        return max((float(norms.max()) for _, norms in self._norms()), default=0.0)

    def check(self, *, may_be_zero: npt.NDArray[np.bool_] | None = None) -> None:
        """Look at every value before work starts.

        Args:
            may_be_zero: bool[N], rows that a zero vector is no fault of, even under cosine (empty texts).

        Raises:
            DataError: NaN, infinity, a length above 1e18, or a row that is zero in float32 under cosine.
        """
        for start, norms in self._norms():
            bad = ~np.isfinite(norms) | (norms > NORM_LIMIT)
            if self.similarity == "cosine":
                zero = norms == 0
                bad |= zero if may_be_zero is None else zero & ~may_be_zero[start : start + len(norms)]
            if bad.any():
                row = int(np.argmax(bad))
                raise DataError(self._complaint(start + row, float(norms[row])))

    def _complaint(self, row: int, norm: float) -> str:
        where = f"{named(self.what, self.matrix)}: row {row} (from 0)"
        if norm == 0:
            mend = "expected a length above 0; encode it again, or use --set source.dense.similarity=dot"
            return f"{where} is a zero vector, which has no cosine; {mend}"
        if np.isfinite(norm):
            return f"{where} has a length of {norm:.3g}; the limit is {NORM_LIMIT:.0e}; scale all vectors"
        kind = "NaN" if np.isnan(norm) else "infinity, or a number beyond float32"
        return f"{where} holds {kind}; expected finite numbers; encode it again"

    def _norms(self) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
        step = max(1, READ_BYTES // (8 * self.dim))
        for start in range(0, len(self), step):
            with np.errstate(invalid="ignore", over="ignore"):
                block = np.asarray(self.matrix[start : start + step], dtype=np.float32)  # as it will be read
                norms = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
            yield start, norms


def named(what: str, matrix: Matrix) -> str:
    """Name a matrix for a message, with its file where it is memory-mapped."""
    file = getattr(matrix, "filename", None)
    return f"{what} ({file})" if file else what


def matrix_digest(matrix: Matrix) -> str:
    """Hash the shape, dtype and values of float[N, d]."""
    state = hashlib.blake2b(f"vectors/1 {matrix.shape} {matrix.dtype.str}".encode(), digest_size=16)
    step = max(1, READ_BYTES // (matrix.shape[1] * matrix.itemsize))
    for start in range(0, len(matrix), step):
        state.update(np.ascontiguousarray(matrix[start : start + step]).data)
    return state.hexdigest()
