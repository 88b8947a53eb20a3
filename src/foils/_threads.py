"""Products on one thread, so that workers do not crowd each other and bits do not depend on the number of threads.

The number of threads of a library belongs to the whole process. Where jobs overlap, each would restore what it
found, the first to end while others still run; so the first to begin sets one, the last to end restores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

Restore = Callable[[], object]


class _Limit:
    """The limit of one library in this process, and how many jobs hold it."""

    def __init__(self, limit: Callable[[], Restore]) -> None:
        self.limit = limit
        self.lock = threading.Lock()
        self.holders = 0
        self.restore: Restore | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set one thread, for the first holder, and restore the number for the last."""
        with self.lock:
            if self.holders == 0:
                self.restore = self.limit()
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0 and self.restore is not None:
                    self.restore()
                    self.restore = None


def _limit_blas() -> Restore:
    limits = threadpool_limits(1, user_api="blas")
    return lambda: limits.restore_original_limits()


def _limit_torch() -> Restore:
    import torch

    found = torch.get_num_threads()
    torch.set_num_threads(1)
    return lambda: torch.set_num_threads(found)


_BLAS = _Limit(_limit_blas)
_TORCH = _Limit(_limit_torch)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run NumPy's products on one thread until the last overlapping block ends."""
    with _BLAS.held():
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run PyTorch's products on one thread until the last overlapping block ends.

    PyTorch keeps its number for each thread that calls it: every worker enters for itself.
    """
    import torch

    with _TORCH.held():
        torch.set_num_threads(1)
        yield
