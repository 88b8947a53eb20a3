"""Carry out a run: shards of units, blocks of a shard on worker threads, tables on disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foils._threads import one_thread
from foils.mining import counts, tables
from foils.mining.folder import Folder, Manifest
from foils.mining.identity import Execution, Identity
from foils.mining.memory import Effort, PeakMemory
from foils.mining.settle import Provider, settle
from foils.mining.tables import Names
from foils.positives import Int64, Units
from foils.recipes import Recipe

Progress = Callable[[int, int], None]
"""Called with the units done and the units in all, after each block."""

Forbidden = Callable[[slice], Int64]
"""Slice of units → how many items lists and constraints forbade each, beyond known positives."""

Providers = Callable[[slice], Sequence[tuple[Provider, Int64]]]
"""Slice of units → who gives the candidates of which rows of the block."""


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
        unit_block: units of a block.
        facts: further statistics (anchors without positives, items with empty text, …).
    """

    identity: Identity
    recipe: Recipe
    names: Names
    units: Units
    excluded: Int64
    forbidden: Forbidden
    providers: Providers
    unit_block: int
    facts: dict[str, Any]


def run(job: Job, out: Path, execution: Execution, *, fresh: bool, progress: Progress | None) -> None:
    """Run the job into a folder, or the rest of it.

    Raises:
        FolderError: the folder cannot be used, or the disk is full; what was finished is kept.
    """
    with Folder.held(out) as folder:
        manifest = folder.begin(job.identity, fresh=fresh)
        if not manifest.complete:
            with PeakMemory() as memory:
                manifest = _write_shards(job, folder, manifest, memory, execution.threads, progress)
                joined = folder.join(manifest, job.names.items)
                effort = Effort.total([*(shard.effort for shard in manifest.shards.values()), memory.lap()])
            numbers = counts.total(shard.counts for shard in manifest.shards.values())
            folder.complete(joined, counts.describe(numbers) | job.facts | effort.data())
        folder.clear()


def all_rows(block: slice) -> Int64:
    """Rows of a block, all of them."""
    return np.arange(block.stop - block.start)


def _write_shards(
    job: Job, folder: Folder, manifest: Manifest, memory: PeakMemory, threads: int, progress: Progress | None
) -> Manifest:
    """Settle and write the shards that are not finished."""
    total, size = len(job.units), job.identity.shard_units
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        for start in range(0, total, size):
            name, stop = f"{start // size:05d}", min(start + size, total)
            if name not in manifest.shards:
                shard, numbers = _shard(job, _blocks(start, stop, job.unit_block, threads), pool, progress)
                manifest = folder.write_shard(manifest, name, shard, numbers, memory.lap())
            elif progress is not None:
                progress(stop, total)
    return manifest


def _shard(
    job: Job, blocks: Sequence[slice], pool: ThreadPoolExecutor, progress: Progress | None
) -> tuple[dict[str, pa.Table], counts.Counts]:
    futures = [pool.submit(block_tables, job, block) for block in blocks]
    parts: list[dict[str, pa.Table]] = []
    numbers: list[counts.Counts] = []
    try:
        for block, future in zip(blocks, futures, strict=True):
            part, block_counts = future.result()
            parts.append(part)
            numbers.append(block_counts)
            if progress is not None:
                progress(block.stop, len(job.units))
    finally:
        for future in futures:
            future.cancel()
    return {name: tables.join([part[name] for part in parts]) for name in parts[0]}, counts.total(numbers)


def _blocks(start: int, stop: int, most: int, threads: int) -> list[slice]:
    """Cut units into even blocks of at most ``most``, and work for every thread."""
    count = max(-(-(stop - start) // most), min(threads, stop - start))
    edges = [start + (stop - start) * place // count for place in range(count + 1)]
    return [slice(low, high) for low, high in itertools.pairwise(edges)]


def block_tables(job: Job, block: slice) -> tuple[dict[str, pa.Table], counts.Counts]:
    """Settle one block of units into rows of the tables."""
    identity = job.identity
    hardness = None if identity.scores == "rank" else identity.scores
    groups: dict[str, list[pa.Table]] = {"negatives": []}
    if identity.candidates_stored:
        groups["candidates"] = []
    forbidden = job.forbidden(block)
    rows: list[Int64] = []
    numbers: list[counts.Counts] = [{"forbidden_items": int(forbidden.sum())}]
    for provider, wanted in job.providers(block):
        for settled in settle(provider, wanted, job.recipe, identity.negatives, identity.seed):
            rows.append(settled.rows)
            numbers.append(counts.count(settled, identity.negatives, hardness))
            groups["negatives"].append(
                tables.negatives_table(settled.candidates, settled.negatives, job.names, identity.scores)
            )
            if "candidates" in groups:
                left_out = tables.LeftOut(job.excluded[block][settled.rows], forbidden[settled.rows])
                groups["candidates"].append(tables.candidates_table(settled, job.names, left_out))
    return {name: tables.in_order(group, rows) for name, group in groups.items()}, counts.total(numbers)
