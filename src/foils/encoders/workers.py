"""One worker per core, each with products on one thread.

Threads that share one product wait for each other at its end, and a busy neighbour on one core holds up all of them;
workers of one thread each wait for nobody. They are threads of this process: the weights lie in memory once, nothing is
started or sent, and PyTorch gives up Python's lock while it computes. On one thread the order of a sum does not depend
on the number of cores, so neither do the bits of a vector.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class _Limit:
    """The number of PyTorch's threads belongs to the process: the first holder sets one, the last restores."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders, self.before = 0, 1

    def take(self) -> int:
        torch: Any = import_module("torch")
        with self.lock:
            if self.holders == 0:
                self.before = torch.get_num_threads()
                torch.set_num_threads(1)
            self.holders += 1
            return self.before

    def release(self) -> None:
        torch: Any = import_module("torch")
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                torch.set_num_threads(self.before)


_LIMIT = _Limit()


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """Run PyTorch's products on one thread; gives the number of threads that it has otherwise."""
    cores = _LIMIT.take()
    try:
        yield cores
    finally:
        _LIMIT.release()


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
