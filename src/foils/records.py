"""Records: ids, texts, payload references and metadata of the anchors or of the items, one Arrow array each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError
from foils.normalisers import normalised
from foils.positives import Int64

WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())
"""What ``str.strip`` takes from the ends of a text."""


@dataclass(frozen=True, eq=False, repr=False)
class Records:
    """Ids, texts and metadata of the anchors or of the items.

    Attributes:
        ids: large_string[N], unique.
        texts: large_string[N], or None where the collection has vectors only.
        titles: large_string[N], or None.
        payloads: large_string[N], references to what is not text (a file's path or a URL; empty = none),
            or None. Readers never open them.
        fields: metadata by name, one Arrow array of N values each (language, date, category, tenant, …).
            They serve constraints and reports, and are not in the digest.
        payload_folder: where relative paths in ``payloads`` start; not in the digest, so that data may move.
    """

    ids: pa.LargeStringArray
    texts: pa.LargeStringArray | None = None
    titles: pa.LargeStringArray | None = None
    payloads: pa.LargeStringArray | None = None
    fields: Mapping[str, pa.Array] = field(default_factory=dict)
    payload_folder: Path | None = None

    def __post_init__(self) -> None:
        """Check that the metadata has one value per record."""
        for name, column in self.fields.items():
            if len(column) != len(self.ids):
                raise DataError(
                    f"the field {name!r} has {len(column)} values for {len(self.ids)} records; give one per record"
                )

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        texts: Sequence[str] | None = None,
        titles: Sequence[str] | None = None,
        payloads: Sequence[str] | None = None,
        fields: Mapping[str, pa.Array] | None = None,
    ) -> Records:
        """Build records from Python strings.

        Raises:
            DataError: the lengths differ, an id is not unique, or a string is not valid Unicode.
        """
        columns = {"ids": ids, "texts": texts, "titles": titles, "payloads": payloads}
        arrays = {name: strings(name, values) for name, values in columns.items() if values is not None}
        for name, array in arrays.items():
            if len(array) != len(ids):
                raise DataError(f"{name} has {len(array)} entries and ids has {len(ids)}; give one per id")
        counts = pc.value_counts(arrays["ids"])
        if len(counts) < len(ids):
            twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0].as_py()
            raise DataError(f"the id {twice!r} is given more than once; ids must be unique")
        return cls(arrays["ids"], arrays.get("texts"), arrays.get("titles"), arrays.get("payloads"), fields or {})

    def __repr__(self) -> str:
        """Say how many there are, without their texts."""
        columns = (("titles", self.titles), ("texts", self.texts), ("payloads", self.payloads))
        kinds = [name for name, column in columns if column is not None] + [f"field {name!r}" for name in self.fields]
        return f"Records({len(self):,} ids{''.join(f', {kind}' for kind in kinds)})"

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Int64) -> Records:
        """Keep the records of these rows, in their order: int64[R]."""
        at = pa.array(rows)
        texts, titles, payloads = (
            None if column is None else column.take(at) for column in (self.texts, self.titles, self.payloads)
        )
        fields = {name: column.take(at) for name, column in self.fields.items()}
        return Records(self.ids.take(at), texts, titles, payloads, fields, self.payload_folder)

    def rows(self, ids: Sequence[str] | pa.Array) -> Int64:
        """Find the rows of these ids: int64[R], −1 where an id is unknown."""
        wanted = pa.array(ids, pa.large_string()) if not isinstance(ids, pa.Array) else ids
        return find(wanted, self.ids)

    def full_texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give title and text joined by a space, as encoders read them.

        Raises:
            DataError: the collection holds no text.
        """
        pairs = self.titles_and_texts(start, stop)
        return [text if self.titles is None else f"{title} {text}".strip() for title, text in pairs]

    def texts_at(self, rows: Int64) -> pa.LargeStringArray:
        """Give title and text of these rows as ``full_texts`` does; where both are empty, the payload's reference.

        Args:
            rows: int64[R]; −1 = absent.

        Returns:
            large_string[R], null where absent.

        Raises:
            DataError: the collection holds neither texts nor payloads.
        """
        if self.texts is None and self.payloads is None:
            self.titles_and_texts()
        at = pa.array(rows, mask=rows < 0)
        payloads = None if self.payloads is None else self.payloads.take(at)
        if self.texts is None:
            return payloads
        texts = self.texts.take(at)
        if self.titles is not None:
            joined = pc.binary_join_element_wise(self.titles.take(at), texts, pa.scalar(" ", pa.large_string()))
            texts = pc.utf8_trim(joined, characters=WHITE_SPACE)
        return texts if payloads is None else pc.if_else(pc.equal(texts, ""), payloads, texts)

    def payload_paths(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give references as they can be opened: relative paths joined to the folder they are relative to.

        Raises:
            DataError: the collection holds no payloads.
        """
        if self.payloads is None:
            raise DataError("this collection holds no payloads; give records a field 'image' with a path or a URL")
        folder = self.payload_folder
        given: list[str] = self.payloads[start:stop].to_pylist()
        if folder is None:
            return given
        return [name if not name or "://" in name else str(folder / name) for name in given]

    def require_payloads(self) -> None:
        """Check that every payload that is a path is a file, before long work; nothing is opened.

        Raises:
            DataError: one is not; names the first and says how many.
        """
        names = self.payload_paths()
        missing = [row for row, name in enumerate(names) if name and "://" not in name and not Path(name).is_file()]
        if missing:
            row = missing[0]
            raise DataError(
                f"the payload of {self.ids[row].as_py()!r:.60}, {names[row]!r:.200}, is no file ({len(missing)} of "
                f"{len(self)} are missing); paths are relative to the file that names them"
            )

    def titles_and_texts(self, start: int = 0, stop: int | None = None) -> list[tuple[str, str]]:
        """Give titles (empty where there are none) and texts.

        Raises:
            DataError: the collection holds no text.
        """
        if self.texts is None:
            raise DataError("this collection holds no texts; build it from texts, or give vectors")
        texts: list[str] = self.texts[start:stop].to_pylist()
        titles = [""] * len(texts) if self.titles is None else self.titles[start:stop].to_pylist()
        return list(zip(titles, texts, strict=True))

    @cached_property
    def empty(self) -> npt.NDArray[np.bool_]:
        """bool[N], True where title, text and payload hold nothing but white space. With ids alone: nowhere."""
        blank = np.ones(len(self), bool)
        if self.texts is None and self.payloads is None:
            return ~blank
        for column in (self.titles, self.texts, self.payloads):
            if column is None:
                continue
            blank &= np.asarray(pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False))
        return blank

    @cached_property
    def digest(self) -> str:
        """Hash of ids, titles, texts and payload references."""
        state = hashlib.blake2b(f"records/1 {len(self)}".encode(), digest_size=16)
        for name, column in (("ids", self.ids), ("titles", self.titles), ("texts", self.texts)):
            state.update(name.encode() if column is not None else b"-")
            if column is not None:
                _update(state, column)
        if self.payloads is not None:
            state.update(b"payloads")
            _update(state, self.payloads)
        return state.hexdigest()


def equal_records(records: Records, normaliser: str) -> Int64:
    """Mark records that are equal once normalised by the row of their first: int64[N].

    −1 where one is alone, empty or without text.
    """
    codes = np.full(len(records), -1, np.int64)
    if records.texts is None:
        return codes
    # Python's own hash is quick, and 64 bits of it leave few to compare; equal it need not be in another process.
    alike = [np.fromiter(map(hash, part), np.int64) for part in _compared(records, normaliser)]
    _, of, counts = np.unique(np.concatenate([np.empty(0, np.int64), *alike]), return_inverse=True, return_counts=True)
    rows = np.flatnonzero((counts[of] > 1) & ~records.empty)
    digests = [digest for part in _compared(records.take(rows), normaliser) for digest in map(_digest, part)]
    _, firsts, of, counts = np.unique(
        np.array(digests, "V16"), return_index=True, return_inverse=True, return_counts=True
    )
    again = counts[of] > 1
    codes[rows[again]] = rows[firsts[of[again]]]
    return codes


def _compared(records: Records, normaliser: str) -> Iterator[list[str]]:
    """Give what counts of records as one string each; lengths keep the parts apart, whatever characters they hold."""
    for start in range(0, len(records), 65536):
        rows = slice(start, start + 65536)
        given = [column[rows] for column in (records.titles, records.texts) if column is not None]
        parts = [normalised(column, normaliser) for column in given]
        if records.payloads is not None:
            parts.insert(0, records.payloads[rows])
        lengths = [pc.binary_length(part).cast(pa.large_string()) for part in parts[:-1]]
        yield pc.binary_join_element_wise(*lengths, *parts, pa.scalar(" ", pa.large_string())).to_pylist()


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def find(wanted: pa.Array, among: pa.Array) -> Int64:
    """Find where each of some strings first stands among others: int64[W], −1 where it does not.

    Args:
        wanted: strings, of the same Arrow type as ``among``; null is found where null is.
        among: where to look; all of it is indexed, so that few large look-ups are best.
    """
    found = pc.fill_null(pc.index_in(wanted, value_set=among), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def strings(name: str, values: Sequence[str]) -> pa.LargeStringArray:
    """Make an Arrow array of Python strings.

    Args:
        name: how messages name the values.
        values: the strings.

    Raises:
        DataError: a value is not a string, or not valid Unicode.
    """
    if not set(map(type, values)) <= {str}:
        for row, value in enumerate(values):
            if not isinstance(value, str):
                raise DataError(f"{name}[{row}] is {value!r:.60}; expected a string")
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError as error:
        row, broken = next((row, value) for row, value in enumerate(values) if _is_broken(value))
        raise DataError(
            f"{name}[{row}] holds a lone surrogate (broken UTF-16): {broken!r:.60}; repair the text, for "
            "instance with "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from error


def _update(state: hashlib.blake2b, column: pa.LargeStringArray) -> None:
    """Feed lengths, then characters, so that no two columns give the same bytes."""
    state.update(pc.binary_length(column).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    for chunk in range(0, len(column), 65536):
        state.update("".join(column[chunk : chunk + 65536].to_pylist()).encode())


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
