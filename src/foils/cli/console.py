"""What the commands say: results to standard output, progress and complaints to standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EXIT_FAULT, EXIT_BAD_INPUT, EXIT_INTERRUPTED = 1, 2, 130

LOG_SECONDS = 30
"""Longest silence in a log."""

Report = Callable[[int, int], None]
"""Called with (done, in all)."""


def say(text: str) -> None:
    """Print a result, without markup."""
    Console(highlight=False, soft_wrap=True).print(text, markup=False)


def say_json(data: Any) -> None:
    """Print a result as JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(data, order="sorted"), indent=2).decode() + "\n")


def note(text: str) -> None:
    """Print a remark to standard error, without markup."""
    _errors().print(text, markup=False)


def complain(text: str) -> None:
    """Print an error to standard error, without markup; control characters are escaped."""
    shown = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    _errors().print(f"error: {shown}", markup=False)


@contextmanager
def progress(what: str) -> Iterator[Report]:
    """Show the progress of one stage: a bar on a terminal, now and then a line in a log."""
    if _errors().is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=_errors(), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _lines(what)


@contextmanager
def progress_of_stages() -> Iterator[Callable[[str, int, int], None]]:
    """Show the progress of work in named stages: called with (what is being done, steps done, steps in all)."""
    if _errors().is_terminal:
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=_errors(), transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
    else:
        started = time.monotonic()
        yield lambda what, done, total: note(f"{time.monotonic() - started:5.0f} s  {done} of {total}  {what}")


def _lines(what: str) -> Report:
    started = last = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < LOG_SECONDS and done < total:
            return
        last = now
        left = (now - started) / max(done, 1) * (total - done)
        rest = f", about {left:.0f} s left" if done < total else f" in {now - started:.1f} s"
        note(f"{what}: {done:,} of {total:,}{rest}")

    return report


def _errors() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)
