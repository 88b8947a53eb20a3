"""Carry out a run: shards of units on worker threads, tables on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from foils import _segments as segments
from foils._threads import one_thread
from foils.mining import counts
from foils.mining.folder import Folder
from foils.mining.identity import Execution
from foils.mining.journal import Shard
from foils.mining.memory import Effort, PeakMemory, release_unused
from foils.mining.shard import Job, Settling

Progress = Callable[[int, int], None]
"""Called with the units done and the units in all: at first, and after each block of units."""

AHEAD = 1
"""Shards that are worked on while another is written; each costs the memory of its tables."""


def run(job: Job, out: Path, execution: Execution, *, fresh: bool, progress: Progress | None) -> None:
    """Run the job into a folder, or the rest of it.

    Raises:
        FolderError: the folder cannot be used, a shard was damaged, or the disk is full; what was finished is kept.
    """
    with Folder.held(out) as folder:
        finished = folder.begin(job.identity, fresh=fresh, cached=job.cached)
        if not finished.complete:
            release_unused()  # what checking, and choosing how to search, took
            with PeakMemory() as memory:
                shards = _write_shards(job, folder, finished.shards, memory, execution.threads, progress)
                joined = folder.join(shards, job.names.items)
                effort = Effort.total([*(shard.effort for shard in shards.values()), memory.lap()])
            numbers = counts.total(shards[name].counts for name in sorted(shards, key=int))
            folder.complete(joined, counts.describe(numbers) | dict(job.facts()) | effort.data())
        folder.clear()


def _write_shards(
    job: Job,
    folder: Folder,
    finished: Mapping[str, Shard],
    memory: PeakMemory,
    threads: int,
    progress: Progress | None,
) -> Mapping[str, Shard]:
    """Settle and write the shards that are not finished.

    While a shard is written, the threads work on the next one.
    """
    shards, spans = dict(finished), _spans(job)
    report = _Report(progress, sum(spans[name].stop - spans[name].start for name in shards), len(job.units))
    waiting = deque(name for name in spans if name not in shards)
    share = threads_per_shard(threads, len(waiting))
    ahead: deque[tuple[str, Settling]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        with one_thread():
            while waiting or ahead:
                while waiting and len(ahead) <= AHEAD:
                    name = waiting.popleft()
                    ahead.append((name, Settling(job, spans[name], pool, share)))
                name, settling = ahead.popleft()
                tables, numbers = settling.finish(report)
                shards[name] = folder.write_shard(name, tables, numbers, memory.lap())
                del settling, tables
                release_unused()
    except KeyboardInterrupt as error:
        kept = sum(spans[name].stop - spans[name].start for name in shards)
        error.add_note(f"kept: {kept:,} of {len(job.units):,} units")
        raise
    finally:
        job.stop()
        pool.shutdown(cancel_futures=True)
    return shards


def threads_per_shard(threads: int, shards: int) -> int:
    """Say how many threads a shard is cut into blocks for.

    Larger blocks share each read of the items: shards under way together leave each a part of the threads.
    """
    return threads if shards <= 1 else -(-threads // (AHEAD + 1))


def _spans(job: Job) -> dict[str, slice]:
    """Name the shards, and say which units each has."""
    spans = segments.slices(len(job.units), job.identity.shard_units)
    return {f"{number:05d}": span for number, span in enumerate(spans)}


class _Report:
    """Units done, as the caller wants to hear of them."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self.progress, self.done, self.total = progress, done, total
        self._say()

    def __call__(self, units: int) -> None:
        """Say that so many more are done."""
        if units:
            self.done += units
            self._say()

    def _say(self) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total)
