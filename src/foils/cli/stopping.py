"""SIGTERM stops a command as Ctrl-C does: what was finished is kept, and it says how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM)."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` in the main thread when SIGTERM comes; elsewhere nothing changes.

    A second one is ignored, so that it does not cut short what the first one ended in order.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let Ctrl-C end the block and nothing more, where it is the way to end it; SIGTERM ends the whole command."""
    try:
        yield
    except Terminated:
        raise
    except KeyboardInterrupt:
        return


def _raise(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
