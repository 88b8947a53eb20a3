"""The result folder: whose it is, what of it is finished, and the join at the end.

While a run goes on, ``shards/`` holds finished shards and ``journal.jsonl`` their checksums. At the end they are joined
into one file per table, then ``manifest.json`` says ``complete``, and last the journal and ``shards/`` go. A file is
there whole or not at all (but for the journal's last line), and nothing is listed before it is on disk, so whatever a
kill leaves behind, the next run finds out what is finished and goes on.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from foils import _durable as durable
from foils.errors import FolderError, InputError
from foils.mining import counts, journal, row_groups
from foils.mining.counts import Counts
from foils.mining.identity import FORMAT, Identity, other_budget, other_run
from foils.mining.journal import Shard
from foils.mining.memory import Effort
from foils.mining.tables import ITEMS_OF_A_GROUP, PARQUET

LOCK = ".foils.lock"
TABLES = ("negatives", "candidates")
OURS = ("manifest.json", "journal.jsonl", "stats.json", "items.parquet", *(f"{name}.parquet" for name in TABLES))
"""What a run writes beside identity.json, the manifest first: without it nothing else counts."""


class Manifest(msgspec.Struct, frozen=True):
    """Whether a folder is finished, and the SHA-256 of each table then."""

    format: int = FORMAT
    complete: bool = False
    tables: dict[str, str] = {}


class Finished(NamedTuple):
    """What of a run is finished: all of it, or shards by number."""

    complete: bool
    shards: dict[str, Shard]


@dataclass(frozen=True)
class Folder:
    """An output folder that this process holds."""

    path: Path

    @property
    def shards(self) -> Path:
        """Where finished shards lie while a run goes on."""
        return self.path / "shards"

    @property
    def journal(self) -> Path:
        """What says which these are."""
        return self.path / "journal.jsonl"

    @classmethod
    @contextmanager
    def held(cls, path: Path) -> Iterator[Folder]:
        """Make the folder and hold its lock.

        Raises:
            FolderError: it is a file, belongs to something else, is in use, or cannot be written.
        """
        refuse_foreign(path)
        with durable.explained(path):
            durable.make_folder(path)
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

    def begin(self, identity: Identity, *, fresh: bool, cached: bool = False) -> Finished:
        """Start, or take up what an earlier run of the same identity finished.

        With another budget, what holds pairs that the earlier one left without a score is not finished.

        Args:
            identity: of this run.
            fresh: discard what an earlier run left.
            cached: whether scores are kept in a cache, so that only those pairs are asked about again.

        Raises:
            FolderError: the folder belongs to a run of another identity; the message says in what they differ.
        """
        with durable.explained(self.path):
            there = read_identity(self.path)
            if fresh:
                self._discard()
            if fresh or there is None:
                durable.write_json(self.path / "identity.json", identity)
                return Finished(complete=False, shards={})
            refuse_other(self.path, there, identity.data())
            if other_budget(there, identity.data()):
                self._leave_out_unscored(cached=cached)
            if there != identity.data():  # only where a service is asked, how, and for how much
                durable.write_json(self.path / "identity.json", identity)
            if self._is_complete(read_manifest(self.path)):
                return Finished(complete=True, shards={})
            return Finished(complete=False, shards=self._sound_shards())

    def write_shard(self, name: str, tables: Mapping[str, pa.Table], counts: Counts, effort: Effort) -> Shard:
        """Write the tables of one shard, then enter it in the journal."""
        with durable.explained(self.path):
            durable.make_folder(self.shards)
            checksums = {}
            for table, rows in tables.items():
                encoded = memoryview(parquet(rows))
                checksums[table] = durable.digest(encoded)
                durable.write_bytes(self._shard_path(table, name), encoded)
            shard = Shard(name, checksums, counts, effort)
            journal.add(self.journal, shard)
            return shard

    def join(self, shards: Mapping[str, Shard], items: pa.Array) -> dict[str, str]:
        """Join the shards into one file per table and write the items' ids.

        Returns:
            SHA-256 of each table.

        Raises:
            FolderError: a shard is not as it was written.
        """
        with durable.explained(self.path):
            names = sorted(shards, key=int)
            tables = {}
            for table in shards[names[0]].checksums:
                files = [(self._shard_path(table, name), shards[name].checksums[table]) for name in names]
                path = self.path / f"{table}.parquet"
                durable.write_file(path, partial(row_groups.join, files))
                tables[table] = durable.checksum(path)
            path = self.path / "items.parquet"
            durable.write_file(path, lambda unfinished: _write_ids(unfinished, items))
            return {**tables, "items": durable.checksum(path)}

    def complete(self, tables: dict[str, str], stats: dict[str, Any]) -> None:
        """Write the statistics and say that the folder is complete."""
        with durable.explained(self.path):
            durable.write_json(self.path / "stats.json", stats)
            durable.write_json(self.path / "manifest.json", Manifest(complete=True, tables=tables))

    def clear(self) -> None:
        """Delete shards, finished and half-written; what a stranger put there stays."""
        for path in (self.journal, durable.part_of(self.journal)):
            durable.remove(path)
        if not self.shards.is_dir():
            return
        with durable.explained(self.path):
            for table in TABLES:
                for pattern in (f"{table}-*.parquet", f".{table}-*.parquet.part"):
                    for path in self.shards.glob(pattern):
                        durable.remove(path)
            if not any(self.shards.iterdir()):
                self.shards.rmdir()

    def _leave_out_unscored(self, *, cached: bool) -> None:
        """Discard the tables, or the shards, in which pairs were left without a score.

        Raises:
            FolderError: there are some, and their other pairs would be asked about anew, too.
        """
        whole = read_manifest(self.path).complete
        shards = {} if whole else self._sound_shards()
        scored = [shard for shard in shards.values() if not counts.left_unscored(shard.counts)]
        left = any(_stats(self.path).get("unscored_pairs", {}).values()) if whole else len(scored) < len(shards)
        if not left:
            return
        if not cached:
            raise FolderError(
                f"{self.path}: to go on with another budget takes a cache of the answers (leave --no-cache out, or "
                "cache=False); without one, begin anew and ask about all pairs again (--fresh, or fresh=True)"
            )
        if whole:
            self._discard()
        else:
            journal.rewrite(self.journal, scored)

    def _discard(self) -> None:
        """Delete what is ours but identity.json, so that the folder stays known as ours until it is signed anew."""
        for name in OURS:
            durable.remove(self.path / name)
            durable.remove(durable.part_of(self.path / name))
        self.clear()

    def _shard_path(self, table: str, name: str) -> Path:
        return self.shards / f"{table}-{name}.parquet"

    def _is_complete(self, manifest: Manifest) -> bool:
        """Tell whether the run ended, and left all its files as they are."""
        files = {self.path / f"{name}.parquet": sha for name, sha in manifest.tables.items()}
        return manifest.complete and _sound(files) and (self.path / "stats.json").is_file()

    def _sound_shards(self) -> dict[str, Shard]:
        """Find the shards that are as they were written, and see to it that the journal lists no others."""
        listed, whole = journal.read(self.journal)
        shards = {
            shard.name: shard
            for shard in listed
            if _sound({self._shard_path(table, shard.name): sha for table, sha in shard.checksums.items()})
        }
        if not whole or len(shards) < len(listed):
            journal.rewrite(self.journal, shards.values())
        return shards


class Temporary:
    """A folder that goes when nobody holds this any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="foils-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def parquet(table: pa.Table) -> pa.Buffer:
    """Encode a table as a file of one row group."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(len(table), 1), **PARQUET)
    return sink.getvalue()


def _write_ids(path: Path, items: pa.Array) -> None:
    schema = pa.schema({"item_id": pa.string()})
    with pq.ParquetWriter(path, schema, **PARQUET) as writer:
        for start in range(0, len(items), ITEMS_OF_A_GROUP):
            part = items.slice(start, ITEMS_OF_A_GROUP).cast(pa.string())  # all at once may exceed 2 GiB
            writer.write_table(pa.table([part], schema=schema))


def chosen_or_temporary(out: str | Path | None) -> tuple[Path, Temporary | None]:
    """Give the folder that was asked for, or a temporary one and what keeps it."""
    if isinstance(out, str | os.PathLike):
        return Path(out), None
    if out is not None:
        raise InputError(f"out is {out!r:.80}; expected the path of a folder, as in out='runs/a'")
    temporary = Temporary()
    return temporary.path, temporary


def refuse_foreign(path: Path) -> None:
    """Raise a FolderError if the path holds something that foils did not write."""
    with durable.explained(path):
        if path.exists() and not path.is_dir():
            raise FolderError(f"{path} is a file; give a folder as --out")
        begun = {LOCK, ".identity.json.part"}  # a run that was killed before it could sign the folder
        entries = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
        # The signature is looked for last, because another run may be writing one right now.
        if entries - begun and read_identity(path) is None:
            raise FolderError(
                f"{path} is not empty and not a result of foils (it holds {min(entries - begun)!r}); "
                "choose another --out"
            )


def refuse_other(path: Path, there: dict[str, Any], now: dict[str, Any]) -> None:
    """Raise a FolderError that says in what a run differs from the one that the folder belongs to, if it does."""
    changed = other_run(there, now)
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(
            f"{path} holds a run that differs in:\n  {listed}\n"
            "choose another folder (--out), or discard it (--fresh, or fresh=True)"
        )


def read_identity(path: Path) -> dict[str, Any] | None:
    """Read identity.json of a result folder; None if it has none of ours."""
    try:
        data = msgspec.json.decode((path / "identity.json").read_bytes())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, msgspec.DecodeError):
        return None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror}; give another folder") from error
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
    except (OSError, msgspec.DecodeError) as error:
        mend = "discard the folder (--fresh, or fresh=True)"
        raise FolderError(f"{path}/manifest.json cannot be read: {error}; {mend}") from error


def _stats(path: Path) -> dict[str, Any]:
    """Read stats.json of a finished folder; nothing of one that lost it, which is mined again anyway."""
    try:
        stats: dict[str, Any] = msgspec.json.decode((path / "stats.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return {}
    return stats


def _sound(files: Mapping[Path, str]) -> bool:
    """Tell whether all these files are there with these checksums, and say which are not."""
    damaged = [path for path, sha in files.items() if not path.is_file() or durable.checksum(path) != sha]
    for path in damaged:
        state = "damaged since it was written (its SHA-256 sum differs)" if path.is_file() else "gone"
        warnings.warn(f"{path}: {state}; it is made again", stacklevel=2)
    return not damaged
