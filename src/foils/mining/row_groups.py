"""Join Parquet files of one schema without decoding them: copy their row groups, and shift what the footers point to.

A Parquet file is ``PAR1``, the pages of its row groups, a footer, the footer's length and ``PAR1``. The footer is a
Thrift structure in the compact protocol; a row group in it names places in the file. Copied to another place it is
right again once these numbers are shifted, and all else stays as the first writer left it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from foils import _durable as durable
from foils.errors import DefectError, FolderError

MAGIC = b"PAR1"
TAIL_BYTES = 8

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
"""Types of the compact protocol; a field that is true or false has no bytes of its own."""

# Field numbers of parquet.thrift, from the footer down.
NUM_ROWS, ROW_GROUPS = (3,), (4,)
ORDINAL = (4, 7)
PLACES = frozenset(
    {
        (4, 5),  # RowGroup.file_offset
        (4, 1, 2),  # ColumnChunk.file_offset; writers of today leave it at 0
        (4, 1, 4),  # ColumnChunk.offset_index_offset
        (4, 1, 6),  # ColumnChunk.column_index_offset
        (4, 1, 3, 9),  # ColumnMetaData.data_page_offset
        (4, 1, 3, 10),  # ColumnMetaData.index_page_offset
        (4, 1, 3, 11),  # ColumnMetaData.dictionary_page_offset
        (4, 1, 3, 14),  # ColumnMetaData.bloom_filter_offset
    }
)
NOTED = PLACES | {NUM_ROWS, ROW_GROUPS, ORDINAL}

MOST_ORDINAL = 2**15 - 1
"""The number of a row group has 16 bits; readers do not need it."""

Fields = tuple[int, ...]


@dataclass(frozen=True)
class Span:
    """Where a field lies in a footer.

    Attributes:
        path: field numbers from the footer down.
        start: its first byte.
        stop: the byte after its last.
        value: of a whole number.
    """

    path: Fields
    start: int
    stop: int
    value: int = 0


@dataclass(frozen=True)
class Footer:
    """A footer, cut where it is changed.

    Attributes:
        head: up to the number of rows.
        rows: how many there are.
        middle: from there to the row groups.
        groups: the row groups, each with the numbers in it that may change (places count from the group's start).
        rest: what follows.
    """

    head: bytes
    rows: int
    middle: bytes
    groups: tuple[tuple[bytes, tuple[Span, ...]], ...]
    rest: bytes

    @classmethod
    def of(cls, raw: bytes) -> Footer:
        """Take a footer apart."""
        spans = list(_struct(raw, [0], ()))
        rows = next(span for span in spans if span.path == NUM_ROWS)
        listed = next(span for span in spans if span.path == ROW_GROUPS)
        groups = tuple(
            (raw[one.start : one.stop], tuple(_within(spans, one)))
            for one in spans
            if one.path == (*ROW_GROUPS, 0) and one.stop > one.start
        )
        return cls(raw[: rows.start], rows.value, raw[rows.stop : listed.start], groups, raw[listed.stop :])


def join(shards: Iterable[tuple[Path, str]], target: Path) -> None:
    """Join files into a new one, their row groups one after the other.

    Args:
        shards: each file with the SHA-256 it must have.
        target: is written plainly; see ``_durable.write_file``.

    Raises:
        FolderError: a file is not as it was written.
    """
    footers: list[tuple[Footer, int]] = []
    with target.open("wb") as file:
        file.write(MAGIC)
        for path, sha in shards:
            content = path.read_bytes()
            if durable.digest(content) != sha:
                raise FolderError(
                    f"{path}: damaged since it was written (its SHA-256 sum differs); run the same command again "
                    "(without --fresh): it is made again, and the rest is kept"
                )
            length = int.from_bytes(content[-TAIL_BYTES : -len(MAGIC)], "little")
            end = len(content) - TAIL_BYTES - length
            footers.append((Footer.of(content[end:-TAIL_BYTES]), file.tell() - len(MAGIC)))
            file.write(memoryview(content)[len(MAGIC) : end])
        footer = _joined(footers)
        file.write(footer + len(footer).to_bytes(4, "little") + MAGIC)


def _joined(footers: list[tuple[Footer, int]]) -> bytes:
    first = footers[0][0]
    if any((one.head, one.middle, one.rest) != (first.head, first.middle, first.rest) for one, _ in footers):
        raise DefectError("shards of one table differ in their schema")
    groups = [(group, shift) for footer, shift in footers for group in footer.groups]
    moved = b"".join(_moved(*group, shift, number) for number, (group, shift) in enumerate(groups))
    rows = sum(footer.rows for footer, _ in footers)
    return first.head + _zigzag(rows) + first.middle + _list_header(len(groups)) + moved + first.rest


def _moved(raw: bytes, spans: tuple[Span, ...], shift: int, number: int) -> bytes:
    """Shift the places that a row group names, and number it anew."""
    parts, at = [], 0
    for span in spans:
        shifted = span.value + shift if span.value else 0  # 0 = nowhere
        value = min(number, MOST_ORDINAL) if span.path == ORDINAL else shifted
        parts += [raw[at : span.start], _zigzag(value)]
        at = span.stop
    return b"".join([*parts, raw[at:]])


def _within(spans: list[Span], group: Span) -> Iterator[Span]:
    for span in spans:
        if len(span.path) > 1 and span.path != group.path and group.start <= span.start < group.stop:
            yield Span(span.path, span.start - group.start, span.stop - group.start, span.value)


def _list_header(size: int) -> bytes:
    return bytes([size << 4 | STRUCT]) if size < 15 else bytes([0xF0 | STRUCT]) + _varint(size)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1)  # no number here is below 0


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _read_varint(raw: bytes, at: list[int]) -> int:
    """Read a number without a sign; ``at`` holds the place, and moves on."""
    value = shift = 0
    place = at[0]
    while raw[place] > 0x7F:
        value |= (raw[place] & 0x7F) << shift
        shift, place = shift + 7, place + 1
    at[0] = place + 1
    return value | raw[place] << shift


def _struct(raw: bytes, at: list[int], path: Fields) -> Iterator[Span]:
    """Walk over a structure, and give the fields that are noted, in order."""
    field = 0
    while (header := raw[at[0]]) != 0:
        at[0] += 1
        kind = header & 0x0F
        if header >> 4:
            field += header >> 4
        else:
            number = _read_varint(raw, at)
            field = number >> 1 ^ -(number & 1)
        if kind not in (TRUE, FALSE):
            yield from _value(raw, at, kind, (*path, field))
    at[0] += 1


def _value(raw: bytes, at: list[int], kind: int, path: Fields) -> Iterator[Span]:
    start = at[0]
    if kind in (I16, I32, I64):
        number = _read_varint(raw, at)
        if path in NOTED:
            yield Span(path, start, at[0], number >> 1)
    elif kind == BINARY:
        length = _read_varint(raw, at)
        at[0] += length
    elif kind == STRUCT:
        yield from _struct(raw, at, path)
    elif kind in (LIST, SET):
        yield from _list(raw, at, path)
        if path == ROW_GROUPS:
            yield Span(path, start, at[0])
    elif kind in (BYTE, DOUBLE):
        at[0] += 1 if kind == BYTE else 8
    else:
        raise DefectError(f"a Parquet footer holds the type {kind}, which is not known")


def _list(raw: bytes, at: list[int], path: Fields) -> Iterator[Span]:
    header = raw[at[0]]
    at[0] += 1
    size = header >> 4 if header >> 4 < 15 else _read_varint(raw, at)
    kind = header & 0x0F
    for _ in range(size):
        start = at[0]
        if kind in (TRUE, FALSE):  # in a list they have a byte
            at[0] += 1
        else:
            yield from _value(raw, at, kind, path)
        if path == ROW_GROUPS:
            yield Span((*ROW_GROUPS, 0), start, at[0])
