"""One worker per core, each with products on one thread.

Threads that share one product wait for each other at its end, and a busy neighbour on one core holds up all of them;
workers of one thread each wait for nobody. They are threads of this process: the weights lie in memory once, nothing is
started or sent, and PyTorch gives up Python's lock while it computes. On one thread the order of a sum does not depend
on the number of cores, so neither do the bits of a vector.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def spread(
    jobs: Sequence[Job],
    work: Callable[[Job], Result],
    *,
    workers: int,
    context: Callable[[], AbstractContextManager[Any]],
    done: Callable[[int], None],
) -> list[Result]:
    """Do jobs in worker threads, in their order.

    Args:
        jobs: the largest first, so that the workers end together.
        work: does a job.
        workers: threads at most.
        context: entered once by each worker, around all of its work.
        done: called by the calling thread with the place of each job that is done.

    Returns:
        The results, in the order of the jobs.

    Raises:
        BaseException: what ``work`` raised first; the jobs at hand are finished, no other is begun.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    for place in range(len(jobs)):
        todo.put(place)
    finished: SimpleQueue[tuple[int, Result | None, BaseException | None]] = SimpleQueue()
    stop = threading.Event()

    def keep_working() -> None:
        try:
            with context():
                while not stop.is_set():
                    place = todo.get_nowait()
                    finished.put((place, work(jobs[place]), None))
        except Empty:
            return
        except BaseException as error:  # given to the caller, who raises it
            finished.put((-1, None, error))

    threads = [threading.Thread(target=keep_working, daemon=True) for _ in range(min(workers, len(jobs)))]
    results: dict[int, Any] = {}
    try:
        for thread in threads:
            thread.start()
        while len(results) < len(jobs):
            place, result, error = finished.get()
            if error is not None:
                raise error
            results[place] = result
            done(place)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    return [results[place] for place in range(len(jobs))]
