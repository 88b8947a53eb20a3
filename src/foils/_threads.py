"""Products on one thread, so that their bits do not depend on the machine's number of threads.

The number of BLAS threads belongs to the whole process. Where jobs overlap, each would restore what it
found, the first to end while others still run; so the first to begin sets one, the last to end restores.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


class _Limit:
    """The limit of this process, and how many jobs hold it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.limits: threadpool_limits | None = None

    def take(self) -> None:
        """Set one thread, for the first holder."""
        with self.lock:
            if self.holders == 0:
                self.limits = threadpool_limits(1, user_api="blas")
            self.holders += 1

    def release(self) -> None:
        """Restore the number of threads, for the last holder."""
        with self.lock:
            self.holders -= 1
            if self.holders == 0 and self.limits is not None:
                self.limits.restore_original_limits()
                self.limits = None


_LIMIT = _Limit()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run products on one thread until the last overlapping block ends."""
    _LIMIT.take()
    try:
        yield
    finally:
        _LIMIT.release()
