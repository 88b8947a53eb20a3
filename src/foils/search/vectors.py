"""Vectors in memory or memory-mapped: checked once, then read by blocks in one canonical float32 form."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from foils import _array
from foils._compiled import kernels
from foils._lengths import lengths_of
from foils._stored import ACCEPTED, BFLOAT16, as_float32, finite_as_float32, is_accepted, is_bfloat16
from foils.collection import Collection
from foils.errors import DataError, InputError, printable
from foils.positives import Int64
from foils.search.shards import MOST_NAMED, Shards, files_of, join, name_of

Float32 = npt.NDArray[np.float32]
Matrix = npt.NDArray[Any] | Shards
VectorSource = str | Path | Matrix | Sequence[str | Path | npt.NDArray[Any]]
"""An .npy file, a folder of them, an array, or a list of files and arrays."""
Similarity = Literal["cosine", "dot"]
ORDER = (
    ": of data.anchors.texts[i] or data.items.texts[i] of data = foils.Collection.from_path(DATA), and only in a BEIR "
    "folder are these the lines of its files"
)
"""What vectors follow, for messages."""

READ_BYTES = 16 << 20
"""Bytes read at a time when a whole matrix is checked or hashed."""

NEARLY_ONE = 2.0**-20
"""Rows whose lengths differ from 1 by no more are not scaled before they are multiplied roughly."""

SHORT = 2.0**-120
"""Rows below this length are normalised with care."""

NORM_LIMIT = 1e18
"""Longest vector accepted: products of two stay far from the largest float32 (3.4e38)."""


def open_matrix(source: VectorSource, *, what: str, rows: int, of: str) -> Matrix:
    """Open vectors (memory-mapped) or take an array, and check shape and dtype.

    Args:
        source: path of an .npy file, or [N, d] numbers: float16, float32, float64, int8, or bfloat16 as 2-byte voids.
            Or shards: a folder of .npy files, in the order of their names (numbers by value: ``2.npy`` before
            ``10.npy``), or a list of files and arrays. They are read as one matrix, without a copy.
        what: how messages call it, for instance ``corpus vectors``.
        rows: how many rows are expected.
        of: what the rows follow, for instance ``the corpus``.

    Raises:
        DataError: no such file, not an .npy file, wrong dtype, shape or number of rows, or shards of several kinds.
    """
    matrix = _opened(source, what)
    if matrix.shape[0] != rows:
        counted = f" ({matrix.counts})" if isinstance(matrix, Shards) else ""
        raise DataError(
            f"{named(what, matrix)}: {matrix.shape[0]} rows{counted} for {rows} entries of {of}; row i must be the "
            f"vector of the i-th of them{ORDER}"
        )
    return matrix


def _opened(source: VectorSource, what: str) -> Matrix:
    if isinstance(source, Shards):
        return source
    if isinstance(source, str | Path):
        if not Path(source).is_dir():
            return _checked(_mapped(source, what), f"{what} ({source})")
        return _joined(files_of(Path(source), what), what)
    if isinstance(source, Sequence) and source and all(map(_is_shard, source)):
        return _joined(source, what)
    return _checked(source, what)


def _is_shard(one: Any) -> bool:
    """Tell a file or a matrix from a single vector, of which lists are often made."""
    return isinstance(one, str | Path) or (isinstance(one, np.ndarray) and one.ndim != 1)


def _joined(sources: Sequence[str | Path | npt.NDArray[Any]], what: str) -> Shards:
    parts = [
        _checked(one, f"{what} (shard {place})")
        if isinstance(one, np.ndarray)
        else _checked(_mapped(one, what), f"{what} ({one})")
        for place, one in enumerate(sources)
    ]
    return join(parts, what)


def _mapped(path: str | Path, what: str) -> npt.NDArray[Any]:
    """Map an .npy file into memory."""
    name = f"{what} ({path})"
    if Path(path).suffix == ".npz":
        raise DataError(
            f"{name}: is an archive of several arrays; write the one that is meant: "
            f"numpy.save('vectors.npy', numpy.load({str(path)!r})['NAME']){_held(path)}"
        )
    try:
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        objects = isinstance(error, ValueError) and "pickle" in str(error)
        reason = "it holds Python objects, which are never loaded" if objects else error
        raise DataError(f"{name}: cannot be read as an .npy array: {reason}; write numbers with numpy.save") from error
    return mapped


def _held(path: str | Path) -> str:
    """Name the arrays of an archive, for the end of a message."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return ""
    return f"; it holds: {', '.join(printable(repr(name)) for name in names[:MOST_NAMED])}" if names else ""


def _checked(matrix: Any, name: str) -> npt.NDArray[Any]:
    """Check dtype and shape."""
    if not isinstance(matrix, np.ndarray) or not is_accepted(matrix.dtype):
        raise DataError(f"{name}: expected {ACCEPTED}, found {_converted(matrix)}")
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise DataError(f"{name}: expected the shape (rows, dimensions), found {matrix.shape}")
    return matrix.view(BFLOAT16) if is_bfloat16(matrix.dtype) and matrix.dtype != BFLOAT16 else matrix


def _converted(matrix: Any) -> str:
    """Name what was given instead of numbers, and how to make an array of it."""
    kind = type(matrix).__name__
    if isinstance(matrix, np.ndarray) and matrix.dtype in (np.uint16, np.int16):
        return f"{matrix.dtype}; if these are the bits of bfloat16, give .view('V2'), else .astype('float32')"
    if isinstance(matrix, np.ndarray):
        return f"{matrix.dtype}; convert with .astype('float32')"
    if hasattr(matrix, "detach"):  # a tensor, which need not be imported to be known
        return f"a {kind}; convert with .detach().cpu().float().numpy()"
    return f"a {kind}; convert with numpy.asarray(…, dtype='float32')"


def require_equal_dims(queries: Matrix, corpus: Matrix) -> None:
    """Check that both sides have vectors of one length.

    Raises:
        DataError: they do not, so they are not of the same model.
    """
    if queries.shape[1] != corpus.shape[1]:
        raise DataError(
            f"{named('query vectors', queries)} have {queries.shape[1]} dimensions and "
            f"{named('corpus vectors', corpus)} {corpus.shape[1]}; encode both with the same model"
        )


def open_sides(
    queries: VectorSource, corpus: VectorSource, collection: Collection, *, label: str = ""
) -> tuple[Matrix, Matrix]:
    """Open the vectors of the anchors and of the items of a collection.

    Args:
        queries: path of an .npy file or of a folder of shards, or float[A, d]; see ``open_matrix``.
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
        matrix: [N, d], possibly memory-mapped, in shards, or of another type than float32; see ``open_matrix``.
        similarity: ``cosine`` (rows are normalised when read) or ``dot``.
        what: how messages call it.
    """

    matrix: Matrix
    similarity: Similarity
    what: str = "vectors"

    def __post_init__(self) -> None:
        """Check the similarity's name, which may come from a user."""
        if self.similarity not in get_args(Similarity):
            raise InputError(
                f"similarity is {self.similarity!r:.80}; expected cosine or dot (under cosine, items rank as by the "
                "Euclidean distance of vectors of length 1)"
            )

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self.matrix.shape[1])

    def read(self, rows: slice | Int64) -> Float32:
        """Read rows as float32, normalised under cosine; a row does not depend on what it is read with."""
        block = as_float32(self.matrix[rows])
        return _array.normalise_rows(block) if self.similarity == "cosine" else block

    def roughly(self, rows: slice) -> Float32:
        """Read rows quickly, each component off by at most ``roughness`` times the row's length; do not write to it."""
        block = finite_as_float32(self.matrix[rows])
        scales = self._scales
        if scales is None:
            return block
        # The inverse of a length near the smallest float32 is infinite: such blocks are read with care.
        return block * scales[rows, None] if np.isfinite(scales[rows]).all() else self.read(rows)

    @cached_property
    def roughness(self) -> float:
        """How far ``roughly`` may be from ``read``, relative to a row's length."""
        if self.similarity == "dot":
            return 0.0
        return 4 * 2.0**-24 if self._scales is not None else 2 * NEARLY_ONE

    def dots(self, others: Float32, rows: Int64, columns: Int64, chunk: int) -> Float32:
        """Score pairs canonically: float32[P] of ``others[rows]`` and this matrix's rows ``columns``.

        Args:
            others: float32[A, d].
            rows: int64[P].
            columns: int64[P].
            chunk: how many are read at a time.
        """
        folds = kernels("foils._folds")
        dots = folds.unit_dots if self.similarity == "cosine" else folds.dots
        if self._is_plain and not isinstance(self.matrix, np.memmap):
            scores = np.empty(len(rows), np.float32)
            dots(others, rows, np.asarray(self.matrix), columns, scores)
            return scores
        # Rows of a file in their order: neighbours share pages of memory.
        order = np.argsort(columns)
        rows, columns, ordered = rows[order], columns[order], np.empty(len(rows), np.float32)
        if self._is_plain:
            dots(others, rows, np.asarray(self.matrix), columns, ordered)
        else:
            for start in range(0, len(rows), chunk):
                part = slice(start, start + chunk)
                read = self.read(columns[part])
                folds.dots(others, rows[part], read, np.arange(len(read)), ordered[part])
        scores = np.empty_like(ordered)
        scores[order] = ordered
        return scores

    @property
    def _is_plain(self) -> bool:
        """Whether it is one float32 array, row after row, in memory or mapped there."""
        matrix = self.matrix
        if isinstance(matrix, Shards):
            return False
        return matrix.dtype == np.float32 and matrix.flags.c_contiguous

    def slices(self) -> Iterator[slice]:
        """Cut all rows into slices of a few megabytes."""
        step = max(1, READ_BYTES // (8 * self.dim))
        return (slice(start, min(start + step, len(self))) for start in range(0, len(self), step))

    @cached_property
    def _scales(self) -> Float32 | None:
        """float32[N], 1 / length of each row; None where rows need no scaling: under dot, or of length 1 already."""
        if self.similarity == "dot":
            return None
        norms = np.concatenate([np.zeros(0), *(norms for _, norms in self._norms())])
        if not len(norms) or np.abs(norms - 1).max() <= NEARLY_ONE:
            return None
        with np.errstate(divide="ignore", over="ignore"):
            return np.where(norms == 0, 0, np.where(norms < SHORT, np.inf, 1 / norms)).astype(np.float32)

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
        if isinstance(self.matrix, Shards):
            shard, within = self.matrix.place(row)
            where = f"{self.what} ({shard}): row {within} (from 0; of all shards, row {row})"
        if norm == 0:
            mend = "expected a length above 0; encode it again, or use --set source.dense.similarity=dot"
            return f"{where} is a zero vector, which has no cosine; {mend}"
        if np.isfinite(norm):
            return f"{where} has a length of {norm:.3g}; the limit is {NORM_LIMIT:.0e}; scale all vectors"
        kind = "NaN" if np.isnan(norm) else "infinity, or a number beyond float32"
        return f"{where} holds {kind}; expected finite numbers; encode it again"

    def _norms(self) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
        for rows in self.slices():
            with np.errstate(invalid="ignore", over="ignore"):
                block = as_float32(self.matrix[rows])  # as it will be read
            yield rows.start, lengths_of(block)


def pair_scores(anchors: Vectors, items: Vectors, rows: Int64, columns: Int64, chunk: int) -> Float32:
    """Score pairs canonically.

    Args:
        anchors: vectors of all anchors.
        items: vectors of all items.
        rows: int64[P], anchor rows.
        columns: int64[P], item rows; −1 gives NaN.
        chunk: pairs at a time.

    Returns:
        float32[P].
    """
    scores = np.full(len(rows), np.nan, np.float32)
    present = np.flatnonzero(columns >= 0)
    for start in range(0, len(present), chunk):
        part = present[start : start + chunk]
        unique, places = np.unique(rows[part], return_inverse=True)
        scores[part] = items.dots(anchors.read(unique), places, columns[part], chunk)
    return scores


def named(what: str, matrix: Matrix) -> str:
    """Name a matrix for a message, with its file where it is memory-mapped."""
    file = name_of(matrix)
    return f"{what} ({file})" if file else what


def matrix_digest(matrix: Matrix) -> str:
    """Hash the shape, dtype and values of a matrix, whatever shards it lies in."""
    state = hashlib.blake2b(f"vectors/1 {matrix.shape} {matrix.dtype.str}".encode(), digest_size=16)
    step = max(1, READ_BYTES // (matrix.shape[1] * matrix.itemsize))
    for start in range(0, len(matrix), step):
        state.update(np.ascontiguousarray(matrix[start : start + step]).data)
    return state.hexdigest()
