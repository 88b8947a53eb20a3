"""Lines of a text file, one at a time. The encoding is checked: UTF-8, with or without a byte order mark."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from foils.errors import DataError
from foils.formats.files import Source, reading

LINE = re.compile(rb"([^\r\n]*)(?:\r\n?|\n|\Z)")
UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Body:
    """The bytes of a file, below a header of ``skipped`` lines."""

    source: Source
    data: bytes
    skipped: int = 0

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not blank, with their number in the file."""
        for number, line in enumerate(LINE.finditer(self.data), self.skipped + 1):
            if line[1] and not line[1].isspace():
                yield number, line[1]

    def below(self, number: int) -> Body:
        """Give what comes after a line."""
        last = next(islice(LINE.finditer(self.data), number - self.skipped - 1, None))
        return Body(self.source, self.data[last.end() :], number)

    def place(self, row: int) -> str:
        """Name the line of a row."""
        return nth_place(self.source, (number for number, _ in self.lines()), row)


def raw_lines(source: Source) -> Iterator[bytes]:
    """Yield every line as valid UTF-8, with its line ending and without the byte order mark.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    with reading(source) as stream:
        for number, line in enumerate(stream, 1):
            text = without_mark(source, line) if number == 1 else line
            if not text.isascii():
                as_text(source, number, text)
            yield text


def numbered_lines(source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold more than white space, each with its 1-based number.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    for number, line in enumerate(raw_lines(source), 1):
        if line and not line.isspace():
            yield number, line


def without_mark(source: Source, start: bytes) -> bytes:
    """Take the byte order mark from the start of a file.

    Raises:
        DataError: the file is UTF-16 or UTF-32.
    """
    # Without a mark, text in two or four bytes per character shows by a zero in every other byte.
    if start[:2] in UTF16_MARKS or start[:4:2] == b"\0\0" or start[1:4:2] == b"\0\0":
        raise DataError(
            f"{source.name}, line 1: is UTF-16 or UTF-32 text, or not text at all; expected UTF-8. "
            "Convert it, for instance with: iconv -f UTF-16 -t UTF-8"
        )
    return start.removeprefix(UTF8_MARK)


def as_text(source: Source, number: int, line: bytes) -> str:
    """Decode a line.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source.name}, line {number}: is not UTF-8 at byte {error.start + 1} of the line "
            f"(0x{line[error.start]:02x}, "
            f"{error.reason}). Convert the file, for instance with: iconv -f WINDOWS-1252 -t UTF-8"
        ) from error


def place_of(source: Source, row: int) -> str:
    """Name the line of a record (0-based; one record a line) by reading the file again: for messages only."""
    return nth_place(source, (number for number, _ in numbered_lines(source)), row)


def nth_place(source: Source, numbers: Iterable[int], row: int) -> str:
    """Name the line of the row-th record, given the line numbers of all records."""
    for at, number in enumerate(numbers):
        if at == row:
            return f"{source.name}, line {number}"
    return f"{source.name}, row {row + 1}"
