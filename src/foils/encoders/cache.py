"""The cache of vectors: every text is encoded once per encoder, however many runs, data sets and processes ask.

    key of a vector = hash of the text, and of all that its vector follows from (``Encoder.identity``: content of the
                      model, prompt, length, precision)

A folder per encoder holds chunks (``chunks``). Texts that are missing are sorted by length, longest first, and encoded
in chunks that are stored as soon as they are done: a killed run loses one chunk at most, and the next one cuts the rest
at the same places. A lock is held while one chunk is encoded, so that processes with the same texts share the work.
A chunk that is found damaged is said, deleted and encoded again. What is returned is what is stored, every bit, in a
file without a name that is mapped into memory: beside it, memory holds one chunk and some 40 bytes per text.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from foils import _durable as durable
from foils.encoders.chunks import Chunk, DamagedChunkError, Digests, chunks, remove_leftovers, write_chunk
from foils.encoders.encoder import Float32, Identity
from foils.encoders.fingerprints import write_whole
from foils.errors import DefectError, FolderError
from foils.positives import Int64

CHUNK_TEXTS = 1024
"""Texts encoded and stored at a time: for MiniLM on two busy cores, half a minute of passages."""

ATTEMPTS = 3
"""How often damaged chunks are encoded again before the disk is given up on."""

Progress = Callable[[int, int], None]
"""Called with (texts that have vectors, texts in all)."""
Encode = Callable[[Int64, Callable[[int], None]], Float32]
"""Encode the texts of these places, now and then telling how many are done."""


@dataclass(frozen=True, eq=False)
class VectorCache:
    """Vectors of any number of encoders.

    Attributes:
        folder: where they lie.
        say: told of damaged chunks.
    """

    folder: Path
    say: Callable[[str], None]

    def matrix(
        self, identity: Identity, digests: Digests, lengths: Int64, encode: Encode, progress: Progress | None = None
    ) -> Float32:
        """Give the vectors of texts, encoding those that are missing.

        Args:
            identity: all that they follow from beside the texts.
            digests: S16[N], hashes of the texts.
            lengths: int64[N], lengths of the texts.
            encode: encodes the texts of given places; called with at most ``CHUNK_TEXTS``.
            progress: called with (texts that have vectors, texts in all), within chunks too.

        Returns:
            float32[N, d], memory-mapped.

        Raises:
            FolderError: the folder cannot be written, or the disk is full; finished chunks stay.
        """
        place = self.folder / "vectors" / _key(identity)
        with durable.explained(self.folder):
            _describe(place, identity)
        unique, first, inverse = np.unique(digests, return_index=True, return_inverse=True)
        for _ in range(ATTEMPTS):
            shelf = Shelf.of(place, unique, self.say)
            self._encode_missing(shelf, first, lengths, encode, _Counted(shelf, inverse, progress))
            try:
                with durable.explained(self.folder):
                    return _gather(shelf, inverse, self.folder)
            except DamagedChunkError:
                continue
        raise FolderError(f"{place}: what is written cannot be read back; choose another --cache, or check the disk")

    def missing(self, identity: Identity, digests: Digests) -> Int64:
        """Find the texts that ``matrix`` would have encoded, equal ones once: int64[M], their places."""
        unique, first = np.unique(digests, return_index=True)
        shelf = Shelf.of(self.folder / "vectors" / _key(identity), unique, self.say)
        return np.sort(first[shelf.chunk_of < 0])

    def _encode_missing(self, shelf: Shelf, first: Int64, lengths: Int64, encode: Encode, counted: _Counted) -> None:
        """Encode chunk after chunk until nothing is missing, looking each time at what others have stored."""
        order = np.argsort(-lengths[first], kind="stable")
        counted.stored()
        while len(places := order[shelf.chunk_of[order] < 0][:CHUNK_TEXTS]):
            with FileLock(shelf.folder / "lock"):
                if not shelf.refresh():
                    vectors = encode(first[places], counted.tell)
                    with durable.explained(self.folder):  # not what the encoder may raise
                        remove_leftovers(shelf.folder)
                        shelf.add(write_chunk(shelf.folder, shelf.digests[places], vectors))
            counted.stored()


@dataclass(eq=False)
class Shelf:
    """Where the vectors of some texts lie in an encoder's folder.

    Attributes:
        folder: of the encoder.
        digests: S16[U], sorted hashes of the texts.
        say: told of damaged chunks.
        known: the chunks that were looked at.
        chunk_of: int32[U], which of them holds the text; −1 = none.
        row_of: int32[U], in which row.
    """

    folder: Path
    digests: Digests
    say: Callable[[str], None]
    known: list[Chunk]
    chunk_of: npt.NDArray[np.int32]
    row_of: npt.NDArray[np.int32]

    @classmethod
    def of(cls, folder: Path, digests: Digests, say: Callable[[str], None]) -> Shelf:
        """Look at all chunks of a folder."""
        nowhere = np.full(len(digests), -1, np.int32)
        shelf = cls(folder, digests, say, [], nowhere, nowhere.copy())
        shelf.refresh()
        return shelf

    def refresh(self) -> bool:
        """Look at chunks that are new; tell whether there were any."""
        seen = {chunk.name for chunk in self.known}
        new = [chunk for chunk in chunks(self.folder) if chunk.name not in seen]
        return any([self.add(chunk) for chunk in new])

    def add(self, chunk: Chunk) -> bool:
        """Take note of a chunk; a damaged one is deleted and said."""
        try:
            stored = chunk.digests()
        except DamagedChunkError:
            self.discard(chunk)
            return False
        at = np.searchsorted(self.digests, stored)
        at = np.minimum(at, len(self.digests) - 1)
        rows = np.flatnonzero((self.digests[at] == stored) & (self.chunk_of[at] < 0))
        self.chunk_of[at[rows]] = len(self.known)
        self.row_of[at[rows]] = rows
        self.known.append(chunk)
        return True

    def discard(self, chunk: Chunk) -> None:
        """Delete a damaged chunk."""
        self.say(f"{chunk.folder}: the stored vectors {chunk.name[:8]} are damaged; they are encoded again")
        chunk.remove()


class _Counted:
    """Progress in texts that have vectors, those of the chunk at hand included."""

    def __init__(self, shelf: Shelf, inverse: Int64, progress: Progress | None) -> None:
        self.shelf, self.inverse, self.progress = shelf, inverse, progress
        self.before, self.told = 0, -1

    def stored(self) -> None:
        """Count what is stored."""
        self.before = int(np.count_nonzero(self.shelf.chunk_of[self.inverse] >= 0))
        self.tell(0)

    def tell(self, done: int) -> None:
        """Report, with so many texts of a chunk beside what is stored."""
        now = self.before + done
        if self.progress is not None and now != self.told:
            self.told = now
            self.progress(now, len(self.inverse))


def _gather(shelf: Shelf, inverse: Int64, folder: Path) -> Float32:
    """Copy vectors from their chunks into rows, one chunk in memory at a time."""
    target: Float32 | None = None
    damaged = False
    order = np.argsort(shelf.chunk_of[inverse], kind="stable")
    numbers = shelf.chunk_of[inverse[order]]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
        chunk, rows = shelf.known[numbers[start]], order[start:stop]
        try:
            vectors = chunk.vectors()
        except DamagedChunkError:
            shelf.discard(chunk)
            damaged = True
            continue
        if target is None:
            target = mapped(folder, (len(inverse), vectors.shape[1]))
        if vectors.shape[1] != target.shape[1]:
            raise DefectError(f"{shelf.folder}: one encoder gave vectors of different lengths")
        target[rows] = vectors[shelf.row_of[inverse[rows]]]
    if damaged or target is None:
        raise DamagedChunkError
    target.flags.writeable = False
    return target


def mapped(folder: Path, shape: tuple[int, int]) -> Float32:
    """Make a matrix in a file of the folder that has no name and goes with the last reference to it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        os.truncate(file.fileno(), shape[0] * shape[1] * 4)
        return np.memmap(file, dtype=np.float32, mode="r+", shape=shape)


def _key(identity: Identity) -> str:
    text = json.dumps(dict(identity), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _describe(place: Path, identity: Identity) -> None:
    """Say in the folder whose vectors it holds, for people."""
    durable.make_folder(place)
    about: Any = json.dumps(dict(identity), indent=2, sort_keys=True) + "\n"
    if not (place / "encoder.json").exists():
        with suppress(FileExistsError):
            write_whole(place / "encoder.json", lambda partial: partial.write_text(about, encoding="utf-8"))
