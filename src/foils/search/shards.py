"""One matrix in several pieces, in memory or memory-mapped: read as if it were one, never copied into one.

Row r lies in the piece whose first row is the last that is not above r. Shards are storage, not identity: digests,
ids and scores are those of the same rows in one file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.errors import DataError
from foils.positives import Int64

MOST_NAMED = 12
"""Shards that a message lists."""


@dataclass(frozen=True, eq=False)
class Shards:
    """Pieces of a matrix, one below the other.

    Attributes:
        parts: [N_i, d] each, all of one dtype and one d; at least one.
    """

    parts: Sequence[npt.NDArray[Any]]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and dimensions."""
        return len(self), int(self.parts[0].shape[1])

    @property
    def ndim(self) -> int:
        """Two, as of any matrix."""
        return 2

    @property
    def dtype(self) -> np.dtype[Any]:
        """How numbers are stored."""
        return self.parts[0].dtype

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return self.dtype.itemsize

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, rows: slice | Int64) -> npt.NDArray[Any]:
        """Read rows as they are stored; a view where a slice lies in one shard.

        Raises:
            IndexError: a row is below 0 or beyond the last.
        """
        if not isinstance(rows, slice):
            return self._gathered(np.asarray(rows))
        start, stop, step = rows.indices(len(self))
        if step != 1:
            return self._gathered(np.arange(start, stop, step))
        first = self._shard(start)
        pieces: list[npt.NDArray[Any]] = []
        for part, before in zip(self.parts[first:], self.starts[first:].tolist(), strict=False):
            if pieces and before >= stop:
                break
            pieces.append(part[max(start - before, 0) : max(stop - before, 0)])
        return np.asarray(pieces[0]) if len(pieces) == 1 else np.concatenate(pieces)

    def __array__(self, dtype: Any = None, *, copy: bool | None = None) -> npt.NDArray[Any]:
        """Copy all rows into one array.

        Raises:
            ValueError: ``copy=False`` is asked for.
        """
        if copy is False:
            raise ValueError("shards become one array only by a copy")
        whole = np.concatenate(self.parts)
        return whole if dtype is None else whole.astype(dtype, copy=False)

    @cached_property
    def starts(self) -> Int64:
        """int64[shards + 1], the first row of each shard, and the number of all rows."""
        return np.concatenate([[0], np.cumsum([len(part) for part in self.parts])]).astype(np.int64)

    @property
    def filename(self) -> str:
        """Where the shards lie, for a message: their folder, or how many there are."""
        folders = {Path(name_of(part) or "").parent for part in self.parts}
        several = f"{len(self.parts)} shard{'s' * (len(self.parts) != 1)}"
        return several if len(folders) > 1 or name_of(self.parts[0]) is None else f"{several} of {folders.pop()}"

    @property
    def counts(self) -> str:
        """How many rows the shards have, for a message."""
        files = [name_of(part) for part in self.parts[:MOST_NAMED]]
        names = [Path(file).name if file else f"shard {place}" for place, file in enumerate(files)]
        counts = [f"{name}: {len(part)}" for name, part in zip(names, self.parts, strict=False)]
        more = [f"and {len(self.parts) - MOST_NAMED} more"] if len(self.parts) > MOST_NAMED else []
        return ", ".join([*counts, *more])

    def place(self, row: int) -> tuple[str, int]:
        """Name the shard that a row lies in, and the row within."""
        shard = self._shard(row)
        return name_of(self.parts[shard]) or f"shard {shard}", row - int(self.starts[shard])

    def _shard(self, row: int) -> int:
        """Give the shard of a row; of the end, the last."""
        found = int(np.searchsorted(self.starts, row, side="right")) - 1
        return min(found, len(self.parts) - 1)

    def _gathered(self, rows: Int64) -> npt.NDArray[Any]:
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(f"rows {rows.min()} to {rows.max()} of a matrix with {len(self)}")
        if rows.ndim != 1:
            return self._gathered(rows.ravel()).reshape(*rows.shape, self.shape[1])
        found = np.empty((len(rows), self.shape[1]), self.dtype)
        shards = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(shards, kind="stable")
        bounds = np.searchsorted(shards[order], np.arange(len(self.parts) + 1))
        for shard in np.flatnonzero(np.diff(bounds)).tolist():
            places = order[bounds[shard] : bounds[shard + 1]]
            found[places] = self.parts[shard][rows[places] - self.starts[shard]]
        return found


def files_of(folder: Path, what: str) -> list[Path]:
    """List the .npy files of a folder in the order of their names, numbers by value: ``part-2`` before ``part-10``.

    Hidden files and files of other kinds are passed over.

    Args:
        folder: holds the shards.
        what: how messages call the vectors.

    Raises:
        DataError: there is none, or the folder cannot be read.
    """
    try:
        files = [path for path in folder.glob("*.npy") if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{what} ({folder}): cannot be read: {error}") from error
    if not files:
        raise DataError(f"{what} ({folder}): the folder holds no .npy file; give the shards' folder, or one file")
    return sorted(files, key=lambda path: (_natural(path.name), path.name))


def join(parts: Sequence[npt.NDArray[Any]], what: str) -> Shards:
    """Take pieces for one matrix.

    Args:
        parts: [N_i, d] each, opened and checked one by one.
        what: how messages call the vectors.

    Raises:
        DataError: one differs from the first in dtype or dimensions; names it.
    """
    first = parts[0]
    for place, part in enumerate(parts):
        if part.dtype != first.dtype or part.shape[1] != first.shape[1]:
            raise DataError(
                f"{what} ({name_of(part) or f'shard {place}'}): {part.shape[1]} dimensions of {part.dtype}, and "
                f"{name_of(first) or 'shard 0'} has {first.shape[1]} of {first.dtype}; all shards must be of one kind"
            )
    return Shards(tuple(parts))


def name_of(part: npt.NDArray[Any] | Shards) -> str | None:
    """Name the file that an array is memory-mapped from, or where shards lie."""
    file = getattr(part, "filename", None)
    return None if file is None else str(file)


def _natural(name: str) -> list[tuple[int, str]]:
    """Split a name into text and numbers, to be compared piece by piece."""
    pieces = re.split(r"([0-9]+)", name)
    return [(int(piece), "") if place % 2 else (0, piece) for place, piece in enumerate(pieces)]
