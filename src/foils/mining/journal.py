"""The journal of a run that goes on: one line per finished shard, added and synced when its files are on disk.

Adding a line costs the same however many there are. Each line carries a check of itself: a last line that a kill tore
does not count, and neither does one that was changed later.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

import msgspec

from foils import _durable as durable
from foils.mining.counts import Counts
from foils.mining.memory import Effort

CHECK_DIGITS = 16


class Shard(msgspec.Struct, frozen=True):
    """A finished shard: its number, SHA-256 per table, its counts, and what it took."""

    name: str
    checksums: dict[str, str]
    counts: Counts
    effort: Effort


class Line(msgspec.Struct, frozen=True):
    """A line of the journal."""

    check: str
    shard: msgspec.Raw

    @classmethod
    def of(cls, shard: Shard) -> Line:
        """Enter a shard."""
        raw = msgspec.json.encode(shard)
        return cls(_check(raw), msgspec.Raw(raw))

    def read(self) -> Shard:
        """Read the shard.

        Raises:
            msgspec.DecodeError: it is not as it was written.
        """
        if _check(bytes(self.shard)) != self.check:
            raise msgspec.DecodeError("the line is not as it was written")
        return msgspec.json.decode(self.shard, type=Shard)


def add(path: Path, shard: Shard) -> None:
    """Enter a shard whose files are on disk."""
    durable.append(path, _line(shard))


def rewrite(path: Path, shards: Iterable[Shard]) -> None:
    """Write the journal anew."""
    durable.write_bytes(path, b"".join(map(_line, shards)))


def read(path: Path) -> tuple[list[Shard], bool]:
    """Read what was entered.

    Returns:
        the shards; and whether the whole file was read: what is torn or changed must not stay in front of new lines.
    """
    try:
        *lines, torn = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], True
    shards = []
    for number, line in enumerate(lines, 1):
        try:
            shards.append(msgspec.json.decode(line, type=Line).read())
        except (msgspec.DecodeError, UnicodeDecodeError):
            warnings.warn(f"{path}: line {number} is damaged; its shard is made again", stacklevel=2)
    return shards, not torn and len(shards) == len(lines)


def _line(shard: Shard) -> bytes:
    return msgspec.json.encode(Line.of(shard)) + b"\n"


def _check(raw: bytes) -> str:
    return durable.digest(raw)[:CHECK_DIGITS]
