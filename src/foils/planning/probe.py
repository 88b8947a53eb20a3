"""Carry out a little of a run: open its parts, settle blocks as the run would, write their tables to memory.

The time of a block is a + b·units: every block reads all item vectors anew, however few its anchors are. So blocks grow
towards the size of the run's own, and for longer where growing still makes a unit quicker; the largest block's time per
unit is that of the run, so a plan is rather too high than too low. As many blocks run at once as the run has threads:
they share memory, and Python's lock. A small block comes first and counts nothing: it loads kernels and pages.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import msgspec
import pyarrow as pa

from foils._threads import one_thread
from foils.mining.folder import parquet
from foils.mining.identity import Execution
from foils.mining.memory import anonymous_bytes, release_unused
from foils.mining.prepare import Prepared
from foils.mining.run import threads_per_shard
from foils.mining.settle import Search
from foils.mining.shard import Job, all_rows, settle_here
from foils.mining.tables import ITEMS_OF_A_GROUP, join
from foils.planning.judge import judge_in
from foils.planning.stand_ins import Listener
from foils.positives import Int64
from foils.scorers import Judging, OpenScorer

PROBE_SECONDS = 1.0
LONGEST = 4
"""Times ``PROBE_SECONDS`` that rounds may take where each is quicker per unit than the one before."""
GAIN = 1.5
"""Blocks grow as long as that makes a unit quicker by this factor."""
FIRST_BLOCK, GROWTH = 8, 4
"""Units of the probe's first block, and by how much the next is larger."""
GOLDEN = 0.6180339887498949

Tables = Mapping[str, pa.Table]


@dataclass(frozen=True, eq=False)
class Probe:
    """What was measured; seconds are wall time.

    Attributes:
        run: what was probed: the run, or one over a part of its data.
        first_look: whether every unit was looked at once, without rules.
        units: settled in all, some of them twice where there are few.
        opening_seconds: of the recipe's parts.
        opening_bytes: what they hold then.
        process_bytes: what the process holds beside that, once kernels are loaded; None where the system does not tell.
        unit_seconds: per unit, with the run's threads.
        writing_seconds: per unit, of a shard's tables.
        table_bytes: per unit, of the tables in memory.
        disk_bytes: per unit and table.
        judges: column → the open judge.
        asked: column → pairs that it was asked about, by ``sampled`` units.
        sampled: units behind the tables and the pairs.
        warnings: of the sources.
    """

    run: Prepared
    first_look: bool
    units: int
    opening_seconds: float
    opening_bytes: int
    process_bytes: int | None
    unit_seconds: float
    writing_seconds: float
    table_bytes: float
    disk_bytes: Mapping[str, float]
    judges: Mapping[str, Judging]
    asked: Mapping[str, tuple[Int64, Int64]]
    sampled: int
    warnings: Sequence[str]


def probe(prepared: Prepared, execution: Execution, *, units: int, first_look: bool) -> Probe:
    """Carry out a little of a run.

    Args:
        prepared: the run, or one over a part of its data.
        execution: memory and threads.
        units: of the whole run, which the sizes of its blocks follow from.
        first_look: look at every unit once, without rules: what they compare does not exist yet. So it is wherever a
            judge is asked.
    """
    before, started = anonymous_bytes(), time.perf_counter()
    search = prepared.search()
    opening = time.perf_counter() - started
    held = max((anonymous_bytes() or 0) - (before or 0), 0)
    judges = {name: judge for name, _, scorer in search.scorers if (judge := judge_in(scorer)) is not None}
    listeners = {name: Listener() for name in judges}
    first_look = first_look or bool(judges)
    job = _job(prepared, search, listeners, first_look=first_look)
    _warm_up(job, listeners)
    release_unused()
    process = anonymous_bytes()
    settled, done, unit_seconds = _settle(job, execution.threads, _block_units(prepared, execution, units))
    tables = {name: join([part[name] for part in settled]) for name in settled[0]}
    sampled = len(tables["negatives"])
    started = time.perf_counter()
    disk = {name: parquet_bytes(table) / sampled for name, table in tables.items()}
    return Probe(
        prepared,
        first_look,
        done,
        opening,
        held,
        None if process is None else max(process - held, 0),
        unit_seconds,
        (time.perf_counter() - started) / sampled,
        sum(table.nbytes for table in tables.values()) / sampled,
        disk,
        judges,
        {name: listener.pairs() for name, listener in listeners.items()},
        sampled,
        tuple(search.facts().get("warnings", ())),
    )


def ids_bytes(ids: pa.Array) -> int:
    """Measure the file of all ids by their first row group."""
    part = ids.slice(0, ITEMS_OF_A_GROUP)
    return round(parquet_bytes(pa.table({"item_id": part.cast(pa.string())})) * len(ids) / max(len(part), 1))


def parquet_bytes(table: pa.Table) -> int:
    """Measure a table as it lies on disk."""
    return int(parquet(table).size)


def _job(prepared: Prepared, search: Search, listeners: Mapping[str, OpenScorer], *, first_look: bool) -> Job:
    """Make the run's job, with listeners in the judges' places."""
    scorers = [(name, kind, listeners.get(name, scorer)) for name, kind, scorer in search.scorers]
    heard = replace(search, scorers=scorers, max_depth=search.depth if first_look else search.max_depth)
    job = prepared.job(lambda span: [(heard.of(span), all_rows(span))])
    if not first_look:
        return job
    return replace(job, recipe=msgspec.structs.replace(job.recipe, rules=(), relaxations=()))


def _block_units(prepared: Prepared, execution: Execution, units: int) -> int:
    """Say how many units the run's own blocks have."""
    shard = min(prepared.identity.shard_units, units)
    threads = threads_per_shard(execution.threads, -(-units // shard))
    blocks = prepared.inputs.blocks
    count = max(-(-shard // (blocks.first or blocks.anchors)), min(threads, shard))
    return -(-shard // count)


def _warm_up(job: Job, listeners: Mapping[str, Listener]) -> None:
    """Settle a small block that counts nothing."""
    with one_thread():
        settle_here(job, slice(0, min(FIRST_BLOCK, len(job.units))))
    for listener in listeners.values():
        listener.asked.clear()


def _settle(job: Job, threads: int, full: int) -> tuple[list[Tables], int, float]:
    """Settle rounds of growing blocks: the tables of the last round, units in all, seconds per unit."""
    total, spent, done = len(job.units), 0.0, 0
    rates: list[float] = []
    settled: list[Tables] = []
    with one_thread(), ThreadPoolExecutor(threads) as pool:
        for number in itertools.count():
            size = min(FIRST_BLOCK * GROWTH**number, full, total)
            blocks = [_spread(number * threads + place, size, total) for place in range(threads)]
            started = time.perf_counter()
            settled = [tables for tables, _ in pool.map(lambda block: settle_here(job, block), blocks)]
            seconds = time.perf_counter() - started
            rates.append(seconds / size)
            done += size * threads
            spent += seconds
            if number and (size == min(full, total) or _is_enough(spent, rates)):
                break
    return settled, done, rates[-1] / threads


def _is_enough(spent: float, rates: Sequence[float]) -> bool:
    """Say whether time is up; for rounds that still gain much by growing, later."""
    gains = rates[-1] * GAIN < rates[-2]
    return spent >= PROBE_SECONDS * (LONGEST if gains else 1)


def _spread(number: int, size: int, total: int) -> slice:
    """Place a block: by the golden ratio, so that few of them lie all over the units."""
    start = round(number * GOLDEN % 1 * (total - size))
    return slice(start, start + size)
