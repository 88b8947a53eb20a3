"""The server: on a socket of this machine alone, one for each folder, until Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from foils import _durable as durable
from foils.errors import FolderError, InputError
from foils.reviewing.guard import Keys

if TYPE_CHECKING:
    from foils.reviewing.app import Review

LOCK = ".labels.lock"
LOOPBACK = "127.0.0.1"
BACKLOG = 64
SECONDS_TO_END = 2


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the labels of a folder, so that one page asks for them at a time; a kill lets go.

    Raises:
        FolderError: another server holds them, or the folder cannot be written.
    """
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    with durable.explained(folder):
        try:
            lock.acquire()
        except filelock.Timeout:
            raise FolderError(
                f"{folder} is being labelled already: another foils review runs on it; use its page, or end it there"
            ) from None
    try:
        yield
    finally:
        lock.release()


def listening(port: int) -> socket.socket:
    """Open the socket: of this machine alone.

    Args:
        port: 0 = any that is free.

    Raises:
        InputError: the port cannot be had.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((LOOPBACK, port))
        opened.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        opened.close()
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"--port {port}: {reason}; choose another, or 0 for any that is free") from error
    return opened


def serve(review: Review, opened: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve the page until the process is interrupted, which raises ``KeyboardInterrupt``.

    Args:
        review: what is labelled.
        opened: see ``listening``; had before anything was drawn, so that a busy port leaves nothing behind.
        ready: called with the address to open, once it answers.
    """
    import uvicorn

    from foils.reviewing.app import make_app

    keys = Keys(opened.getsockname()[1])
    config = uvicorn.Config(
        make_app(review, keys),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # addresses hold the token
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=16_384,
        limit_concurrency=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )
    ready(keys.address)
    uvicorn.Server(config).run(sockets=[opened])
