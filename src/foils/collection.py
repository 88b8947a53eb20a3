"""Collections: anchors, items and the judged pairs between them. String ids outside, row numbers inside."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError, did_you_mean
from foils.positives import Int64, Judgements, Positives, Relation

NORMALISERS: Mapping[str, Callable[[str], str]] = {
    "text": lambda text: " ".join(unicodedata.normalize("NFKC", text).casefold().split()),
    "code": lambda text: " ".join(text.split()),
    "none": lambda text: text,
}
"""When two items count as exact duplicates: title and text are equal after normalisation."""


@dataclass(frozen=True, eq=False, repr=False)
class Records:
    """Ids and texts of the anchors or of the items.

    Attributes:
        ids: large_string[N], unique.
        texts: large_string[N], or None where the collection has vectors only.
        titles: large_string[N], or None.
    """

    ids: pa.LargeStringArray
    texts: pa.LargeStringArray | None = None
    titles: pa.LargeStringArray | None = None

    @classmethod
    def of(cls, ids: Sequence[str], texts: Sequence[str] | None = None, titles: Sequence[str] | None = None) -> Records:
        """Build records from Python strings.

        Raises:
            DataError: the lengths differ, an id is not unique, or a string is not valid Unicode.
        """
        columns = {"ids": ids, "texts": texts, "titles": titles}
        arrays = {name: strings(name, values) for name, values in columns.items() if values is not None}
        for name, array in arrays.items():
            if len(array) != len(ids):
                raise DataError(f"{name} has {len(array)} entries and ids has {len(ids)}; give one per id")
        counts = pc.value_counts(arrays["ids"])
        if len(counts) < len(ids):
            twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))[0].as_py()
            raise DataError(f"the id {twice!r} is given more than once; ids must be unique")
        return cls(arrays["ids"], arrays.get("texts"), arrays.get("titles"))

    def __repr__(self) -> str:
        """Say how many there are, without their texts."""
        kinds = [name for name, column in (("titles", self.titles), ("texts", self.texts)) if column is not None]
        return f"Records({len(self):,} ids{''.join(f', {kind}' for kind in kinds)})"

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[str] | pa.Array) -> Int64:
        """Find the rows of these ids: int64[R], −1 where an id is unknown."""
        wanted = pa.array(ids, pa.large_string()) if not isinstance(ids, pa.Array) else ids
        found = pc.fill_null(pc.index_in(wanted, value_set=self.ids), -1)
        return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)

    def full_texts(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Give title and text joined by a space, as encoders read them.

        Raises:
            DataError: the collection holds no text.
        """
        pairs = self.titles_and_texts(start, stop)
        return [text if self.titles is None else f"{title} {text}".strip() for title, text in pairs]

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
        """bool[N], True where title and text hold nothing but white space. Without texts: nowhere."""
        blank = np.ones(len(self), bool)
        columns = [column for column in (self.titles, self.texts) if column is not None]
        if self.texts is None:
            return ~blank
        for column in columns:
            blank &= np.asarray(pc.equal(pc.utf8_trim_whitespace(column), "").to_numpy(zero_copy_only=False))
        return blank

    @cached_property
    def digest(self) -> str:
        """Hash of ids, titles and texts."""
        state = hashlib.blake2b(f"records/1 {len(self)}".encode(), digest_size=16)
        for name, column in (("ids", self.ids), ("titles", self.titles), ("texts", self.texts)):
            state.update(name.encode() if column is not None else b"-")
            if column is not None:
                state.update(pc.binary_length(column).to_numpy(zero_copy_only=False).astype("<i8").tobytes())
                for chunk in range(0, len(column), 65536):
                    state.update("".join(column[chunk : chunk + 65536].to_pylist()).encode())
        return state.hexdigest()


@dataclass(frozen=True, eq=False, repr=False)
class Collection:
    """Anchors, items and what is known about their pairs.

    Attributes:
        anchors: queries, users, images, prompts.
        items: passages, products, entities, labels.
        judgements: judged pairs by rows.
        normaliser: when two items count as exact duplicates; one of ``NORMALISERS``.
        item_groups: int64[I], given by the user instead of a normaliser: equal numbers are
            duplicates, −1 none; or None.
    """

    anchors: Records
    items: Records
    judgements: Judgements
    normaliser: str = "text"
    item_groups: Int64 | None = None

    def __post_init__(self) -> None:
        """Check the normaliser's name and the groups' length."""
        if self.normaliser not in NORMALISERS:
            raise DataError(f"there is no normaliser {self.normaliser!r}; {did_you_mean(self.normaliser, NORMALISERS)}")
        if self.item_groups is not None and len(self.item_groups) != len(self.items):
            raise DataError(
                f"item_groups has {len(self.item_groups)} entries for {len(self.items)} items; give one per item"
            )

    def __repr__(self) -> str:
        """Say what it holds, without its texts."""
        sizes = f"{len(self.anchors):,} anchors, {len(self.items):,} items, {len(self.judgements):,} judged pairs"
        return f"Collection({sizes}, splits: {', '.join(self.splits)})"

    @classmethod
    def from_beir(cls, path: str | Path, *, normaliser: str = "text") -> Collection:
        """Read a BEIR folder or .zip: corpus.jsonl, queries.jsonl (plain or .gz) and qrels/*.tsv."""
        from foils.formats.beir import read_beir

        return replace(read_beir(Path(path)), normaliser=normaliser)

    @classmethod
    def from_pairs(
        cls,
        path: str | Path,
        *,
        anchor: str = "anchor",
        positive: str = "positive",
        corpus: str | Path | None = None,
        normaliser: str = "text",
    ) -> Collection:
        """Read (anchor, positive) texts from CSV, JSONL or Parquet; equal texts are one anchor or item."""
        from foils.formats.pairs import read_pairs

        collection = read_pairs(Path(path), anchor, positive, None if corpus is None else Path(corpus))
        return replace(collection, normaliser=normaliser)

    @classmethod
    def from_arrays(
        cls,
        pairs: npt.ArrayLike,
        *,
        anchors: Sequence[str] | int,
        items: Sequence[str] | int,
        grades: npt.ArrayLike | None = None,
        splits: Sequence[str] | None = None,
        item_titles: Sequence[str] | None = None,
        normaliser: str = "text",
        item_groups: npt.ArrayLike | None = None,
    ) -> Collection:
        """Build a collection from rows in memory.

        Args:
            pairs: int[P, 2], (anchor row, item row).
            anchors: texts of the anchors, or how many there are (then they have no text).
            items: texts of the items, or how many there are.
            grades: float[P]; above 0 = positive, 0 = judged negative; default 1.
            splits: P names; default ``train``.
            item_titles: titles of the items.
            normaliser: when two items are exact duplicates.
            item_groups: int[I], duplicates stated by you instead.

        Raises:
            DataError: shapes differ, rows are outside the collection, a grade is not a number.
        """
        from foils.formats.arrays import groups_from, judgements_from_rows, records_from, reject_empty_anchors

        anchor_records, item_records = records_from(anchors), records_from(items, item_titles)
        reject_empty_anchors(anchor_records)
        judgements = judgements_from_rows(pairs, len(anchor_records), len(item_records), grades, splits)
        groups = None if item_groups is None else groups_from(item_groups, len(item_records))
        return cls(anchor_records, item_records, judgements, normaliser, groups)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return self.judgements.split_names

    def positives(self, splits: Sequence[str] = ("train",)) -> Positives:
        """Give the known positives of these splits and their exact duplicates: for mining, batches, banks."""
        return Positives.from_judgements(
            self.judgements.select(splits),
            n_anchors=len(self.anchors),
            n_items=len(self.items),
            item_groups=self.duplicate_groups,
        )

    def filter_index(self) -> Positives:
        """Give the known positives of all splits: for evaluation and nothing else."""
        return self.positives(self.splits)

    def trusted_negatives(self, splits: Sequence[str] = ("train",)) -> Relation:
        """Give the pairs judged non-relevant in these splits and positive in none of them."""
        judged = self.judgements.select(splits)
        zero = (judged.grades <= 0) & ~self.positives(splits).contains(judged.anchors, judged.items)
        return Relation.from_pairs(judged.anchors[zero], judged.items[zero], len(self.anchors))

    @cached_property
    def duplicate_groups(self) -> Int64:
        """int64[I]: equal numbers mark exact duplicates; −1 where an item is alone, empty or without text."""
        if self.item_groups is not None:
            return self.item_groups
        if self.items.texts is None:
            return np.full(len(self.items), -1, np.int64)
        return self._equal_texts()

    def _equal_texts(self) -> Int64:
        normalise = NORMALISERS[self.normaliser]
        seen: dict[bytes, int] = {}
        codes = np.empty(len(self.items), np.int64)
        for start in range(0, len(codes), 65536):
            pairs = self.items.titles_and_texts(start, start + 65536)
            for row, (title, text) in enumerate(pairs, start):
                normal_title = normalise(title)
                # The title's length keeps the two apart, whatever characters they hold.
                key = f"{len(normal_title)} {normal_title}{normalise(text)}".encode()
                codes[row] = seen.setdefault(hashlib.blake2b(key, digest_size=16).digest(), len(seen))
        alone = np.bincount(codes, minlength=1)[codes] == 1
        codes[alone | self.items.empty] = -1
        return codes

    def digest(self, split: str) -> str:
        """Hash of what mining on this split depends on: anchors, items, positives and trusted negatives."""
        trusted = self.trusted_negatives((split,))
        state = hashlib.blake2b(b"collection/1", digest_size=16)
        for part in (self.anchors.digest, self.items.digest, self.positives((split,)).digest):
            state.update(part.encode())
        state.update(trusted.indptr.astype("<i8").tobytes() + trusted.items.astype("<i8").tobytes())
        return state.hexdigest()


def strings(name: str, values: Sequence[str]) -> pa.LargeStringArray:
    """Make an Arrow array of Python strings.

    Args:
        name: how messages name the values.
        values: the strings.

    Raises:
        DataError: a value is not a string, or not valid Unicode.
    """
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


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
