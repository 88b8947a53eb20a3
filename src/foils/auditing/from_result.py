"""A result folder as a subject, streamed: a few row groups at a time become flat arrays of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foils import _segments as segments
from foils.auditing.subject import Float32, Subject
from foils.collection import Collection
from foils.mining.stored import Result
from foils.positives import Int64
from foils.records import find

NEGATIVES_AT_ONCE = 500_000
"""Negatives whose ids are looked up together; a look-up indexes all item ids, so that few large ones are best."""
CANDIDATES_AT_ONCE = 500_000
NOT_OF_SCORES = ("k", "max_depth", "name")
"""Fields of parts that no score depends on."""
COLUMNS = ["unit_id", "anchor_id", "positive_ids", "negative_ids", "scores", "ranks", "source", "p_positive"]


@dataclass(frozen=True, eq=False)
class Rejected:
    """Of each unit, the rejected candidate nearest to being kept: the lowest-scored one.

    Attributes:
        units: int64[R], units that have one and kept something.
        items: int64[R].
        scores: float32[R].
        ranks: int32[R].
        gaps: float32[R], how far above the unit's best kept candidate it scores.
        reasons: string[R].
    """

    units: Int64
    items: Int64
    scores: Float32
    ranks: npt.NDArray[np.int32]
    gaps: Float32
    reasons: pa.Array


def result_subject(result: Result, collection: Collection | None) -> Subject:
    """Read a result.

    Args:
        result: a finished folder.
        collection: what it was mined from, or None.
    """
    items = pq.read_table(result.path / "items.parquet")["item_id"].combine_chunks().cast(pa.large_string())
    parts = [_part(table, items) for table in _tables(result, "negatives", COLUMNS, NEGATIVES_AT_ONCE)]
    anchors = pa.concat_arrays([part["anchor_id"] for part in parts])
    names = collection.anchors.ids if collection is not None else pc.unique(anchors)
    sources = pa.concat_arrays([part["source"] for part in parts]).dictionary_encode()
    score = result.identity.scores
    has_scores = score != "rank"
    indptr, positive_indptr = (_indptr(parts, name) for name in ("negatives_per_unit", "positives_per_unit"))
    return Subject(
        name=str(result.path),
        form="foils",
        split=result.identity.split,
        asked=result.identity.negatives,
        unit_ids=pa.concat_arrays([part["unit_id"] for part in parts]),
        anchors=find(anchors, names),
        indptr=indptr,
        items=np.concatenate([part["items"] for part in parts]),
        scores=np.concatenate([part["scores"] for part in parts]),
        ranks=np.concatenate([part["ranks"] for part in parts]),
        sources=sources.indices.to_numpy(zero_copy_only=False).astype(np.int16),
        source_names=tuple(sources.dictionary.to_pylist()),
        positive_indptr=positive_indptr,
        positives=np.concatenate([part["positives"] for part in parts]),
        positive_scores=_positive_scores(result, score, int(positive_indptr[-1])),
        item_ids=items,
        anchor_ids=names,
        collection=collection,
        score_name=score if has_scores else None,
        score_origin=_score_origin(result) if has_scores else None,
        verdicts=result.stats["candidates_by_verdict"],
        p_positive=np.concatenate([part["p_positive"] for part in parts]),
    )


def _score_origin(result: Result) -> str:
    """Name what the scores follow from: the vectors by their content and the similarity, or a scorer and its model."""
    source, inputs, score = result.recipe.source.fields, result.identity.inputs, result.identity.scores
    scorers = [scorer.fields for scorer in result.recipe.scorers if score in scorer.fields.columns()]
    sources = [one.fields for one in getattr(source, "of", ()) if score in one.fields.columns()]
    part = [*scorers, *sources, source][0]
    if part.reads():
        digests = [inputs[f"vectors.{name}.{side}"] for name in part.reads() for side in ("anchors", "items")]
        return f"{getattr(part, 'similarity', '')} {' '.join(digests)}"
    fields = {name: value for name, value in msgspec.to_builtins(part).items() if name not in NOT_OF_SCORES}
    if scorers:
        read = {name: digest for name, digest in inputs.items() if name.startswith(f"scorers.{score}.")}
    else:  # a source's own files and versions
        others = ("collection", "vectors.", "scorers.")
        read = {name: digest for name, digest in inputs.items() if not name.startswith(others)}
    return f"{type(part).__name__} {fields} {read}"


def nearest_rejected(result: Result) -> Rejected | None:
    """Find what was just rejected; None without stored candidates or scores."""
    name = f"score.{result.identity.scores}"
    if not result.identity.candidates_stored or result.identity.scores == "rank":
        return None
    parts, start = [], 0
    for table in _tables(result, "candidates", ["items", "reason", name], CANDIDATES_AT_ONCE):
        parts.append(_just_rejected(table, name, start))
        start += len(table)
    return Rejected(
        units=np.concatenate([part.units for part in parts]),
        items=np.concatenate([part.items for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        ranks=np.concatenate([part.ranks for part in parts]),
        gaps=np.concatenate([part.gaps for part in parts]),
        reasons=pa.concat_arrays([part.reasons for part in parts]),
    )


def _just_rejected(table: pa.Table, name: str, start: int) -> Rejected:
    lengths = _lengths(table["items"])
    unit, rank = segments.owners(lengths), (segments.places(lengths) + 1).astype(np.int32)
    scores = _flat(table[name], np.float32)
    reasons = pc.list_flatten(table["reason"].combine_chunks())
    kept = np.asarray(pc.equal(reasons, "kept").to_numpy(zero_copy_only=False), bool)
    best = np.full(len(table), -np.inf, np.float32)
    np.maximum.at(best, unit[kept], np.nan_to_num(scores[kept], nan=-np.inf))
    usable = np.flatnonzero(~kept & ~np.isnan(scores) & np.isfinite(best[unit]))
    order = usable[np.lexsort((rank[usable], scores[usable], unit[usable]))]
    first = order[np.concatenate([[True], np.diff(unit[order]) > 0])] if len(order) else order
    return Rejected(
        units=unit[first] + start,
        items=_flat(table["items"], np.int64)[first],
        scores=scores[first],
        ranks=rank[first],
        gaps=scores[first] - best[unit[first]],
        reasons=reasons.take(pa.array(first)).cast(pa.string()),
    )


def _tables(result: Result, name: str, columns: list[str], at_once: int) -> Iterator[pa.Table]:
    """Yield the table in runs of row groups that hold about so many list entries."""
    with pq.ParquetFile(result.path / f"{name}.parquet") as file:
        groups, first = file.metadata.num_row_groups, file.metadata.row_group(0)
        longest = max(first.column(number).num_values for number in range(first.num_columns))
        step = max(1, at_once // max(1, longest))
        for start in range(0, groups, step):
            yield file.read_row_groups(list(range(start, min(start + step, groups))), columns=columns)


def _part(table: pa.Table, items: pa.Array) -> dict[str, Any]:
    return {
        "unit_id": table["unit_id"].combine_chunks().cast(pa.large_string()),
        "anchor_id": table["anchor_id"].combine_chunks().cast(pa.large_string()),
        "negatives_per_unit": _lengths(table["negative_ids"]),
        "positives_per_unit": _lengths(table["positive_ids"]),
        "items": _rows(table["negative_ids"], items),
        "positives": _rows(table["positive_ids"], items),
        "scores": _flat(table["scores"], np.float32),
        "ranks": _flat(table["ranks"], np.int32),
        "p_positive": _flat(table["p_positive"], np.float32),
        "source": pc.list_flatten(table["source"].combine_chunks()).cast(pa.large_string()),
    }


def _indptr(parts: list[dict[str, Any]], lengths: str) -> Int64:
    return segments.bounds(np.concatenate([part[lengths] for part in parts]))


def _positive_scores(result: Result, score: str, total: int) -> Float32:
    name = f"positive_score.{score}"
    if score == "rank" or not result.identity.candidates_stored:
        return np.full(total, np.nan, np.float32)
    tables = _tables(result, "candidates", [name], CANDIDATES_AT_ONCE)
    return np.concatenate([_flat(table[name], np.float32) for table in tables])


def _rows(lists: pa.ChunkedArray, ids: pa.Array) -> Int64:
    return find(pc.list_flatten(lists.combine_chunks()).cast(pa.large_string()), ids)


def _lengths(lists: pa.ChunkedArray) -> Int64:
    return np.asarray(pc.list_value_length(lists).to_numpy(), dtype=np.int64)


def _flat(lists: pa.ChunkedArray, dtype: Any) -> npt.NDArray[Any]:
    return np.asarray(pc.list_flatten(lists.combine_chunks()).to_numpy(zero_copy_only=False), dtype=dtype)
