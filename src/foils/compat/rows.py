"""The rows of a result in the four formats, as Arrow tables of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils import _segments as segments
from foils.compat.find import Found
from foils.compat.pairs import Pairs
from foils.compat.request import Request
from foils.positives import Int64

CHUNK = 65_536
"""Texts of a chunk: Arrow's plain strings hold 2 GB each."""


def table(pairs: Pairs, found: Found, request: Request) -> pa.Table:
    """Give the rows.

    ``triplet``       anchor, positive, negative; one row per positive and negative
    ``n-tuple``       anchor, positive, negative_1 … negative_M; one row per positive
    ``labeled-pair``  anchor, text, label; one row per positive, and one per negative
    ``labeled-list``  anchor, [positive, negatives …], [1, 0 …]; one row per positive

    With scores, a column ``scores`` (``score`` in ``labeled-pair``) is added, or stands in place of the labels.
    """
    texts = _Texts(pairs.collection.anchors.texts, pairs.collection.items.texts)
    columns = FORMATS[request.output_format](pairs, found, request, texts)
    return pa.table({name.format(**_names(pairs)): column for name, column in columns.items()})


def possible_rows(pairs: Pairs, found: Found, request: Request) -> int:
    """Count the rows that there would be if no anchor lacked a negative."""
    anchors, m = found.items.shape
    by_format: dict[str, int] = {"triplet": len(pairs.anchors) * m, "labeled-pair": len(pairs.anchors) + anchors * m}
    return by_format.get(request.output_format, len(pairs.anchors))


@dataclass(frozen=True, eq=False)
class _Texts:
    """Texts by row."""

    of_anchors: pa.LargeStringArray
    of_items: pa.LargeStringArray

    def anchors(self, rows: Int64) -> pa.ChunkedArray:
        return _take(self.of_anchors, rows)

    def items(self, rows: Int64) -> pa.ChunkedArray:
        """−1 gives null."""
        return _take(self.of_items, rows)


def _take(texts: pa.LargeStringArray, rows: Int64) -> pa.ChunkedArray:
    parts = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    chunks = [texts.take(pa.array(part, mask=part < 0)).cast(pa.string()) for part in parts]
    return pa.chunked_array(chunks, pa.string())


def _names(pairs: Pairs) -> Mapping[str, str]:
    return {"anchor": pairs.anchor_column, "positive": pairs.positive_column}


def _triplets(pairs: Pairs, found: Found, request: Request, texts: _Texts) -> dict[str, pa.Array]:
    pair, place = np.nonzero(found.items[pairs.anchors] >= 0)
    anchors = pairs.anchors[pair]
    columns = {
        "{anchor}": texts.anchors(anchors),
        "{positive}": texts.items(pairs.positives[pair]),
        "negative": texts.items(found.items[anchors, place]),
    }
    if request.output_scores:
        scores = np.stack([found.positive_scores[pair], found.scores[anchors, place]], axis=1)
        columns["scores"] = _lists(scores, np.full(len(scores), 2))
    return columns


def _tuples(pairs: Pairs, found: Found, request: Request, texts: _Texts) -> dict[str, pa.Array]:
    m = found.items.shape[1]
    pair = np.arange(len(pairs.anchors))
    if request.shortfall == "drop":
        pair = np.flatnonzero(found.per_anchor[pairs.anchors] == m)
    anchors = pairs.anchors[pair]
    columns = {"{anchor}": texts.anchors(anchors), "{positive}": texts.items(pairs.positives[pair])}
    for nth in range(m):
        columns[f"negative_{nth + 1}"] = texts.items(found.items[anchors, nth])
    if request.output_scores:
        scores = np.concatenate([found.positive_scores[pair, None], found.scores[anchors]], axis=1)
        columns["scores"] = _lists(scores, np.full(len(scores), m + 1))
    return columns


def _labeled_pairs(pairs: Pairs, found: Found, request: Request, texts: _Texts) -> dict[str, pa.Array]:
    negative_of, place = np.nonzero(found.items >= 0)
    anchors = np.concatenate([pairs.anchors, negative_of])
    is_negative = np.repeat([False, True], [len(pairs.anchors), len(negative_of)])
    order = np.lexsort((is_negative, anchors))  # an anchor's positives, then its negatives
    items = np.concatenate([pairs.positives, found.items[negative_of, place]])[order]
    columns = {"{anchor}": texts.anchors(anchors[order]), "{positive}": texts.items(items)}
    if request.output_scores:
        scores = np.concatenate([found.positive_scores, found.scores[negative_of, place]])[order]
        return {**columns, "score": pa.array(scores.astype(np.float64))}
    return {**columns, "label": pa.array((~is_negative[order]).astype(np.int64))}


def _labeled_lists(pairs: Pairs, found: Found, request: Request, texts: _Texts) -> dict[str, pa.Array]:
    pair = np.arange(len(pairs.anchors))
    if request.shortfall == "drop":
        pair = np.flatnonzero(found.per_anchor[pairs.anchors] > 0)
    anchors = pairs.anchors[pair]
    items = np.concatenate([pairs.positives[pair, None], found.items[anchors]], axis=1)
    lengths = np.count_nonzero(items >= 0, axis=1)
    flat = texts.items(items[items >= 0]).combine_chunks()
    columns = {"{anchor}": texts.anchors(anchors), "{positive}": pa.ListArray.from_arrays(_offsets(lengths), flat)}
    if request.output_scores:
        scores = np.concatenate([found.positive_scores[pair, None], found.scores[anchors]], axis=1)
        return {**columns, "scores": _lists(scores, lengths)}
    labels = np.zeros(items.shape, np.int64)
    labels[:, 0] = 1
    return {**columns, "labels": _lists(labels, lengths)}


def _lists(values: npt.NDArray[np.float32 | np.int64], lengths: Int64) -> pa.ListArray:
    """Make lists of the first ``lengths`` cells of each row; NaN becomes null."""
    wide = values.astype(np.float64) if values.dtype.kind == "f" else values
    flat = wide[np.arange(values.shape[1]) < lengths[:, None]]
    return pa.ListArray.from_arrays(_offsets(lengths), pa.array(flat, from_pandas=True))


def _offsets(lengths: Int64) -> pa.Int32Array:
    return pa.array(segments.bounds(lengths).astype(np.int32))


FORMATS: Mapping[str, Callable[[Pairs, Found, Request, _Texts], dict[str, pa.Array]]] = {
    "triplet": _triplets,
    "n-tuple": _tuples,
    "labeled-pair": _labeled_pairs,
    "labeled-list": _labeled_lists,
}
