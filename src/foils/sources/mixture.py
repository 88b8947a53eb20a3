"""Several sources as one: their lists fused, each item once, with each source's own score.

A source's column holds NaN for what that source did not return; a column that all candidates have is a scorer's
(``scorers: [{vectors: {}}]``). The column ``source`` names the source that ranked an item best, ``rank`` is the place
in the fused list. The mixture is as deep as its sources' ``k`` together, and each source is looked into as deep, or
down to its own ``max_depth``: so one that runs dry leaves its room to the others.

A mixture with a random source draws once, as such a source does: each gives its ``k``, and the pool is all of it. An
item that a search found is in the pool for certain, any other by the law of its draw. Two random sources have no such
law, and ``log_q`` is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates, Column, Kind
from foils.errors import RecipeError, did_you_mean
from foils.positives import PAIR_BITS, Int64, Units
from foils.search import Inputs
from foils.sources.bm25 import BM25
from foils.sources.dense import Dense
from foils.sources.fusing import RRF, Fuse
from foils.sources.hnsw import HNSW
from foils.sources.in_batch import InBatch
from foils.sources.ivf import IVF
from foils.sources.popularity import Popularity
from foils.sources.provided import Provided
from foils.sources.ragged import Cells
from foils.sources.run import Run
from foils.sources.uniform import Uniform

Part = Dense | HNSW | IVF | BM25 | Run | Provided | Uniform | Popularity | InBatch
MOST_PARTS = 100


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One source by name, as in {dense: {k: 50}}."""

    dense: Dense | None = None
    hnsw: HNSW | None = None
    ivf: IVF | None = None
    bm25: BM25 | None = None
    run: Run | None = None
    provided: Provided | None = None
    uniform: Uniform | None = None
    popularity: Popularity | None = None
    in_batch: InBatch | None = None

    def __post_init__(self) -> None:
        """Check that there is exactly one."""
        if sum(getattr(self, name) is not None for name in self.__struct_fields__) != 1:
            raise RecipeError("expected one source by name and its fields, as in {dense: {}}")

    @property
    def fields(self) -> Part:
        """The fields of the source."""
        part: Part = next(fields for fields in (getattr(self, name) for name in self.__struct_fields__) if fields)
        return part

    @property
    def name(self) -> str:
        """What the source and its column are called."""
        kind = next(name for name in self.__struct_fields__ if getattr(self, name) is not None)
        return str(getattr(self.fields, "name", kind))


class Mixture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several sources, fused by quotas or by reciprocal ranks."""

    partial: ClassVar[bool] = True
    """Its columns hold NaN for what a source did not return."""

    of: tuple[One, ...]
    """The sources, as in [{dense: {k: 50}}, {bm25: {k: 50}}]."""
    fuse: Fuse = Fuse(rrf=RRF())
    """How their lists become one: {rrf: {c: 60}}, or {quotas: {dense: 2, bm25: 1}}."""

    def __post_init__(self) -> None:
        """Check that the sources can be told apart, and that each has a quota."""
        names = [one.name for one in self.of]
        if not 2 <= len(names) <= MOST_PARTS:
            raise RecipeError(f"of holds {len(names)} sources; expected 2 to {MOST_PARTS}")
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise RecipeError(f"of holds {twice} twice; two dense sources need names, as in {{dense: {{name: other}}}}")
        for name in self.fuse.quotas or {}:
            if name not in names:
                raise RecipeError(f"fuse.quotas: there is no source {name!r}; {did_you_mean(name, names)}")
        without = [name for name in names if self.fuse.quotas is not None and name not in self.fuse.quotas]
        if without:
            raise RecipeError(f"fuse.quotas: {', '.join(without)} has no quota; give each source one")

    @property
    def random(self) -> bool:
        """Whether one of the sources draws at random."""
        return any(one.fields.random for one in self.of)

    def columns(self) -> Mapping[str, Kind]:
        """The columns of all sources."""
        return {name: kind for one in self.of for name, kind in one.fields.columns().items()}

    def reads(self) -> tuple[str, ...]:
        """The vectors that any of them reads."""
        return tuple(dict.fromkeys(name for one in self.of for name in one.fields.reads()))

    def depths(self, negatives: int) -> tuple[int, int]:
        """The depths of all sources together; with a random one, once."""
        first, last = (sum(depths) for depths in zip(*self._depths(negatives), strict=True))
        return first, last

    def check(self, inputs: Inputs) -> None:
        """Let each look at what it will read."""
        for one in self.of:
            one.fields.check(inputs)

    def digests(self, inputs: Inputs) -> Mapping[str, str]:
        """Name what any of them reads besides the collection and vectors."""
        digests: dict[str, str] = {}
        for one in self.of:
            if isinstance(one.fields, BM25 | HNSW | IVF | Run):
                digests.update(one.fields.digests(inputs))
        return digests

    def open(self, inputs: Inputs) -> OpenMixture:
        """Open all of them."""
        opened = tuple(one.fields.open(inputs) for one in self.of)
        draws = tuple(one.fields.random for one in self.of)
        return OpenMixture(tuple(one.name for one in self.of), opened, draws, self._depths(inputs.negatives), self.fuse)

    def _depths(self, negatives: int) -> tuple[tuple[int, int], ...]:
        depths = tuple(one.fields.depths(negatives) for one in self.of)
        return tuple((first, first) for first, _ in depths) if self.random else depths


@dataclass(frozen=True, eq=False)
class OpenMixture:
    """A mixture of open sources.

    Attributes:
        names: of the sources.
        opened: the sources.
        draws: which of them draw at random.
        depths: how deep each is looked into at first, and at most.
        fuse: how their lists become one.
    """

    names: tuple[str, ...]
    opened: tuple[Any, ...]
    draws: tuple[bool, ...]
    depths: tuple[tuple[int, int], ...]
    fuse: Fuse

    def retrieve(self, units: Units, depth: int) -> Candidates:
        """Look into all sources and fuse what they give."""
        windows = self._windows(depth)
        lists = [source.retrieve(units, int(k)) for source, k in zip(self.opened, windows[-1], strict=True)]
        pool = _Pool.of(lists, windows)
        first, second = self.fuse.keys(pool.ranks, pool.stages, self.names)
        order = np.lexsort((pool.items, pool.best_ranks().min(axis=1), second, first, pool.rows))
        pool = pool.take(order)
        cells = Cells.of(pool.rows, len(units), depth)
        log_q = cells.filled(self._log_q(pool, lists, depth), np.nan)
        found = Candidates.listed(units, cells.filled(pool.items, -1), self.names[0], log_q)
        source = Column(cells.filled(self._first(pool), 0))
        columns = {**found.columns, "source": source}
        for place, candidates in enumerate(lists):
            for name in candidates.scored():
                column = candidates.columns[name]
                values = cells.filled(pool.values(column.values, place), np.nan)
                columns[name] = Column(values, column.kind, column.positives)
        return Candidates(units, found.items, columns, self.names)

    def facts(self) -> Mapping[str, Any]:
        """Join what the sources have to say."""
        told = [source.facts() for source in self.opened if hasattr(source, "facts")]
        joined = {name: value for facts in told for name, value in facts.items() if name != "warnings"}
        return {**joined, "warnings": [text for facts in told for text in facts.get("warnings", ())]}

    def _windows(self, depth: int) -> Int64:
        """int64[T, S], how deep each source is looked into: as deep as the mixture at first, then doubled."""
        first, last = np.array(self.depths).T
        rows = [np.minimum(first.sum(), last)]
        while first.sum() << (len(rows) - 1) < depth and (rows[-1] < last).any():
            rows.append(np.minimum(first.sum() << len(rows), last))
        return np.stack(rows)

    def _first(self, pool: _Pool) -> npt.NDArray[np.int8]:
        """Say which source ranked each item best; trusted negatives stay trusted, whoever else found them."""
        source: Int64 = pool.best_ranks().argmin(axis=1)
        if "provided" in self.names:
            provided = self.names.index("provided")
            source = np.where(pool.ranks[:, provided] > 0, provided, source)
        codes: npt.NDArray[np.int8] = source.astype(np.int8)
        return codes

    def _log_q(self, pool: _Pool, lists: Sequence[Candidates], depth: int) -> npt.NDArray[np.float32]:
        """Give the law of each item: that of a search which found it, else that of the only draw there is."""
        laws = np.stack(
            [pool.values(found.columns["log_q"].values, place) for place, found in enumerate(lists)], axis=1
        )
        draws = np.array(self.draws)
        certain = ((laws == 0) & ~draws).any(axis=1)
        if not draws.any():
            return np.where(certain, np.float32(0), np.float32(np.nan))
        only = laws[:, draws][:, 0] if draws.sum() == 1 else np.full(len(laws), np.nan, np.float32)
        unlawful = (pool.ranks[:, ~draws] > 0).any(axis=1)  # listed by a source that is neither a draw nor a search
        lengths = np.bincount(pool.rows)
        cut = lengths[pool.rows] > depth
        law = np.where(certain, np.float32(0), np.where(unlawful, np.float32(np.nan), only))
        return np.where(cut, np.float32(np.nan), law)


@dataclass(frozen=True, eq=False)
class _Pool:
    """What any source found for any unit, each item once.

    Attributes:
        rows: int64[G], the unit's place.
        items: int64[G].
        ranks: int64[G, S], its rank in each source's list; 0 = not in it, or only deeper than where it was first seen.
        stages: int64[G], in which doubling of the depth it was first seen.
    """

    rows: Int64
    items: Int64
    ranks: Int64
    stages: Int64

    @classmethod
    def of(cls, lists: Sequence[Candidates], windows: Int64) -> _Pool:
        """Join lists.

        Args:
            lists: one per source.
            windows: int64[T, S], the depths of each doubling.
        """
        found = [np.nonzero(candidates.items >= 0) for candidates in lists]
        keys = [(at[0] << PAIR_BITS) | candidates.items[at] for at, candidates in zip(found, lists, strict=True)]
        pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
        ranks = np.zeros((len(pairs), len(lists)), np.int64)
        sources = np.repeat(np.arange(len(lists)), [len(key) for key in keys])
        ranks[place, sources] = np.concatenate([at[1] for at in found]) + 1
        seen = np.where(ranks > 0, (ranks[:, None, :] > windows).sum(axis=1), len(windows))
        stages = seen.min(axis=1, initial=len(windows))
        ranks = np.where(seen == stages[:, None], ranks, 0)
        return cls(pairs >> PAIR_BITS, pairs & ((1 << PAIR_BITS) - 1), ranks, stages)

    def take(self, order: Int64) -> _Pool:
        return _Pool(self.rows[order], self.items[order], self.ranks[order], self.stages[order])

    def best_ranks(self) -> Int64:
        """int64[G, S], the ranks with a large number where there is none."""
        return np.where(self.ranks > 0, self.ranks, np.iinfo(np.int64).max)

    def values(self, values: npt.NDArray[np.float32], place: int) -> npt.NDArray[np.float32]:
        """Look up one source's numbers: float32[G], NaN where it did not list the item."""
        there = np.flatnonzero(self.ranks[:, place])
        found = np.full(len(self.items), np.nan, np.float32)
        found[there] = values[self.rows[there], self.ranks[there, place] - 1]
        return found
