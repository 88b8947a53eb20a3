"""JSON Lines whose records nest: FlagEmbedding's and Tevatron's training files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.given_pairs import Pairs
from foils.formats.lines import numbered_lines
from foils.formats.messages import quoted
from foils.formats.rows import BATCH_ROWS

Entry = tuple[str, float]
"""A name and its score, NaN where there is none."""


class FlagEmbedding(msgspec.Struct, gc=False):
    """A line of FlagEmbedding."""

    query: str
    neg: list[str]
    pos: list[str] = []
    neg_scores: list[float] | None = None
    pos_scores: list[float] | None = None

    def told(self) -> tuple[str, list[Entry], list[Entry]]:
        """Give the anchor, the negatives and the positives."""
        return self.query, _scored("neg", self.neg, self.neg_scores), _scored("pos", self.pos, self.pos_scores)


class Passage(msgspec.Struct, gc=False):
    """A passage of Tevatron."""

    docid: str | int | None = None
    title: str | None = None
    text: str | None = None

    @property
    def name(self) -> str:
        """Its id, or its text where it has none."""
        return str(self.docid) if self.docid is not None else f"{self.title or ''} {self.text or ''}".strip()


class Tevatron(msgspec.Struct, gc=False):
    """A line of Tevatron."""

    query_id: str | int
    negative_passages: list[Passage]
    positive_passages: list[Passage] = []

    def told(self) -> tuple[str, list[Entry], list[Entry]]:
        """Give the anchor, the negatives and the positives."""
        sides = (self.negative_passages, self.positive_passages)
        negatives, positives = ([(passage.name, np.nan) for passage in side] for side in sides)
        return str(self.query_id), negatives, positives


class TevatronIds(msgspec.Struct, gc=False):
    """A line of Tevatron that names documents by id."""

    query_id: str | int
    negative_document_ids: list[str | int]
    positive_document_ids: list[str | int] = []

    def told(self) -> tuple[str, list[Entry], list[Entry]]:
        """Give the anchor, the negatives and the positives."""
        sides = (self.negative_document_ids, self.positive_document_ids)
        negatives, positives = ([(str(name), np.nan) for name in side] for side in sides)
        return str(self.query_id), negatives, positives


@dataclass(frozen=True)
class RecordForm:
    """How a form is recognised and read."""

    keys: frozenset[str]
    record: Any


RECORDS = {
    "flagembedding": RecordForm(frozenset({"query", "neg"}), FlagEmbedding),
    "tevatron": RecordForm(frozenset({"query_id", "negative_passages"}), Tevatron),
    "tevatron ids": RecordForm(frozenset({"query_id", "negative_document_ids"}), TevatronIds),
}


def recognised(source: Source) -> str | None:
    """Name the nested form that the first record has, or None."""
    for _, line in numbered_lines(source):
        try:
            record = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            return None  # the reader of columns says what is wrong with it
        keys = set(record) if isinstance(record, dict) else set()
        return next((name for name, form in RECORDS.items() if form.keys <= keys), None)
    return None


def record_pairs(source: Source, form: RecordForm) -> tuple[pa.Array, Pairs, Pairs]:
    """Read all records: large_string[R] anchors, negatives, positives.

    Raises:
        DataError: a line is not a record of this form.
    """
    anchors: list[str] = []
    negatives, positives = _Gathered(), _Gathered()
    for row, (anchor, negative, positive) in enumerate(_records(source, form)):
        anchors.append(anchor)
        negatives.add(row, negative)
        positives.add(row, positive)
    return pa.array(anchors, pa.large_string()), negatives.pairs(), positives.pairs()


def _records(source: Source, form: RecordForm) -> Iterator[tuple[str, list[Entry], list[Entry]]]:
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(form.record).decode
    for number, line in numbered_lines(source):
        try:
            yield decode(line).told()
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{source.name}, line {number}: {error}; the first line is a record with "
                f"{', '.join(quoted(key) for key in sorted(form.keys))}, and so must be all others"
            ) from error


def _scored(what: str, names: list[str], scores: list[float] | None) -> list[Entry]:
    if scores is None:
        return [(name, np.nan) for name in names]
    if len(scores) != len(names):
        raise ValueError(f"{what} has {len(names)} entries and {what}_scores has {len(scores)}; give one per entry")
    return list(zip(names, scores, strict=True))


class _Gathered:
    """Pairs as they are read; Python's strings take ten times the room of Arrow's, so that few are held at once."""

    def __init__(self) -> None:
        self._done: list[Pairs] = []
        self._rows: list[int] = []
        self._entries: list[Entry] = []

    def add(self, row: int, entries: list[Entry]) -> None:
        self._rows.extend([row] * len(entries))
        self._entries.extend(entries)
        if len(self._rows) >= BATCH_ROWS:
            self._flush()

    def pairs(self) -> Pairs:
        self._flush()
        return Pairs.joined(self._done)

    def _flush(self) -> None:
        names = pa.array([name for name, _ in self._entries], pa.large_string())
        scores = np.array([score for _, score in self._entries], np.float32)
        self._done.append(Pairs(np.array(self._rows, np.int64), names, scores))
        self._rows, self._entries = [], []
