"""The peak of a process's anonymous memory, as far as looking now and then can tell."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

STATUS = Path("/proc/self/status")
SECONDS = 0.2
"""Time between two looks."""


class PeakMemory:
    """Look at anonymous memory from time to time while the block runs.

    Attributes:
        peak: bytes; None where the system does not tell (it does on Linux).
    """

    def __init__(self) -> None:
        self.peak: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

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
        if now is not None:
            self.peak = max(self.peak or 0, now)

    def _watch(self) -> None:
        while not self._stop.wait(SECONDS):
            self.look()


def anonymous_bytes() -> int | None:
    """Read this process's anonymous resident memory; None where the system does not tell."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    found = next((line for line in lines if line.startswith("RssAnon:")), None)
    return None if found is None else int(found.split()[1]) * 1024
