"""A finished result read back, and its candidates as a provider: what was judged can be judged again without searching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foils.candidates import Candidates, Kind
from foils.errors import FolderError, InputError
from foils.mining import tables
from foils.mining.folder import read_identity, read_manifest
from foils.mining.identity import Identity
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
            FolderError: it does not.
        """
        if read_identity(self.path) is None:
            raise FolderError(f"{self.path} is not a result of foils mine; give the folder that --out named")
        if not read_manifest(self.path).complete:
            raise FolderError(f"{self.path}: the run is not finished; run the same command again to go on")

    @cached_property
    def identity(self) -> Identity:
        """What the result follows from."""
        return msgspec.convert(read_identity(self.path), Identity)

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return from_resolved(self.identity.recipe, f"{self.path}/identity.json")

    @cached_property
    def stats(self) -> dict[str, Any]:
        """Counts, warnings, time and memory."""
        data: dict[str, Any] = msgspec.json.decode((self.path / "stats.json").read_bytes())
        return data

    def negatives(self) -> pa.Table:
        """Read negatives.parquet."""
        return pq.read_table(self.path / "negatives.parquet")

    def candidates(self, columns: list[str] | None = None) -> pa.Table:
        """Read candidates.parquet, or some of its columns.

        Raises:
            InputError: they were too many to be stored.
        """
        return pq.read_table(self._stored(), columns=columns)

    def shard(self, number: int) -> pa.Table:
        """Read the candidates of one shard."""
        return _row_group(self._stored(), number)

    @cached_property
    def units(self) -> Units:
        """All units, in the order of the tables."""
        return tables.stored_units(self.candidates(["anchor", "unit_key", "positives"]))

    @cached_property
    def names(self) -> tables.Names:
        """Ids by row; anchors without a unit have none."""
        anchors = self.candidates(["anchor"])["anchor"].to_numpy()
        ids = np.full(int(anchors.max()) + 1, None, object)
        ids[anchors] = self.negatives()["anchor_id"].to_numpy(zero_copy_only=False)
        items = pq.read_table(self.path / "items.parquet")["item_id"].combine_chunks()
        return tables.Names(pa.array(ids, pa.string()), items, self.recipe.per)

    def _stored(self) -> Path:
        path = self.path / "candidates.parquet"
        if not path.is_file():
            raise InputError(f"{self.path}: candidates were not stored (more than 10⁹); mine again to change the rules")
        return path


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows of candidates.parquet as a provider of candidates; see ``Provider``."""

    table: pa.Table
    depth: int
    max_depth: int
    kinds: Mapping[str, Kind]

    @classmethod
    def of(cls, result: Result, recipe: Recipe, block: slice) -> Stored:
        """Take a block of units, which lies within one shard."""
        size = result.identity.shard_units
        first = block.start // size
        table = result.shard(first).slice(block.start - first * size, block.stop - block.start)
        return cls(table, *recipe.source.fields.depths(result.identity.negatives), recipe.columns())

    def reach(self, rows: Int64) -> Int64:
        """As deep as was searched."""
        return np.asarray(self.table["searched_depth"].to_numpy(), dtype=np.int64)[rows]

    def candidates(self, rows: Int64, depth: int) -> Candidates:
        """Give what was stored down to ``depth``."""
        return tables.stored_candidates(self.table.take(pa.array(rows)), depth, self.kinds)


@lru_cache(maxsize=2)
def _row_group(path: Path, number: int) -> pa.Table:
    return pq.ParquetFile(path).read_row_group(number)
