"""Chunks of vectors on disk: written once, never changed, and named after their content.

A chunk is two .npy files, ``<name>.vectors.npy`` (float32[n, d]) and ``<name>.texts.npy`` (the n hashes of the texts),
where the name is the SHA-256 of both. So a chunk needs no index that could disagree with it, damage shows when it is
read, and two processes that write the same chunk write the same file. The second file is written last: a chunk without
it is not there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils import _durable as durable
from foils.encoders.encoder import Float32
from foils.encoders.fingerprints import write_whole

Digests = npt.NDArray[np.bytes_]
"""S16[N], hashes of texts. NumPy pads with zeros to compare, so of equal length they are compared whole."""

DIGEST_BYTES = 16
VECTORS, TEXTS = ".vectors.npy", ".texts.npy"


class DamagedChunkError(Exception):
    """A chunk does not hold what its name says."""


@dataclass(frozen=True)
class Chunk:
    """A chunk by its place on disk."""

    folder: Path
    name: str

    def digests(self) -> Digests:
        """Read the hashes of its texts.

        Raises:
            DamagedChunkError: they cannot be read.
        """
        digests: Any = _load(self.folder / f"{self.name}{TEXTS}")
        if digests.ndim != 1 or digests.dtype != np.dtype(f"S{DIGEST_BYTES}"):
            raise DamagedChunkError
        return np.asarray(digests)

    def vectors(self) -> Float32:
        """Read its vectors and check the content of both files.

        Raises:
            DamagedChunkError: the content is not what the name says.
        """
        digests = self.digests()
        vectors: Any = _load(self.folder / f"{self.name}{VECTORS}")
        if vectors.dtype != np.float32 or vectors.ndim != 2 or _name(digests, vectors) != self.name:
            raise DamagedChunkError
        return np.asarray(vectors)

    def remove(self) -> None:
        """Delete both files."""
        for ending in (TEXTS, VECTORS):
            durable.remove(self.folder / f"{self.name}{ending}")


def text_digests(texts: Sequence[str]) -> Digests:
    """Hash texts: S16[N]."""
    joined = b"".join(hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest() for text in texts)
    return np.frombuffer(joined, dtype=f"S{DIGEST_BYTES}")


def chunks(folder: Path) -> Iterator[Chunk]:
    """Go through the chunks of a folder, in the order of their names."""
    for path in sorted(folder.glob(f"*{TEXTS}")):
        yield Chunk(folder, path.name.removesuffix(TEXTS))


def remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left half-written; only for who holds the folder's lock."""
    for path in folder.glob(".*.npy-*.part"):
        durable.remove(path)


def write_chunk(folder: Path, digests: Digests, vectors: Float32) -> Chunk:
    """Write a chunk durably.

    Raises:
        OSError: the disk is full, or the folder cannot be written; then nothing is left.
    """
    vectors = np.ascontiguousarray(vectors, dtype="<f4")
    name = _name(digests, vectors)
    write_whole(folder / f"{name}{VECTORS}", lambda partial: _save(partial, vectors))
    write_whole(folder / f"{name}{TEXTS}", lambda partial: _save(partial, digests))
    durable.sync(folder)
    return Chunk(folder, name)


def _save(path: Path, array: npt.NDArray[np.generic]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
    durable.sync(path)


def _load(path: Path) -> npt.NDArray[np.generic]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise DamagedChunkError from error


def _name(digests: Digests, vectors: Float32) -> str:
    state = hashlib.sha256(f"vectors/1 {vectors.shape}".encode())
    state.update(digests.tobytes())
    state.update(np.ascontiguousarray(vectors).data)
    return state.hexdigest()[:32]
