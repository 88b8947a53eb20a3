"""What work takes: time, and the peak of the process's anonymous memory as far as looking now and then can tell."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import pyarrow as pa

STATUS = Path("/proc/self/status")
SECONDS = 0.2
"""Time between two looks."""


class Effort(msgspec.Struct, frozen=True):
    """What some work took."""

    wall_seconds: float
    cpu_seconds: float
    """Of all threads of the process."""
    peak_anonymous_bytes: int | None
    """None where the system does not tell (it does on Linux)."""

    @classmethod
    def total(cls, parts: Iterable[Effort]) -> Effort:
        """Add times, and keep the highest peak."""
        efforts = list(parts)
        peaks = [effort.peak_anonymous_bytes for effort in efforts if effort.peak_anonymous_bytes is not None]
        return cls(
            sum(effort.wall_seconds for effort in efforts),
            sum(effort.cpu_seconds for effort in efforts),
            max(peaks, default=None),
        )

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return msgspec.structs.asdict(self)


class PeakMemory:
    """Look at anonymous memory from time to time while the block runs.

    Attributes:
        peak: bytes; None where the system does not tell.
    """

    def __init__(self) -> None:
        self.peak: int | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._last = self._clocks()

    def __enter__(self) -> PeakMemory:
        """Begin looking."""
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop looking."""
        self._stop.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Look once."""
        now = anonymous_bytes()
        with self._lock:
            if now is not None:
                self.peak = max(self.peak or 0, now)

    def lap(self) -> Effort:
        """Give the time since the last lap, and the peak so far."""
        self.look()
        (wall, cpu), self._last = self._last, self._clocks()
        return Effort(self._last[0] - wall, self._last[1] - cpu, self.peak)

    @staticmethod
    def _clocks() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def _watch(self) -> None:
        while not self._stop.wait(SECONDS):
            self.look()


def release_unused() -> None:
    """Hand back to the system what Arrow's and C's allocators keep of freed memory, as far as they can."""
    pa.default_memory_pool().release_unused()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl does not
        if trim is not None:
            trim(ctypes.c_size_t(0))


def anonymous_bytes() -> int | None:
    """Read this process's anonymous resident memory; None where the system does not tell."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("RssAnon:")), None)
    return None if found is None else int(found.split()[1]) * 1024
