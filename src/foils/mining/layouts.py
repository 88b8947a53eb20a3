"""The layouts that trainers read, each made from a block of units.

| layout | a row | columns |
|---|---|---|
| ``triplet`` | per positive and negative | anchor, positive, negative |
| ``n-tuple`` | per positive | anchor, positive, negative_1 … negative_m (null where absent) |
| ``labeled-pair`` | per positive, and per negative | anchor, text, label (1 or 0) |
| ``labeled-list`` | per positive | anchor, texts (the positive first), labels |
| ``tevatron`` | per unit | query_id, query, positive_passages, negative_passages (docid, title, text) |
| ``flagembedding`` | per unit | query, pos, neg |

With scores: ``triplet`` and ``n-tuple`` get a list ``scores`` (the positive's first), ``labeled-pair`` a ``score`` and
``labeled-list`` ``scores`` instead of labels, ``flagembedding`` ``pos_scores`` and ``neg_scores``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils import _segments as segments
from foils.errors import InputError, did_you_mean
from foils.mining.blocks import Block, Documents
from foils.positives import Int64


@dataclass(frozen=True, eq=False)
class _Lists:
    """Rows that are lists: int64[R + 1], where they begin and end; int64[L], what they hold."""

    offsets: Int64
    values: Int64

    def of(self, values: pa.Array) -> pa.LargeListArray:
        return pa.LargeListArray.from_arrays(pa.array(self.offsets), values.take(pa.array(self.values)))


def layout(name: str) -> Callable[[Block, int], pa.Table]:
    """Give the function that lays a block out, called with the block and the number of negatives asked for.

    Raises:
        InputError: there is no such layout.
    """
    if name not in LAYOUTS:
        raise InputError(f"there is no format {name!r}; {did_you_mean(name, LAYOUTS)}")
    return LAYOUTS[name]


def _triplets(block: Block, m: int) -> pa.Table:
    pair, negative = _expanded(block)
    columns = {
        "anchor": block.anchors.values().take(pa.array(_unit_of_positives(block)[pair])),
        "positive": block.positives.values().take(pa.array(pair)),
        "negative": block.negatives.values().take(pa.array(negative)),
    }
    if block.positive_scores is not None and block.negative_scores is not None:
        both = np.stack([block.positive_scores[pair], block.negative_scores[negative]], axis=1)
        columns["scores"] = _list_of(2 * np.arange(len(pair) + 1), pa.array(both.ravel()))
    return pa.table(columns)


def _n_tuples(block: Block, m: int) -> pa.Table:
    unit = _unit_of_positives(block)
    starts, counts = segments.bounds(block.negative_counts)[unit], block.negative_counts[unit]
    negatives = block.negatives.values()
    columns = {"anchor": block.anchors.values().take(pa.array(unit)), "positive": block.positives.values()}
    for nth in range(m):
        columns[f"negative_{nth + 1}"] = negatives.take(pa.array(starts + nth, mask=counts <= nth))
    if block.positive_scores is not None and block.negative_scores is not None:
        at = starts[:, None] + np.arange(m)
        absent = np.arange(m) >= counts[:, None]
        scores = np.concatenate([block.negative_scores, np.zeros(1, np.float32)])[np.where(absent, -1, at)]
        both = np.concatenate([block.positive_scores[:, None], scores], axis=1)
        mask = np.concatenate([np.zeros((len(unit), 1), bool), absent], axis=1)
        columns["scores"] = _list_of((m + 1) * np.arange(len(unit) + 1), pa.array(both.ravel(), mask=mask.ravel()))
    return pa.table(columns)


def _labeled_pairs(block: Block, m: int) -> pa.Table:
    unit = np.concatenate([_unit_of_positives(block), segments.owners(block.negative_counts)])
    order = np.argsort(unit, kind="stable")  # of each unit the positives, then the negatives
    columns = {
        "anchor": block.anchors.values().take(pa.array(unit[order])),
        "text": _both(block).take(pa.array(order)),
    }
    scores = _both_scores(block)
    if scores is None:
        columns["label"] = pa.array((order < len(block.positives)).astype(np.int64))
    else:
        columns["score"] = pa.array(scores[order])
    return pa.table(columns)


def _labeled_lists(block: Block, m: int) -> pa.Table:
    unit = _unit_of_positives(block)
    pair, negative = _expanded(block)
    row = np.concatenate([np.arange(len(unit)), pair])
    order = np.argsort(row, kind="stable")
    held = np.concatenate([np.arange(len(unit)), len(unit) + negative])[order]
    lists = _Lists(segments.bounds(1 + block.negative_counts[unit]), held)
    columns = {"anchor": block.anchors.values().take(pa.array(unit)), "texts": lists.of(_both(block))}
    scores = _both_scores(block)
    if scores is None:
        columns["labels"] = _list_of(lists.offsets, pa.array((held < len(unit)).astype(np.int64)))
    else:
        columns["scores"] = lists.of(pa.array(scores))
    return pa.table(columns)


def _tevatron(block: Block, m: int) -> pa.Table:
    if block.positive_scores is not None:
        raise InputError("the format tevatron has no place for scores; use flagembedding or labeled-list")
    return pa.table(
        {
            "query_id": block.anchors.ids.cast(pa.large_string()),
            "query": block.anchors.values(),
            "positive_passages": _list_of(segments.bounds(block.positive_counts), _passages(block.positives)),
            "negative_passages": _list_of(segments.bounds(block.negative_counts), _passages(block.negatives)),
        }
    )


def _flagembedding(block: Block, m: int) -> pa.Table:
    columns = {
        "query": block.anchors.values(),
        "pos": _list_of(segments.bounds(block.positive_counts), block.positives.values()),
        "neg": _list_of(segments.bounds(block.negative_counts), block.negatives.values()),
    }
    if block.positive_scores is not None:
        columns["pos_scores"] = _list_of(segments.bounds(block.positive_counts), pa.array(block.positive_scores))
        columns["neg_scores"] = _list_of(segments.bounds(block.negative_counts), pa.array(block.negative_scores))
    return pa.table(columns)


LAYOUTS: dict[str, Callable[[Block, int], pa.Table]] = {
    "triplet": _triplets,
    "n-tuple": _n_tuples,
    "labeled-pair": _labeled_pairs,
    "labeled-list": _labeled_lists,
    "tevatron": _tevatron,
    "flagembedding": _flagembedding,
}


def _expanded(block: Block) -> tuple[Int64, Int64]:
    """Pair each positive with each negative of its unit: int64[R] positions of both."""
    counts = block.negative_counts[_unit_of_positives(block)]
    pair = segments.owners(counts)
    return pair, segments.bounds(block.negative_counts)[_unit_of_positives(block)[pair]] + segments.places(counts)


def _unit_of_positives(block: Block) -> Int64:
    return segments.owners(block.positive_counts)


def _both(block: Block) -> pa.LargeStringArray:
    return pa.concat_arrays([block.positives.values(), block.negatives.values()])


def _both_scores(block: Block) -> npt.NDArray[np.float32] | None:
    if block.positive_scores is None or block.negative_scores is None:
        return None
    return np.concatenate([block.positive_scores, block.negative_scores])


def _passages(documents: Documents) -> pa.StructArray:
    """Give id, title ("" where there is none) and text."""
    records = documents.records
    if records is None:
        raise InputError("the format tevatron holds texts; give the collection, and columns='text'")
    at = pa.array(documents.rows)
    empty = pa.nulls(len(at), pa.large_string()).fill_null("")
    titles = empty if records.titles is None else records.titles.take(at)
    texts = records.texts_at(documents.rows) if records.texts is None else records.texts.take(at)
    ids = documents.ids.cast(pa.large_string())
    return pa.StructArray.from_arrays([ids, titles, texts], names=["docid", "title", "text"])


def _list_of(offsets: Int64, values: pa.Array) -> pa.LargeListArray:
    return pa.LargeListArray.from_arrays(pa.array(offsets), values)
