"""The result folder: whose it is, what of it is finished, and the join at the end.

While a run goes on, ``shards/`` holds finished shards and ``manifest.json`` their checksums; at the end they are joined into one
file per table, ``manifest.json`` says ``complete`` and ``shards/`` is gone. A file is there whole or not at all, so whatever a
kill leaves behind, the next run finds out what is finished and goes on.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from foils.errors import FolderError
from foils.mining import durable
from foils.mining.identity import FORMAT, Identity, differences
from foils.mining.tables import PARQUET

LOCK = ".foils.lock"
TABLES = ("negatives", "candidates")
OURS = ("identity.json", "manifest.json", "stats.json", "items.parquet", *(f"{name}.parquet" for name in TABLES))


class Shard(msgspec.Struct, frozen=True):
    """A finished shard: SHA-256 per table, and its counts."""

    checksums: dict[str, str]
    counts: dict[str, float]


class Manifest(msgspec.Struct, frozen=True):
    """What of a folder is finished."""

    format: int = FORMAT
    complete: bool = False
    shards: dict[str, Shard] = msgspec.field(default_factory=dict)
    tables: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Folder:
    """An output folder that this process holds."""

    path: Path
    shards: Path = field(init=False)

    def __post_init__(self) -> None:
        """Name the folder of the shards."""
        object.__setattr__(self, "shards", self.path / "shards")

    @classmethod
    @contextmanager
    def held(cls, path: Path) -> Iterator[Folder]:
        """Make the folder and hold its lock.

        Raises:
            FolderError: it is a file, belongs to something else, is in use, or cannot be written.
        """
        refuse_foreign(path)
        with durable.explained(path):
            path.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(path / LOCK, timeout=0)
            try:
                lock.acquire()
            except filelock.Timeout:
                raise FolderError(
                    f"{path}: another run is writing here; wait for it, or choose another --out"
                ) from None
        try:
            yield cls(path)
        finally:
            lock.release()

    def identity(self) -> dict[str, Any] | None:
        """Read what run the folder belongs to; None if none has begun."""
        return read_identity(self.path)

    def begin(self, identity: Identity) -> Manifest:
        """Start, or take up what an earlier run of the same identity finished.

        Raises:
            FolderError: the folder belongs to a run of another identity; the message says in what they differ.
        """
        there = self.identity()
        if there is None:
            durable.write_json(self.path / "identity.json", identity)
            self.shards.mkdir()
            return Manifest()
        changed = differences(there, identity.data())
        if changed:
            listed = "\n  ".join(changed)
            raise FolderError(
                f"{self.path} holds a run that differs in:\n  {listed}\nchoose another --out, or discard it with --fresh"
            )
        self.shards.mkdir(exist_ok=True)
        return self._checked(read_manifest(self.path))

    def discard(self) -> None:
        """Delete the files of ours, and nothing else."""
        for name in OURS:
            (self.path / name).unlink(missing_ok=True)
            durable.part_of(self.path / name).unlink(missing_ok=True)
        self._drop_shards()

    def write_shard(self, manifest: Manifest, name: str, tables: Mapping[str, pa.Table], counts: dict[str, float]) -> Manifest:
        """Write the tables of one shard, then enter it in the manifest."""
        checksums = {}
        for table, rows in tables.items():
            path = self.shards / f"{table}-{name}.parquet"
            durable.write_file(path, lambda partial, rows=rows: pq.write_table(rows, partial, **PARQUET))  # type: ignore[misc]
            checksums[table] = durable.checksum(path)
        manifest = Manifest(shards={**manifest.shards, name: Shard(checksums, counts)})
        durable.write_json(self.path / "manifest.json", manifest)
        return manifest

    def join(self, manifest: Manifest, items: pa.Array) -> Manifest:
        """Join the shards into one file per table, write the items' ids, and say that the folder is complete."""
        tables = {}
        for table in sorted({table for shard in manifest.shards.values() for table in shard.checksums}):
            paths = [self.shards / f"{table}-{name}.parquet" for name in sorted(manifest.shards)]
            tables[table] = self._write_table(table, paths)
        ids = pa.table({"item_id": items.cast(pa.string())})
        path = self.path / "items.parquet"
        durable.write_file(path, lambda partial: pq.write_table(ids, partial, row_group_size=65536, **PARQUET))
        manifest = Manifest(
            complete=True, shards=manifest.shards, tables={**tables, "items": durable.checksum(path)}
        )
        durable.write_json(self.path / "manifest.json", manifest)
        return manifest

    def finish(self) -> None:
        """Remove the shards, which are joined."""
        self._drop_shards()

    def _write_table(self, table: str, shards: list[Path]) -> str:
        def write(partial: Path) -> None:
            schema = pq.read_schema(shards[0])
            with pq.ParquetWriter(partial, schema, **PARQUET) as writer:
                for shard in shards:
                    rows = pq.read_table(shard)
                    writer.write_table(rows, row_group_size=max(len(rows), 1))

        path = self.path / f"{table}.parquet"
        durable.write_file(path, write)
        return durable.checksum(path)

    def _checked(self, manifest: Manifest) -> Manifest:
        """Leave out of the manifest what is no longer as it was written."""
        if manifest.complete:
            sound = all(self._sound(self.path / f"{name}.parquet", sha) for name, sha in manifest.tables.items())
            if sound:
                return manifest
        shards = {
            name: shard
            for name, shard in manifest.shards.items()
            if all(
                self._sound(self.shards / f"{table}-{name}.parquet", sha) for table, sha in shard.checksums.items()
            )
        }
        return Manifest(shards=shards)

    def _sound(self, path: Path, sha: str) -> bool:
        return path.is_file() and durable.checksum(path) == sha

    def _drop_shards(self) -> None:
        if not self.shards.is_dir():
            return
        for table in TABLES:
            for path in [*self.shards.glob(f"{table}-*.parquet"), *self.shards.glob(f".{table}-*.parquet.part")]:
                path.unlink()
        if not any(self.shards.iterdir()):
            self.shards.rmdir()


def chosen_or_temporary(out: str | Path | None) -> tuple[Path, tempfile.TemporaryDirectory[str] | None]:
    """Give the folder that was asked for, or a temporary one that goes when nobody holds it any more."""
    if out is not None:
        return Path(out), None
    temporary = tempfile.TemporaryDirectory(prefix="foils-")
    return Path(temporary.name), temporary


def refuse_foreign(path: Path) -> None:
    """Raise a FolderError if the path holds something that foils did not write."""
    if path.exists() and not path.is_dir():
        raise FolderError(f"{path} is a file; give a folder as --out")
    if not path.is_dir() or read_identity(path) is not None:
        return
    begun = {LOCK, ".identity.json.part"}  # a run that was killed before it could sign the folder
    foreign = sorted(entry.name for entry in path.iterdir() if entry.name not in begun)
    if foreign:
        raise FolderError(
            f"{path} is not empty and not a result of foils (it holds {foreign[0]!r}); choose another --out"
        )


def read_identity(path: Path) -> dict[str, Any] | None:
    """Read identity.json of a result folder; None if it has none of ours."""
    try:
        data = msgspec.json.decode((path / "identity.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return data if isinstance(data, dict) and "recipe" in data and "format" in data else None


def read_manifest(path: Path) -> Manifest:
    """Read manifest.json; an empty one where no shard was finished yet.

    Raises:
        FolderError: it is broken.
    """
    try:
        return msgspec.json.decode((path / "manifest.json").read_bytes(), type=Manifest)
    except FileNotFoundError:
        return Manifest()
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as error:
        raise FolderError(f"{path}/manifest.json cannot be read: {error}; discard the folder with --fresh") from error
