"""Products on one thread, so that workers do not crowd each other and bits do not depend on the number of threads.

The number of threads of a library belongs to the whole process. Where jobs overlap, each would restore what it
found, the first to end while others still run; so the first to begin sets one, the last to end restores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

Found = TypeVar("Found")


class _Limit(Generic[Found]):
    """The limit of one library in this process, what it was before, and how many jobs hold it."""

    def __init__(self, limit: Callable[[], Found], restore: Callable[[Found], object]) -> None:
        self.limit, self.restore = limit, restore
        self.lock = threading.Lock()
        self.holders = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set one thread, for the first holder, and restore for the last what the first found."""
        with self.lock:
            if self.holders == 0:
                self.found = self.limit()
            self.holders += 1
        try:
            yield
        finally:
            with self.lock:
                self.holders -= 1
                if self.holders == 0:
                    self.restore(self.found)


def _limit_blas() -> threadpool_limits:
    return threadpool_limits(1, user_api="blas")


def _restore_blas(found: threadpool_limits) -> None:
    found.restore_original_limits()


def _limit_torch() -> int:
    import torch

    found: int = torch.get_num_threads()
    torch.set_num_threads(1)
    return found


def _restore_torch(found: int) -> None:
    import torch

    torch.set_num_threads(found)


_BLAS = _Limit(_limit_blas, _restore_blas)
_TORCH = _Limit(_limit_torch, _restore_torch)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run NumPy's products on one thread until the last overlapping block ends."""
    with _BLAS.held():
        yield


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run PyTorch's products on one thread until the last overlapping block ends.

    PyTorch keeps its number for each thread that calls it: a worker that was there before enters for itself.
    """
    import torch

    with _TORCH.held():
        torch.set_num_threads(1)
        yield


def torch_threads() -> int:
    """Say how many threads PyTorch has where no such block is open."""
    import torch

    with _TORCH.lock:
        return _TORCH.found if _TORCH.holders else torch.get_num_threads()
