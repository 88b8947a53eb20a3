"""What the commands say: results to standard output; progress, remarks and complaints to standard error.

Whatever is said may hold text from the data, so control characters are escaped, and nothing is read as markup.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import msgspec
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from foils.errors import InputError, printable

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_TERMINATED = 1, 2, 130, 143

LOG_SECONDS = 30
"""Longest silence in a log."""

Report = Callable[[int, int], None]
"""Called with (done, in all)."""


def say(text: str) -> None:
    """Print a result."""
    _result(_escaped(text))


def say_json(data: Any) -> None:
    """Print a result as JSON, in ASCII: it can neither steer a terminal nor fail in any encoding."""
    _result(json.dumps(msgspec.to_builtins(data), indent=2, sort_keys=True, allow_nan=False))


def show(content: RenderableType) -> None:
    """Print a result that is laid out and escaped already."""
    console = Console(highlight=False)
    with console.capture() as captured:
        console.print(content, end="")
    _result(captured.get())


def note(text: str) -> None:
    """Print a remark; that nobody can read it stops no work."""
    with suppress(OSError):
        _write(sys.stderr, _escaped(text))


@contextmanager
def warnings_as_notes() -> Iterator[None]:
    """Print warnings as remarks, without the place in the code that they come from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *place, **_: note(f"warning: {message}")
        yield


def complain(text: str) -> None:
    """Print an error."""
    note(f"error: {text}")


@contextmanager
def without_log(logger: logging.Logger) -> Iterator[None]:
    """Leave out what a part of foils logs, where the command has said it already."""
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def progress(what: str, *, before: str | None = None, now: str = "now") -> Iterator[Report]:
    """Show the progress of one stage: a bar on a terminal, now and then a line in a log.

    Args:
        what: is done.
        before: says of the steps that the first report counts where they come from; None = they are like all others.
        now: says of the others what was done.
    """
    if _on_terminal():
        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None, rate="")
            pace = _Pace(before, now)

            def update(done: int, total: int) -> None:
                pace.step(done, total)
                bar.update(task, completed=done, total=total, rate=pace.rate())

            yield update
    else:
        with _log(what, before, now) as report:
            yield report


@contextmanager
def progress_of_stages() -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of work in named stages: called with (what is being done, steps done, steps in all)."""
    if _on_terminal():
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
    else:
        started = time.monotonic()
        yield lambda what, done, total: note(f"{time.monotonic() - started:5.0f} s  {done} of {total}  {what}")


class _Pace:
    """How quickly steps are done; those that were done before, which the first report may tell, do not count."""

    def __init__(self, before: str | None, now: str) -> None:
        self.words = before, now
        self.started = time.monotonic()
        self.first: int | None = None if before else 0
        self.done = self.total = 0

    def step(self, done: int, total: int) -> None:
        """Note how far it is."""
        self.first = done if self.first is None else self.first
        self.done, self.total = done, total

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self.started

    @property
    def per_second(self) -> float:
        """Steps of this run per second."""
        return (self.done - (self.first or 0)) / max(self.seconds, 1e-9)

    def rate(self) -> str:
        """Say it, once something is done."""
        speed = self.per_second
        return f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s" if speed > 0 else ""

    def line(self) -> str:
        """Say how far it is, how quickly it goes, and how long it will take."""
        if not self.total:
            return "begun"
        said = f"{self.done:,} of {self.total:,}"
        if self.done == self.total:
            return (
                f"{said}{self._parted()} in {self.seconds:.1f} s"
                if self.done != self.first
                else f"{said} {self.words[0]}"
            )
        if not self.rate():
            return said
        return f"{said}, {self.rate()}, about {(self.total - self.done) / self.per_second:.0f} s left"

    def _parted(self) -> str:
        """Say how many steps were there before, if any."""
        if not self.first:
            return ""
        before, now = self.words
        return f", {self.first:,} {before} and {self.done - self.first:,} {now}"


@contextmanager
def _log(what: str, before: str | None, now: str) -> Iterator[Report]:
    """Write a line when all is done, and at least every ``LOG_SECONDS``, whether or not a step was done since."""
    pace, stopped = _Pace(before, now), threading.Event()

    def watch() -> None:
        while not stopped.wait(LOG_SECONDS):
            note(f"{what}: {pace.line()}")

    def report(done: int, total: int) -> None:
        pace.step(done, total)
        if done == total:
            note(f"{what}: {pace.line()}")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield report
    finally:
        stopped.set()
        watcher.join()


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _escaped(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def _result(text: str) -> None:
    try:
        _write(sys.stdout, text)
    except BrokenPipeError:  # whoever reads has seen enough, as `head` does
        return
    except OSError as error:
        raise InputError(f"the result cannot be written to standard output: {error.strerror}") from error


def _write(stream: TextIO | None, text: str) -> None:
    """Write a line at once; None = the stream was closed before we were started."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except OSError:
        # What is left in the stream's buffer would fail once more when Python ends, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise
