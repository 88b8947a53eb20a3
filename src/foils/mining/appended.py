"""A dense source that takes an earlier search up: only items that were appended since are searched.

A canonical score follows from its pair alone, so the best D of N + M items are the best D among the best D of the first
N, which the earlier run stored, and the best D of the M that were appended. An anchor is searched in full where its
list is not deep enough, or where what is forbidden to it among the first N is not what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils import _segments as segments
from foils.candidates import Candidates, Kind
from foils.mining.stored import Result
from foils.mining.tables import stored_candidates
from foils.positives import Int64, Relation, Units
from foils.search import ExactIndex, SearchMode, Vectors, Work, choose_screen
from foils.search.shards import Shards
from foils.search.vectors import Float32, Matrix
from foils.sources.dense import OpenDense

Bool = npt.NDArray[np.bool_]
ALL = np.iinfo(np.int64).max

SPARE = 16
"""Appended items that are looked for beyond what a fair share would be, before looking for more."""


@dataclass(frozen=True, eq=False)
class Earlier:
    """The lists of an earlier run, by anchor.

    Attributes:
        result: the run.
        items: how many items it had.
        rows: int64[A], the row of candidates.parquet that holds an anchor's longest list.
        reach: int64[A], how deep a search the list answers; 0 = none, or none that holds any more.
    """

    result: Result
    items: int
    rows: Int64
    reach: Int64

    @classmethod
    def of(cls, result: Result, changed: Bool) -> Earlier:
        """Find the lists of a run, but for those of changed anchors: bool[A]."""
        table = result.candidates(["anchor", "searched_depth", "exhausted"])
        anchors, depths, exhausted = (column.to_numpy() for column in table.columns)
        depths = np.where(exhausted, ALL, depths.astype(np.int64))
        deepest = np.argsort(depths, kind="stable")  # the last of an anchor's units, which may be several pairs
        rows, reach = np.zeros((2, len(changed)), np.int64)
        rows[anchors[deepest]], reach[anchors[deepest]] = deepest, depths[deepest]
        return cls(result, len(result.names.items), rows, np.where(changed, 0, reach))

    def read(self, anchors: Int64) -> pa.Table:
        """Read the lists of these anchors, one row each: int64[A], ascending."""
        numbers, rows = np.divmod(self.rows[anchors], self.result.identity.shard_units)
        held = [(self.result.shard(number), rows[numbers == number]) for number in np.unique(numbers)]
        return pa.concat_tables([table.take(pa.array(some)) for table, some in held or [(self.result.shard(0), rows)]])


@dataclass(frozen=True, eq=False)
class Extended:
    """A dense source with an earlier run of it.

    Attributes:
        dense: searches all items.
        earlier: what is known of the first.
        appended: searches the others; their rows count from 0 here.
    """

    dense: OpenDense
    earlier: Earlier
    appended: ExactIndex

    @classmethod
    def of(cls, dense: OpenDense, earlier: Earlier, mode: SearchMode) -> Extended:
        """Bind a source to an earlier run; see ``choose_screen`` for the mode."""
        items = dense.vectors.items
        added = Vectors(rows_of(items.matrix, earlier.items, len(items)), items.similarity, items.what)
        work = Work.of(dense.vectors.anchors, int(earlier.reach.max(initial=1)), dense.blocks)
        screen, _ = choose_screen(added, work, mode, 0)
        return cls(dense, earlier, ExactIndex(added, dense.index.mineable[earlier.items :], screen))

    def within(self, units: Units) -> ExtendedShard:
        """Read the lists of some units' anchors."""
        anchors = np.unique(units.anchors)
        listed = anchors[self.earlier.reach[anchors] > 0]
        return ExtendedShard(self, listed, self.earlier.read(listed))

    def facts(self) -> Mapping[str, Any]:
        """Say what was searched in full, and how much was appended."""
        counts = {"items_before": self.earlier.items, "items_appended": len(self.appended.items)}
        return {**self.dense.facts(), "extended": counts}

    def width(self, depth: int) -> int:
        """Guess how many of the best ``depth`` were appended, with room to spare."""
        added = len(self.appended.items)
        return SPARE + 2 * depth * added // (self.earlier.items + added)

    def nearest(self, anchors: Int64, width: int) -> tuple[Int64, Float32]:
        """Search what was appended, as ``OpenDense.nearest`` searches all."""
        first, dense = self.earlier.items, self.dense
        if not width:
            return np.empty((len(anchors), 0), np.int64), np.empty((len(anchors), 0), np.float32)
        items, scores = self.appended.search(
            dense.vectors.anchors.read(anchors),
            width,
            self._barred.take(anchors),
            dense.blocks,
            lambda block: dense.forbidden.mask(anchors, _shifted(block, first)),
        )
        return np.where(items < 0, -1, items + first), scores

    @cached_property
    def _barred(self) -> Relation:
        return items_within(self.dense.forbidden.known, self.earlier.items, ALL)


@dataclass(frozen=True, eq=False)
class ExtendedShard:
    """The same for a shard of units, whose lists lie in memory.

    Attributes:
        extended: the source.
        listed: int64[L], the anchors that have a list, ascending.
        lists: a row of candidates.parquet for each of them.
    """

    extended: Extended
    listed: Int64
    lists: pa.Table

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Merge what is known with what was appended; search in full where too little is known."""
        dense = self.extended.dense
        anchors, places = np.unique(units.anchors, return_inverse=True)
        items, scores = np.empty((len(anchors), depth), np.int64), np.empty((len(anchors), depth), np.float32)
        known = self.extended.earlier.reach[anchors] >= depth
        if known.any():
            items[known], scores[known] = self._merged(anchors[known], depth, self.extended.width(depth))
        if not known.all():
            items[~known], scores[~known] = dense.nearest(anchors[~known], depth)
        return dense.listed(units, items[places], scores[places])

    def _merged(self, anchors: Int64, depth: int, width: int) -> tuple[Int64, Float32]:
        """Merge the lists with the best ``width`` of what was appended, and with more where all of these are wanted."""
        name, most = self.extended.dense.name, min(depth, len(self.extended.appended.items))
        width = min(width, most)
        rows = self.lists.take(pa.array(np.searchsorted(self.listed, anchors)))
        before = stored_candidates(rows, depth, {name: Kind.RATIO})
        added = self.extended.nearest(anchors, width)
        items = np.concatenate([before.items, added[0]], axis=1)
        scores = np.concatenate([before.columns[name].values, added[1]], axis=1)
        # What was appended has the higher rows, so this is the order by (−score, item row); NaN comes last.
        best = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        wanted = ((best == depth + width - 1) & (items[:, -1:] >= 0)).any(axis=1)
        items, scores = np.take_along_axis(items, best, axis=1), np.take_along_axis(scores, best, axis=1)
        if width < most and wanted.any():
            items[wanted], scores[wanted] = self._merged(anchors[wanted], depth, 4 * width)
        return items, scores


def items_within(relation: Relation, start: int, stop: int) -> Relation:
    """Keep the items of a range of rows, counted from its start."""
    rows, items = relation.coordinates()
    inside = (items >= start) & (items < stop)
    degrees = np.bincount(rows[inside], minlength=len(relation.indptr) - 1)
    return Relation(segments.bounds(degrees), items[inside] - start)


def _shifted(rows: slice | Int64, by: int) -> slice | Int64:
    return slice(rows.start + by, rows.stop + by) if isinstance(rows, slice) else rows + by


def rows_of(matrix: Matrix, start: int, stop: int) -> Matrix:
    """Give rows of a matrix without a copy."""
    if not isinstance(matrix, Shards):
        return matrix[start:stop]
    pairs = zip(matrix.parts, matrix.starts.tolist(), strict=False)
    parts = [part[max(start - first, 0) : max(stop - first, 0)] for part, first in pairs]
    return Shards(tuple(part for part in parts if len(part)) or tuple(parts[:1]))
