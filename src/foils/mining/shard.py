"""Settle one shard: blocks of its units on worker threads, round by round, into rows of the tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from foils.mining import counts, tables
from foils.mining.identity import Identity
from foils.mining.settle import Provider, deeper, settle
from foils.mining.tables import Names
from foils.positives import Int64, Units
from foils.recipes import Recipe

Forbidden = Callable[[Int64], Int64]
"""int64[R] units by place → int64[R], how many items lists and constraints forbid each, beyond known positives."""

Providers = Callable[[slice], Sequence[tuple[Provider, Int64]]]
"""Slice of units → who gives the candidates of which of its rows."""

Tables = dict[str, pa.Table]


@dataclass(frozen=True, eq=False)
class Job:
    """All that a run needs.

    Attributes:
        identity: what the result follows from.
        recipe: the parts, for judging and drawing.
        names: ids of anchors and items.
        units: what gets negatives, in the order of the tables.
        excluded: int64[U], how many known positives were excluded per unit.
        forbidden: how many further items lists and constraints forbid; counted per block.
        providers: who gives the candidates.
        first_block: units of a block at the first look.
        unit_block: units of a block that is looked at deeper.
        facts: further statistics (anchors without positives, items with empty text, …), asked for when all is done.
        stop: called when the run ends early, so that nobody waits for what is begun no more.
        cached: whether what judges answer is kept for other runs.
    """

    identity: Identity
    recipe: Recipe
    names: Names
    units: Units
    excluded: Int64
    forbidden: Forbidden
    providers: Providers
    first_block: int
    unit_block: int
    facts: Callable[[], Mapping[str, Any]]
    stop: Callable[[], object] = lambda: None
    cached: bool = False


class Part(NamedTuple):
    """What one look at a block of units gave.

    Attributes:
        rows: int64[R], places in the shard of those that are settled.
        tables: their rows.
        counts: their numbers.
        short: int64[S], places of those that must be looked at deeper.
    """

    rows: Int64
    tables: Tables
    counts: counts.Counts
    short: Int64


class Look(NamedTuple):
    """A look at a block that is under way."""

    provider: Provider
    depth: int
    part: Future[Part]


class Settling:
    """A shard that is being settled on worker threads; the first look begins at once."""

    def __init__(self, job: Job, span: slice, pool: Executor, threads: int) -> None:
        self._job, self._span, self._pool = job, span, pool
        self._looks = [
            self._look(provider, provider.depth, rows)
            for provider, every in job.providers(span)
            for rows in _blocks(every, job.first_block, threads)
        ]

    def finish(self, report: Callable[[int], None]) -> tuple[Tables, counts.Counts]:
        """Wait for all looks, and for the deeper ones that follow from them.

        Args:
            report: is told how many units were settled, again and again.
        """
        parts: list[Part] = []
        while self._looks:
            short: dict[int, list[Int64]] = {}
            looks = self._looks
            for look in looks:
                parts.append(look.part.result())
                short.setdefault(id(look.provider), []).append(parts[-1].short)
                report(len(parts[-1].rows))
            # A deeper look costs a search however few units need it, so all of them are looked at together.
            self._looks = [
                self._look(look.provider, deeper(look.provider, look.depth), rows)
                for look in {id(look.provider): look for look in looks}.values()
                for rows in _blocks(np.concatenate(short[id(look.provider)]), self._job.unit_block, 1)
            ]
        parts = [part for part in parts if len(part.rows)]
        rows = [part.rows for part in parts]
        joined = {name: tables.in_order([part.tables[name] for part in parts], rows) for name in parts[0].tables}
        return joined, counts.total(part.counts for part in parts)

    def _look(self, provider: Provider, depth: int, rows: Int64) -> Look:
        return Look(provider, depth, self._pool.submit(_settled, self._job, self._span.start, provider, depth, rows))


def settle_here(job: Job, span: slice) -> tuple[Tables, counts.Counts]:
    """Settle some units in this thread."""
    return Settling(job, span, _Here(), 1).finish(lambda _: None)


class _Here(Executor):
    """An executor that works in the thread that asks."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        future.set_result(task(*arguments, **named))
        return future


def all_rows(span: slice) -> Int64:
    """Rows of a span, all of them."""
    return np.arange(span.stop - span.start)


def _blocks(rows: Int64, most: int, threads: int) -> list[Int64]:
    """Cut rows into even blocks of at most ``most``, and work for every thread."""
    count = max(-(-len(rows) // most), min(threads, len(rows)))
    edges = [len(rows) * place // count for place in range(count + 1)] if count else []
    return [rows[low:high] for low, high in itertools.pairwise(edges)]


def _settled(job: Job, start: int, provider: Provider, depth: int, rows: Int64) -> Part:
    """Look at a block once, and make rows of the tables of what is settled."""
    identity = job.identity
    settled, short = settle(provider, rows, depth, job.recipe, identity.negatives, identity.seed)
    if not len(settled.rows):
        return Part(settled.rows, {}, {}, short)
    hardness = None if identity.scores == "rank" else identity.scores
    numbers = counts.count(settled, identity.negatives, hardness)
    numbers |= counts.unscored(settled.candidates, job.recipe, identity.negatives)
    places = start + settled.rows
    forbidden = job.forbidden(places)
    made = {"negatives": tables.negatives_table(settled.candidates, settled.negatives, job.names, identity.scores)}
    if identity.candidates_stored:
        left_out = tables.LeftOut(job.excluded[places], forbidden)
        made["candidates"] = tables.candidates_table(settled, job.names, left_out)
    return Part(settled.rows, made, numbers | {"forbidden_items": int(forbidden.sum())}, short)
