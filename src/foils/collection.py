"""Collections: anchors, items and the judged pairs between them. String ids outside, row numbers inside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.errors import DataError, InputError, did_you_mean
from foils.found import Found, found_rows
from foils.normalisers import NORMALISERS
from foils.positives import Int64, Judgements, Positives, Relation
from foils.records import Records, equal_records, strings
from foils.triples import Triples

__all__ = ["NORMALISERS", "Collection", "Records", "require_collection", "strings"]


@dataclass(frozen=True, eq=False, repr=False)
class Collection:
    """Anchors, items and what is known about their pairs.

    Attributes:
        anchors: queries, users, images, prompts.
        items: passages, products, entities, labels.
        judgements: judged pairs by rows.
        normaliser: when two anchors or items count as exact duplicates; one of ``NORMALISERS``.
        item_groups: int64[I], given instead of a normaliser: equal numbers are duplicates, −1 none; or None.
        triples: the known triples where the collection was read from triples; or None.
        found: positives and verified negatives that were found later; see ``with_found``.
    """

    anchors: Records
    items: Records
    judgements: Judgements
    normaliser: str = "text"
    item_groups: Int64 | None = None
    triples: Triples | None = None
    found: Found | None = None

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

        further = None if corpus is None else Path(corpus)
        return replace(read_pairs(path, anchor, positive, further), normaliser=normaliser)

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
        anchor_fields: Mapping[str, Sequence[Any]] | None = None,
        item_fields: Mapping[str, Sequence[Any]] | None = None,
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
            anchor_fields: metadata of the anchors (language, date, category, tenant …): name → a text, number, date or
                truth value per anchor, None where there is none.
            item_fields: metadata of the items.
            normaliser: when two items are exact duplicates.
            item_groups: int[I], duplicates stated by you instead.

        Raises:
            DataError: shapes differ, rows are outside the collection, a grade is not a number.
        """
        from foils.formats.arrays import groups_from, judgements_from_rows, records_from, reject_empty_anchors

        anchor_records = records_from(anchors, fields=anchor_fields)
        item_records = records_from(items, item_titles, fields=item_fields)
        reject_empty_anchors(anchor_records)
        judgements = judgements_from_rows(pairs, len(anchor_records), len(item_records), grades, splits)
        groups = None if item_groups is None else groups_from(item_groups, len(item_records))
        return cls(anchor_records, item_records, judgements, normaliser, groups)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        anchor: str = "anchor",
        positive: str = "positive",
        corpus: Any | None = None,
        normaliser: str = "text",
    ) -> Collection:
        """Read (anchor, positive) texts from a table in memory: pandas, Polars, PyArrow, or what else gives Arrow.

        Args:
            frame: the table; columns ``grade`` and ``split`` are read where they exist.
            anchor: name of the column of anchors.
            positive: name of the column of positives.
            corpus: a table of further items: ``text``, optionally ``title`` and ``id``.
            normaliser: when two items are exact duplicates.
        """
        from foils.formats.frames import read_frame

        return replace(read_frame(frame, anchor, positive, corpus), normaliser=normaliser)

    @classmethod
    def from_huggingface(
        cls,
        dataset: Any,
        config: str | None = None,
        *,
        anchor: str = "anchor",
        positive: str = "positive",
        corpus: Any | None = None,
        normaliser: str = "text",
    ) -> Collection:
        """Read (anchor, positive) texts from a data set of Hugging Face; the names of its splits are kept.

        Args:
            dataset: a Dataset, DatasetDict or IterableDataset (read batch by batch), or a name to load.
            config: of a data set that is loaded by name.
            anchor: name of the column of anchors.
            positive: name of the column of positives.
            corpus: a Dataset of further items: ``text``, optionally ``title`` and ``id``.
            normaliser: when two items are exact duplicates.

        Raises:
            DataError: it cannot be loaded, or a column is missing, null or no text.
            MissingExtraError: a name is given, and datasets is not installed.
        """
        from foils.formats.frames import read_huggingface

        return replace(read_huggingface(dataset, config, anchor, positive, corpus), normaliser=normaliser)

    @classmethod
    def from_interactions(
        cls,
        path: str | Path,
        *,
        user: str = "user",
        item: str = "item",
        value: str = "value",
        items: str | Path | None = None,
        min_value: float | None = None,
        below: Literal["drop", "negative"] = "drop",
    ) -> Collection:
        """Read which users took which items: users are anchors, without text; every product is its own item.

        Args:
            path: a folder with train.tsv, test.tsv … (also .csv, .jsonl, .parquet) and perhaps items.tsv, or one table
                with or without a column ``split``.
            user: name of the column of users.
            item: name of the column of items.
            value: name of the column of values, which is read where ``min_value`` is given.
            items: a table of items: ``id``, optionally ``title``, ``text`` and more, which become metadata.
            min_value: least value of a positive; None = every interaction is one.
            below: what becomes of the others: ``drop``, or ``negative`` = judged negative.
        """
        from foils.formats.interactions import Columns, read_interactions

        table = None if items is None else Path(items)
        return read_interactions(path, Columns(user, item, value), table, min_value, below)

    @classmethod
    def from_triples(cls, path: str | Path) -> Collection:
        """Read triples (head, relation, tail): two anchors each, (h, r, ?) and (?, r, t); items are the entities.

        Args:
            path: a folder with train.tsv, valid.tsv, test.tsv, perhaps entities.tsv and relations.tsv (``id``,
                ``name``, ``description`` and more), and verified false triples in valid_negatives.tsv and the like;
                or one table.
        """
        from foils.formats.triples import read_triples

        return read_triples(Path(path))

    @classmethod
    def from_labels(
        cls,
        path: str | Path,
        *,
        text: str = "text",
        label: str = "label",
        labels: str | Path | None = None,
        normaliser: str = "text",
    ) -> Collection:
        """Read texts and their labels: texts are anchors, labels are items.

        Args:
            path: a folder with train.jsonl, test.jsonl … and perhaps labels.tsv, or one table (.csv, .tsv, .jsonl,
                .parquet) with or without a column ``split``.
            text: name of the column of texts.
            label: name of the column of labels, one per row; lists are read from ``labels``.
            labels: a table of the labels: ``id``, optionally ``text`` and more, which become metadata.
            normaliser: when two labels are exact duplicates.
        """
        from foils.formats.labels import Columns, read_labels

        table = None if labels is None else Path(labels)
        return replace(read_labels(Path(path), Columns(text, label), table), normaliser=normaliser)

    @classmethod
    def from_trec(
        cls,
        queries: str | Path,
        corpus: str | Path,
        qrels: str | Path | Mapping[str, str | Path],
        *,
        normaliser: str = "text",
    ) -> Collection:
        """Read a TREC collection: topics and documents (.tsv or .jsonl), and qrels of four columns.

        Args:
            queries: the topics.
            corpus: the documents.
            qrels: a file, which is then the split ``train``, or a file per split.
            normaliser: when two items are exact duplicates.
        """
        from foils.formats.trec import read_trec

        files = {"train": qrels} if isinstance(qrels, str | Path) else qrels
        paths = {name: Path(path) for name, path in files.items()}
        return replace(read_trec(Path(queries), Path(corpus), paths), normaliser=normaliser)

    @classmethod
    def from_path(
        cls,
        path: str | Path,
        *,
        anchor: str | None = None,
        positive: str | None = None,
        min_value: float | None = None,
        value: str | None = None,
    ) -> Collection:
        """Read a folder or file that its contents tell: BEIR, interactions, triples, labels, or a table of pairs.

        Args:
            path: the folder or file.
            anchor: name of the column of anchors, or of the users of interactions.
            positive: name of the column of positives, or of the items of interactions.
            min_value: least value of an interaction that counts, in the column called as ``value`` says.
            value: ``value`` by default.

        Raises:
            InputError: it is none of them, or the names do not go with the data.
        """
        from foils.formats.named import Names, read_named

        return read_named(path, Names(anchor, positive, min_value, value))

    def part(self, anchors: Int64, items: Int64) -> Collection:
        """Keep some anchors and items, and what is judged about their pairs; triples are left out.

        Args:
            anchors: int64[A], ascending rows.
            items: int64[I], ascending rows.
        """
        judged = self.judgements
        both = np.isin(judged.anchors, anchors) & np.isin(judged.items, items)
        kept = replace(
            judged,
            anchors=np.searchsorted(anchors, judged.anchors[both]),
            items=np.searchsorted(items, judged.items[both]),
            grades=judged.grades[both],
            splits=judged.splits[both],
        )
        groups = None if self.item_groups is None else self.item_groups[items]
        found = None if self.found is None else self.found.part(anchors, items)
        sides = self.anchors.take(anchors), self.items.take(items)
        return Collection(*sides, kept, self.normaliser, groups, found=found)

    def with_found(self, table: pa.Table, split: str = "train") -> Collection:
        """Lay found positives and verified negatives over a split, for mining and training; see ``foils.found``.

        Args:
            table: columns anchor_id and item_id, and perhaps grade (above 0 = positive, 0 = negative; default 1) and
                provenance (``human`` or ``llm``, the default); as ``Mined.found_positives`` gives it.
            split: whose positives they are.

        Raises:
            DataError: there is no such split, an id is not in the collection, or a value is none that is known.
        """
        return replace(self, found=found_rows(table, self.anchors, self.items, self.judgements, split, self.found))

    def without_found(self) -> Collection:
        """Give the collection as it was read, for evaluation."""
        return self if self.found is None else replace(self, found=None)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits."""
        return self.judgements.split_names

    def positives(self, splits: Sequence[str] = ("train",)) -> Positives:
        """Give the known positives of these splits, with exact duplicates of both sides: for mining, batches, banks."""
        judged, provenance = self._judged(splits)
        return Positives.from_judgements(
            judged,
            provenance=provenance,
            n_anchors=len(self.anchors),
            n_items=len(self.items),
            anchor_groups=self.duplicate_anchors,
            item_groups=self.duplicate_groups,
        )

    def filter_index(self) -> Positives:
        """Give the known positives of all splits: for evaluation and nothing else."""
        return self.without_found().positives(self.splits)

    def trusted_negatives(self, splits: Sequence[str] = ("train",)) -> Relation:
        """Give the pairs judged non-relevant in these splits and positive in none of them."""
        judged, _ = self._judged(splits)
        zero = (judged.grades <= 0) & ~self.positives(splits).contains(judged.anchors, judged.items)
        return Relation.from_pairs(judged.anchors[zero], judged.items[zero], len(self.anchors))

    def _judged(self, splits: Sequence[str]) -> tuple[Judgements, npt.NDArray[np.uint8] | None]:
        """Give judged pairs with what was found, and the provenance of each; None = all as given."""
        given = self.judgements.select(splits)
        return (given, None) if self.found is None else self.found.over(given, splits)

    @cached_property
    def duplicate_groups(self) -> Int64:
        """int64[I]: equal numbers mark exact duplicates; −1 where an item is alone, empty or without text."""
        return equal_records(self.items, self.normaliser) if self.item_groups is None else self.item_groups

    @cached_property
    def duplicate_anchors(self) -> Int64:
        """int64[A]: the same of anchors. Where the items' groups are given, ids tell anchors apart, not texts."""
        if self.item_groups is not None:
            return np.full(len(self.anchors), -1, np.int64)
        return equal_records(self.anchors, self.normaliser)

    def digest(self, split: str) -> str:
        """Hash of what mining on this split depends on: anchors, items, positives and trusted negatives."""
        trusted = self.trusted_negatives((split,))
        state = hashlib.blake2b(b"collection/1", digest_size=16)
        for part in (self.anchors.digest, self.items.digest, self.positives((split,)).digest):
            state.update(part.encode())
        state.update(trusted.indptr.astype("<i8").tobytes() + trusted.items.astype("<i8").tobytes())
        return state.hexdigest()


def require_collection(given: Any) -> Collection:
    """Take a collection and nothing else, before work starts.

    Raises:
        InputError: it is something else.
    """
    if isinstance(given, Collection):
        return given
    found, mend = type(given).__name__, "read one with Collection.from_path(path), or make one by from_arrays"
    if isinstance(given, str | os.PathLike):
        found = repr(str(given)[:80])
        mend = f"read it first: foils.Collection.from_path({found}), or foils.load for a public data set"
    raise InputError(f"expected a Collection, found {found}; {mend}")
