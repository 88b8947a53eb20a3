"""How long each kind of work takes, and how far the demo is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from foils.demo.result import Stage

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the steps done and the steps in all."""


class Clock:
    """Add up the time of work by kind, and report progress before and after each step."""

    def __init__(self, steps: int, progress: Progress | None = None) -> None:
        self._steps = steps
        self._done = 0
        self._what = ""
        self._progress = progress
        self._seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def work(self, kind: str, detail: str = "", *, steps: int = 1) -> Iterator[None]:
        """Time a piece of work of so many steps; it may report them by ``advance``, the rest are done at its end."""
        end = self._done + steps
        self._what = f"{kind}: {detail}" if detail else kind
        self._tell()
        wall, cpu = time.perf_counter(), _cpu_seconds()
        yield
        known = self._seconds.get(kind, (0.0, 0.0))
        self._seconds[kind] = (known[0] + time.perf_counter() - wall, known[1] + _cpu_seconds() - cpu)
        if self._done < end:
            self._done = end
            self._tell()

    def advance(self) -> None:
        """Report one step of the present work as done."""
        self._done += 1
        self._tell()

    def stages(self) -> list[Stage]:
        """List what was timed, in the order of its beginning."""
        return [Stage(kind, round(wall, 3), round(cpu, 3)) for kind, (wall, cpu) in self._seconds.items()]

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self._what, self._done, self._steps)


def _cpu_seconds() -> float:
    """Seconds of processor time, finished child processes included."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
