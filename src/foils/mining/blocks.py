"""Units of a result with what trainers want of them, a shard at a time: texts cost memory for one shard only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils import _segments as segments
from foils.collection import Collection
from foils.errors import InputError, did_you_mean
from foils.mining.rejudge import sample
from foils.mining.stored import Result
from foils.positives import Int64
from foils.records import Records, find

Float32 = npt.NDArray[np.float32]
Shortfall = Literal["short", "drop"]
IDS = ["anchor_id", "positive_ids", "negative_ids"]
"""Columns of negatives that rows are made of."""


@dataclass(frozen=True, eq=False)
class Documents:
    """Anchors or items as ids, and as rows of a collection where there is one.

    Attributes:
        ids: string[D].
        records: where their texts are; None = there are no texts.
        rows: int64[D], rows of ``records``.
    """

    ids: pa.Array
    records: Records | None
    rows: Int64

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, at: Int64) -> Documents:
        """Keep these."""
        return Documents(self.ids.take(pa.array(at)), self.records, self.rows[at])

    def values(self) -> pa.LargeStringArray:
        """Give title and text joined (a payload's reference where there is no text), or ids without a collection."""
        if self.records is None:
            return self.ids.cast(pa.large_string())
        return self.records.texts_at(self.rows)


@dataclass(frozen=True, eq=False)
class Block:
    """Some units.

    Attributes:
        anchors: one per unit.
        positives: of all units, one unit after the other.
        positive_counts: int64[U].
        negatives: of all units.
        negative_counts: int64[U].
        positive_scores: float32[P], or None where no scores were asked for.
        negative_scores: float32[N], or None.
    """

    anchors: Documents
    positives: Documents
    positive_counts: Int64
    negatives: Documents
    negative_counts: Int64
    positive_scores: Float32 | None = None
    negative_scores: Float32 | None = None

    def __len__(self) -> int:
        return len(self.anchors)

    def with_positives(self, keep: npt.NDArray[np.bool_]) -> Block:
        """Keep these positives, and the units that still have one."""
        unit = segments.owners(self.positive_counts)
        counts = np.bincount(unit[keep], minlength=len(self))
        return replace(
            self,
            positives=self.positives.take(np.flatnonzero(keep)),
            positive_counts=counts,
            positive_scores=None if self.positive_scores is None else self.positive_scores[keep],
        ).with_units(counts > 0)

    def with_units(self, keep: npt.NDArray[np.bool_]) -> Block:
        """Keep these units."""
        if keep.all():
            return self
        positives, negatives = np.repeat(keep, self.positive_counts), np.repeat(keep, self.negative_counts)
        return Block(
            self.anchors.take(np.flatnonzero(keep)),
            self.positives.take(np.flatnonzero(positives)),
            self.positive_counts[keep],
            self.negatives.take(np.flatnonzero(negatives)),
            self.negative_counts[keep],
            None if self.positive_scores is None else self.positive_scores[positives],
            None if self.negative_scores is None else self.negative_scores[negatives],
        )


def blocks(
    result: Result, collection: Collection | None, *, epoch: int, shortfall: Shortfall, scores: str | None
) -> Iterator[Block]:
    """Give all units of a result; at least one block, which may be empty.

    Args:
        result: the result.
        collection: where the texts are; None = ids only.
        epoch: whose draw to use.
        shortfall: ``drop`` leaves out units with fewer negatives than asked for, ``short`` keeps what there is.
        scores: a score column of the candidates to give beside; None = none.

    Raises:
        InputError: there is no such policy or column.
    """
    if shortfall not in ("short", "drop"):
        raise InputError(f"there is no policy {shortfall!r} for export; use short or drop")
    _check_scores(result, scores)
    return _blocks(result, collection, epoch, shortfall, scores)


def _blocks(
    result: Result, collection: Collection | None, epoch: int, shortfall: Shortfall, scores: str | None
) -> Iterator[Block]:
    identity = result.identity
    per_shard, m = identity.shard_units, identity.negatives
    drawn = None if epoch == 0 else sample(result, epoch)
    shards = max(1, -(-identity.units // per_shard))
    # Looking ids up costs a pass over all ids of the collection: done for as many units as have that many negatives.
    together = 1 if collection is None else max(1, len(collection.items) // (m * per_shard))
    for first in range(0, shards, together):
        numbers = range(first, min(first + together, shards))
        read = [result.drawn(at, IDS) if drawn is None else drawn.slice(at * per_shard, per_shard) for at in numbers]
        for number, block in zip(numbers, _located(read, collection), strict=True):
            scored = block if scores is None else _with_scores(block, result, number, scores)
            if collection is not None:
                scored = scored.with_positives(~collection.items.empty[scored.positives.rows])
            yield scored.with_units(scored.negative_counts == m) if shortfall == "drop" else scored


def default_scores(result: Result) -> str:
    """Name the column that the sampler ordered by.

    Raises:
        InputError: it ordered by rank, which is no score.
    """
    name = result.identity.scores
    if name == "rank":
        raise InputError(f"these negatives were ordered by rank; name a column of scores. {_choices(result)}")
    return name


def _check_scores(result: Result, scores: str | None) -> None:
    if scores is not None and scores not in _scored(result):
        raise InputError(f"there are no scores {scores!r}; {_choices(result, scores)}")


def _choices(result: Result, asked: str = "") -> str:
    names = _scored(result)
    return did_you_mean(asked, names) if names else "This recipe scores nothing; add a scorer to it"


def _scored(result: Result) -> list[str]:
    return list(result.recipe.columns())


def _located(read: list[pa.Table], collection: Collection | None) -> Iterator[Block]:
    """Look up all ids at once, then give each table's block."""
    anchors = [table["anchor_id"].combine_chunks() for table in read]
    positives = [_flat(table["positive_ids"]) for table in read]
    negatives = [_flat(table["negative_ids"]) for table in read]
    both = [values for values, _ in positives] + [values for values, _ in negatives]
    anchor_parts = _documents(anchors, None if collection is None else collection.anchors)
    item_parts = _documents(both, None if collection is None else collection.items)
    for at in range(len(read)):
        yield Block(anchor_parts[at], item_parts[at], positives[at][1], item_parts[len(read) + at], negatives[at][1])


def _documents(parts: list[pa.Array], records: Records | None) -> list[Documents]:
    lengths = [len(part) for part in parts]
    if records is None:
        rows = np.full(sum(lengths), -1, np.int64)
    else:
        rows = records.rows(pa.concat_arrays([part.cast(pa.large_string()) for part in parts]))
    split = np.split(rows, np.cumsum(lengths)[:-1])
    return [Documents(ids, records, own) for ids, own in zip(parts, split, strict=True)]


def _with_scores(block: Block, result: Result, number: int, name: str) -> Block:
    """Look the scores up among the stored candidates of the same shard."""
    shard = result.shard(number)
    items, counts = _flat(shard["items"])
    scores, _ = _flat(shard[f"score.{name}"])
    unit = segments.owners(counts)
    n_items = len(result.names.items)
    keys = unit * n_items + items.to_numpy()
    order = np.argsort(keys)
    asked = block.negatives
    rows = find(asked.ids, result.names.items) if asked.records is None else asked.rows
    wanted = segments.owners(block.negative_counts) * n_items + rows
    at = order[np.searchsorted(keys[order], wanted)] if len(wanted) else np.zeros(0, np.int64)
    positives = _flat(shard[f"positive_score.{name}"])[0].to_numpy().astype(np.float32)
    return replace(block, positive_scores=positives, negative_scores=scores.to_numpy().astype(np.float32)[at])


def _flat(lists: pa.ChunkedArray) -> tuple[pa.Array, Int64]:
    """Give the values of all lists, and the length of each."""
    whole = lists.combine_chunks()
    return whole.flatten(), np.asarray(pc.list_value_length(whole).to_numpy(zero_copy_only=False), dtype=np.int64)
