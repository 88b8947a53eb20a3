"""The cache of pair scores: a pair of texts is judged once per model, however many runs ask.

One SQLite file per model, keyed by the content of model and texts. Scores are committed in chunks, so that a killed run
loses one chunk at most; several processes may use a file at once. Scores are kept as they came from the model, before
any activation, every bit of the float32.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foils import _durable as durable
from foils.encoders.chunks import Digests
from foils.errors import FolderError
from foils.search.vectors import Float32

WAIT_SECONDS = 60.0
"""How long another process's writing is waited for."""

TABLE = (
    "CREATE TABLE IF NOT EXISTS scores (anchor BLOB, item BLOB, score REAL, PRIMARY KEY (anchor, item)) WITHOUT ROWID"
)
WANTED = "CREATE TEMP TABLE wanted (place INTEGER PRIMARY KEY, anchor BLOB, item BLOB)"
FOUND = "SELECT place, score FROM wanted JOIN scores USING (anchor, item)"


@dataclass(frozen=True, eq=False)
class PairCache:
    """Scores of pairs by one model; the file is closed when the cache is no longer used.

    Attributes:
        path: the file; None = in memory, for this run alone.
        connection: open on it. Whoever uses it from several threads locks.
    """

    path: Path | None
    connection: sqlite3.Connection

    @classmethod
    def open(cls, folder: Path | None, identity: Mapping[str, str | int | None]) -> PairCache:
        """Open the file of a model; one that is damaged is deleted, which is said, and begun anew.

        Raises:
            FolderError: the folder cannot be written.
        """
        if folder is None:
            return cls._of(None, ":memory:")
        text = json.dumps(dict(identity), sort_keys=True)
        path = folder / "pairs" / f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.sqlite3"
        with durable.explained(folder), _explained(path):
            durable.make_folder(path.parent)
            try:
                return cls._of(path, str(path))
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                for file in (path, path.with_name(f"{path.name}-journal")):
                    durable.remove(file)
                warnings.warn(f"{path}: the stored scores are damaged; all pairs are scored again", stacklevel=2)
                return cls._of(path, str(path))

    @classmethod
    def _of(cls, path: Path | None, name: str) -> PairCache:
        connection = _connected(name)
        cache = cls(path, connection)
        weakref.finalize(cache, connection.close)
        return cache

    def get(self, anchors: Digests, items: Digests) -> Float32:
        """Look pairs up by the hashes of their texts: float32[P], NaN where a pair is not known."""
        scores = np.full(len(anchors), np.nan, np.float32)
        with _explained(self.path), self.connection:
            self.connection.execute("DELETE FROM wanted")
            rows = zip(range(len(anchors)), _blobs(anchors), _blobs(items), strict=True)
            self.connection.executemany("INSERT INTO wanted VALUES (?, ?, ?)", rows)
            for place, score in self.connection.execute(FOUND):
                scores[place] = score
        return scores

    def put(self, anchors: Digests, items: Digests, scores: Float32) -> None:
        """Store scores, durably."""
        rows = zip(_blobs(anchors), _blobs(items), scores.astype(np.float64).tolist(), strict=True)
        with _explained(self.path), self.connection:
            self.connection.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?)", rows)


def _connected(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=WAIT_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(TABLE)
        connection.execute(WANTED)
        connection.commit()
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _blobs(digests: Digests) -> list[bytes]:
    """Give hashes as bytes; NumPy would cut zeros off their ends."""
    return [bytes(row) for row in np.ascontiguousarray(digests).view(f"V{digests.dtype.itemsize}")]


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise FolderError(
            f"{path}: {error}; free some space, make the folder writable, or choose another cache; what was scored is "
            "kept"
        ) from error
    except sqlite3.DatabaseError as error:
        raise FolderError(f"{path}: is damaged: {error}; delete it, and its pairs are scored again") from error
