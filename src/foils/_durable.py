"""Files that are there whole or not at all: write to a temporary name, fsync, rename, fsync the folder."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from foils.errors import FolderError

READ_BYTES = 1 << 20

Content = bytes | memoryview


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Have ``write`` fill a temporary file, then make it durable under its name."""
    partial = part_of(path)
    try:
        write(partial)
        sync(partial)
        rename(partial, path)
    except BaseException:
        remove(partial)  # it may fill the disk that others need
        raise
    sync(path.parent)


def write_bytes(path: Path, content: Content) -> None:
    """Write bytes, durably."""
    write_file(path, lambda partial: partial.write_bytes(content))


def write_json(path: Path, data: object) -> None:
    """Write JSON with sorted keys and indentation, durably."""
    text = msgspec.json.format(msgspec.json.encode(data, order="deterministic"), indent=2) + b"\n"
    write_bytes(path, text)


def append(path: Path, line: bytes) -> None:
    """Add a line to a file, durably; a kill or a full disk may leave a part of it."""
    new = not path.exists()
    with path.open("ab") as file:
        file.write(line)
    sync(path)
    if new:
        sync(path.parent)


def part_of(path: Path) -> Path:
    """Name of the temporary file that becomes ``path``."""
    return path.with_name(f".{path.name}.part")


def make_folder(path: Path) -> None:
    """Make a folder and those above it, durably; it may be there."""
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in made:
        sync(folder.parent)


def sync(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rename(source: Path, target: Path) -> None:
    """Rename, replacing what is there, in one step."""
    source.replace(target)


def remove(path: Path) -> None:
    """Delete a file that may be gone already."""
    path.unlink(missing_ok=True)


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(READ_BYTES):
            state.update(chunk)
    return state.hexdigest()


def digest(content: Content) -> str:
    """SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def keep(path: Path, write: Callable[[Path], object]) -> str:
    """Write a file whose damage ``kept`` will see: its SHA-256, which is given back, is noted beside it."""
    make_folder(path.parent)
    remove(_note_of(path))
    write_file(path, write)
    found = checksum(path)
    write_file(_note_of(path), lambda partial: partial.write_text(found))
    return found


def kept(path: Path) -> str | None:
    """Give the SHA-256 of a file that ``keep`` wrote; None where it is not there, or not as it was written."""
    note = _note_of(path)
    if not (path.exists() and note.exists()):
        return None
    found = checksum(path)
    return found if note.read_text() == found else None


def _note_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the operating system's complaints about the folder into errors that say what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "free some space" if full else "make the folder writable, or choose another"
        raise FolderError(
            f"{folder}: {reason}; {mend}, and run the same command again (without --fresh): what was finished is kept"
        ) from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; it gets its name when the block ends well, and goes when it does not.

    The folder may be there already if it is empty. What is in subfolders is made durable too.
    """
    place = Path(os.path.abspath(folder))  # noqa: PTH100 - so that "." and ".." have a name too
    partial = part_of(place)
    shutil.rmtree(partial, ignore_errors=True)  # what a kill left
    try:
        partial.mkdir(parents=True)
        yield partial
        for path in (*partial.rglob("*"), partial):
            sync(path)
        rename(partial, place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    sync(place.parent)
