"""Files to read from: on disk, compressed with gzip, or inside a zip archive, all opened the same way."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from foils.errors import DataError, InputError
from foils.formats.messages import shown

BUFFER_BYTES = 1 << 20
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class Source:
    """A file on disk, or a member of a zip archive on disk.

    Attributes:
        path: the file, or the archive.
        member: name inside the archive; None = the file itself.
    """

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """How messages name it."""
        return shown(str(self.path)) + ("" if self.member is None else f": {shown(self.member)}")

    @property
    def suffixes(self) -> tuple[str, bool]:
        """The suffix in lower case without .gz, and whether there is a .gz."""
        name = Path(self.member or self.path.name).name.casefold()
        gzipped = name.endswith(".gz")
        return Path(name.removesuffix(".gz")).suffix, gzipped


def path_of(given: object) -> Path:
    """Take a path and nothing else.

    Raises:
        InputError: it is something else, such as a table in memory.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    raise InputError(
        f"expected the path of a table or folder, found a {type(given).__name__}; Collection.from_frame reads pairs "
        "from a table in memory, Collection.from_arrays takes rows; or write the table to a file"
    )


@contextmanager
def reading(source: Source) -> Iterator[IO[bytes]]:
    """Open a source and unpack it on the way.

    Raises:
        DataError: it is missing, unreadable, damaged, cut short, or compressed otherwise than its name says.
    """
    try:
        with ExitStack() as stack:
            yield _open(source, stack)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise DataError(
            f"{source.name}: the compressed data is damaged or cut short ({error}); get or compress the file again"
        ) from error
    except FileNotFoundError as error:
        raise DataError(f"{source.name}: there is no such file; check the path") from error
    except OSError as error:
        raise DataError(
            f"{source.name}: cannot be read ({error.strerror or error}); check that it is a file that you may read"
        ) from error


def _open(source: Source, stack: ExitStack) -> IO[bytes]:
    stream = io.BufferedReader(cast(io.RawIOBase, _stored(source, stack)), BUFFER_BYTES)
    head = stream.peek(2)[:2]
    gzipped = source.suffixes[1]
    if gzipped and head != GZIP_MAGIC:
        raise DataError(
            f"{source.name}: is not a gzip file (it begins with the bytes {head!r}); compress it with gzip, "
            "or drop .gz from its name"
        )
    if not gzipped:
        if head == GZIP_MAGIC:
            raise DataError(f"{source.name}: is a gzip file; add .gz to its name, or unpack it")
        return stream
    unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream))
    return io.BufferedReader(cast(io.RawIOBase, unpacked), BUFFER_BYTES)


def _stored(source: Source, stack: ExitStack) -> IO[bytes]:
    if source.member is None:
        return stack.enter_context(source.path.open("rb"))
    archive = stack.enter_context(zipfile.ZipFile(source.path))
    try:
        return stack.enter_context(archive.open(source.member))
    except (
        RuntimeError,
        NotImplementedError,
    ) as error:  # zipfile: encrypted; compressed by an unknown method
        raise DataError(f"{source.name}: cannot be unpacked ({error}); unpack the archive yourself") from error
