"""A finished result read back, and its candidates as a provider: what was judged is judged again without searching."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foils.calibrators import Calibrator, calibrated
from foils.candidates import Candidates, Kind
from foils.errors import FolderError, InputError
from foils.mining import tables
from foils.mining.folder import read_identity, read_manifest
from foils.mining.identity import FORMAT, MAX_STORED_CANDIDATES, Identity
from foils.positives import Int64, Units
from foils.recipes import Recipe, from_resolved


@dataclass(frozen=True, eq=False)
class Result:
    """The files of a finished run.

    Attributes:
        path: the folder.
    """

    path: Path

    def __post_init__(self) -> None:
        """Check that the folder holds a finished result.

        Raises:
            FolderError: it does not, or it was written in another version of the format.
        """
        there = read_identity(self.path)
        if there is None:
            raise FolderError(f"{self.path} is not a result of foils mine; give the folder that --out named")
        if there["format"] != FORMAT:
            raise FolderError(
                f"{self.path} is in version {there['format']} of the folder's format, and this foils reads version "
                f"{FORMAT}; mine again, or install the foils that wrote it"
            )
        if not read_manifest(self.path).complete:
            raise FolderError(f"{self.path}: the run is not finished; run the same command again to go on")

    @cached_property
    def identity(self) -> Identity:
        """What the result follows from.

        Raises:
            FolderError: identity.json is broken.
        """
        try:
            return msgspec.convert(read_identity(self.path), Identity)
        except msgspec.ValidationError as error:
            raise FolderError(f"{self.path}/identity.json cannot be read: {error}; mine again with --fresh") from error

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe, under the name it was mined by."""
        return from_resolved(self.identity.recipe, self.stats["recipe"])

    @cached_property
    def stats(self) -> dict[str, Any]:
        """Counts, warnings, time and memory."""
        path = self.path / "stats.json"
        with _readable(path):
            data: dict[str, Any] = msgspec.json.decode(path.read_bytes())
            return data

    def negatives(self, columns: list[str] | None = None) -> pa.Table:
        """Read negatives.parquet, or some of its columns."""
        return _read(self.path / "negatives.parquet", columns)

    def candidates(self, columns: list[str] | None = None) -> pa.Table:
        """Read candidates.parquet, or some of its columns.

        Raises:
            InputError: they were too many to be stored.
        """
        return _read(self._stored(), columns)

    @cached_property
    def shard(self) -> Callable[[int], pa.Table]:
        """Reader of the candidates of one shard, by its number; it keeps what it read last.

        Raises:
            InputError: they were too many to be stored.
        """
        path = self._stored()

        def read(number: int) -> pa.Table:
            with _readable(path):
                return _open(path).read_row_group(number)

        return lru_cache(maxsize=2)(read)

    def blocks(self, anchors: Int64 | None = None) -> Iterator[Candidates]:
        """Read the candidates of a shard at a time, as they were judged; only units of some anchor rows, unless None.

        Raises:
            InputError: they were too many to be stored.
        """
        for number in range(-(-self.identity.units // self.identity.shard_units)):
            table = self.shard(number)
            if anchors is not None:
                table = table.take(pa.array(np.flatnonzero(np.isin(table["anchor"].to_numpy(), anchors))))
            if len(table):
                depth = int(np.max(table["searched_depth"].to_numpy()))
                yield tables.stored_candidates(table, depth, self.recipe.columns())

    def groups(self, name: Literal["negatives", "candidates"], columns: list[str]) -> Iterator[pa.Table]:
        """Read some columns of a table, a row group at a time.

        Raises:
            InputError: candidates were too many to be stored.
        """
        path = self._stored() if name == "candidates" else self.path / "negatives.parquet"
        with _readable(path), _open(path) as file:
            for number in range(file.metadata.num_row_groups):
                yield file.read_row_group(number, columns=columns)

    def drawn(self, number: int, columns: list[str] | None = None) -> pa.Table:
        """Read the negatives of one shard; None = all columns."""
        path = self.path / "negatives.parquet"
        with _readable(path):
            return _open(path).read_row_group(number, columns=columns)

    @cached_property
    def units(self) -> Units:
        """All units, in the order of the tables."""
        return tables.stored_units(self.candidates(["anchor", "unit_key", "positives"]))

    @cached_property
    def names(self) -> tables.Names:
        """Ids by row; anchors without a unit have none."""
        anchors = self.candidates(["anchor"])["anchor"].to_numpy()
        ids = np.full(int(anchors.max()) + 1, None, object)
        ids[anchors] = self.negatives(["anchor_id"])["anchor_id"].to_numpy(zero_copy_only=False)
        items = _read(self.path / "items.parquet", None)["item_id"].combine_chunks()
        return tables.Names(pa.array(ids, pa.string()), items, self.recipe.per)

    def _stored(self) -> Path:
        path = self.path / "candidates.parquet"
        if not path.is_file():
            raise InputError(
                f"{self.path}: candidates were not stored (more than {MAX_STORED_CANDIDATES:,}); "
                "mine again to change the rules, to draw again, or to see why"
            )
        return path


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows of candidates.parquet as a provider of candidates; see ``Provider``."""

    table: pa.Table
    depth: int
    max_depth: int
    kinds: Mapping[str, Kind]
    calibrator: Calibrator | None

    @classmethod
    def of(cls, result: Result, recipe: Recipe, span: slice) -> Stored:
        """Take some units of one shard."""
        number, start = divmod(span.start, result.identity.shard_units)
        table = result.shard(number).slice(start, span.stop - span.start)
        calibrator = None if recipe.p_positive is None else recipe.p_positive.fields
        return cls(table, *recipe.source.fields.depths(result.identity.negatives), recipe.columns(), calibrator)

    def reach(self, rows: Int64) -> Int64:
        """As deep as was searched."""
        return np.asarray(self.table["searched_depth"].to_numpy(), dtype=np.int64)[rows]

    def candidates(self, rows: Int64, depth: int) -> Candidates:
        """Give what was stored down to ``depth``, with ``p_positive`` said anew."""
        found = tables.stored_candidates(self.table.take(pa.array(rows)), depth, self.kinds)
        return calibrated(found, self.calibrator)


def _read(path: Path, columns: list[str] | None) -> pa.Table:
    """Read one file; the names of the folders above it mean nothing."""
    with _readable(path):
        return _open(path).read(columns)


def _open(path: Path) -> pq.ParquetFile:
    """Open a file so that damaged pages are noticed when they are read."""
    return pq.ParquetFile(path, page_checksum_verification=True)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid, msgspec.DecodeError) as error:
        raise FolderError(
            f"{path} cannot be read: {error}; run the command that made it again, which makes it anew"
        ) from error
