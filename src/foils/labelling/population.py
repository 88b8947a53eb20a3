"""The negatives of a result as the population whose rate of positives is asked.

Every use of an item as a negative counts, so that a pair which two units of an anchor use stands in it twice; it is
labelled once. Anchors are clusters, bands of ranks are strata. What guides the draw is the best evidence that mining
left: ``p_positive`` where it is calibrated, else the column of relevance that was added last. ``known`` are the same
scorer's scores of the known positives, which tell without any label how good a guide it is; a calibrated
``p_positive`` tells by itself how the positives among the negatives should score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils import _segments as segments
from foils.errors import InputError, did_you_mean
from foils.estimating import Population
from foils.mining import Mined
from foils.mining.folder import read_manifest
from foils.mining.stored import Result
from foils.positives import Int64
from foils.records import find

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]

P_POSITIVE = "p_positive"
FIRST_RANKS = (1, 2, 4, 11, 31, 101, 301, 1001)
"""First rank of each band; about three bands to a power of ten."""
EXPECTED = 200
"""Points of that distribution at most; and no more than positives are expected."""
COLUMNS = ["anchor_id", "negative_ids", "ranks", "source", "scores", P_POSITIVE]


@dataclass(frozen=True, eq=False)
class Negatives:
    """The N negatives of a result.

    Attributes:
        population: them as the estimates see them.
        anchor_ids: large_string[N].
        item_ids: large_string[N].
        band_names: name of each band of ranks.
        sources: int16[N], index into ``source_names``.
        source_names: where negatives came from.
        scorer: the column that guides the draw; None where there is none.
        digest: SHA-256 of negatives.parquet, as manifest.json has it.
    """

    population: Population
    anchor_ids: pa.Array
    item_ids: pa.Array
    band_names: tuple[str, ...]
    sources: npt.NDArray[np.int16]
    source_names: tuple[str, ...]
    scorer: str | None
    digest: str

    def __len__(self) -> int:
        return len(self.anchor_ids)


def result_of(result: Result | Mined) -> Result:
    """Take a result, opened or bare."""
    return result.result if isinstance(result, Mined) else result


def digest_of(result: Result) -> str:
    """Give the SHA-256 of the table of negatives."""
    return read_manifest(result.path).tables["negatives"]


def negatives_of(result: Result | Mined, scorer: str | None = None) -> Negatives:
    """Read the negatives of a result.

    Args:
        result: a finished folder.
        scorer: the column that guides the draw; None = ``p_positive`` where it is calibrated, else the last column
            of relevance.

    Raises:
        InputError: there is no such column, or no negative.
    """
    result = result_of(result)
    table = pa.concat_tables(result.groups("negatives", COLUMNS)).combine_chunks()
    lengths = np.asarray(pc.list_value_length(table["negative_ids"]).to_numpy(), np.int64)
    if not lengths.sum():
        raise InputError(f"{result.path} holds no negative, so there is nothing to label")
    units = segments.owners(lengths)
    anchor_ids = table["anchor_id"].combine_chunks().cast(pa.large_string())
    ranks = _flat(table["ranks"], np.int64)
    sources = pc.list_flatten(table["source"].combine_chunks()).cast(pa.large_string()).dictionary_encode()
    column = _guide(result, scorer, table)
    bands, names = _bands(ranks)
    scores = None if column is None else _finite(_scores(result, column, table, units, ranks))
    population = Population(
        anchors=np.unique(find(anchor_ids, pc.unique(anchor_ids))[units], return_inverse=True)[1].astype(np.int64),
        bands=bands,
        scores=scores,
        known=_expected(scores) if column == P_POSITIVE and scores is not None else _known(result, column),
    )
    return Negatives(
        population=population,
        anchor_ids=anchor_ids.take(pa.array(units)),
        item_ids=pc.list_flatten(table["negative_ids"].combine_chunks()).cast(pa.large_string()),
        band_names=names,
        sources=sources.indices.to_numpy(zero_copy_only=False).astype(np.int16),
        source_names=tuple(sources.dictionary.to_pylist()),
        scorer=column,
        digest=digest_of(result),
    )


def band_name(first: int, last: int | None) -> str:
    """Name a band of ranks."""
    if last == first:
        return f"{first}"
    return f"{first:,} and deeper" if last is None else f"{first:,}–{last:,}"


def _bands(ranks: Int64) -> tuple[Int64, tuple[str, ...]]:
    """Number the bands that hold a negative, from 0 without gaps, and name them."""
    used, bands = np.unique(np.searchsorted(FIRST_RANKS, ranks, side="right") - 1, return_inverse=True)
    lasts = [*(first - 1 for first in FIRST_RANKS[1:]), None]
    return bands.astype(np.int64), tuple(band_name(FIRST_RANKS[band], lasts[band]) for band in used)


def _guide(result: Result, scorer: str | None, table: pa.Table) -> str | None:
    columns, likenesses = list(result.recipe.columns()), result.recipe.likenesses()
    kept = [name for name in columns if result.identity.candidates_stored or name == result.identity.scores]
    calibrated = bool((_flat(table[P_POSITIVE], np.float64) > 0).any())  # 0 = judged non-relevant, not calibrated
    there = [*([P_POSITIVE] if calibrated else []), *columns]
    if scorer is None:
        # Likeness is missing of most pairs, or of one kind of positives only; any score is better than none.
        ordered = [name for name in kept if name in likenesses] + [name for name in kept if name not in likenesses]
        return P_POSITIVE if calibrated else next(reversed(ordered), None)
    if scorer not in there:
        raise InputError(f"{result.path} has no scores {scorer!r}; {did_you_mean(scorer, there)}")
    if scorer not in (P_POSITIVE, *kept):
        raise InputError(
            f"{result.path}: of {scorer!r} nothing is kept, because candidates were not stored; leave --scorer out"
            + (f", or name one of: {', '.join(others)}" if (others := [P_POSITIVE] * calibrated + kept) else "")
        )
    return scorer


def _scores(result: Result, column: str, table: pa.Table, units: Int64, ranks: Int64) -> Float64:
    """float64[N]; a negative's rank is its place among the stored candidates of its unit."""
    if column in (P_POSITIVE, result.identity.scores):
        return _flat(table["scores" if column != P_POSITIVE else P_POSITIVE], np.float64)
    found = np.full(len(units), np.nan)
    first = start = 0
    for group in result.groups("candidates", [f"score.{column}"]):
        lengths = np.asarray(pc.list_value_length(group[0]).to_numpy(), np.int64)
        inside = slice(first, first + int((units[first:] < start + len(group)).sum()))
        at = segments.bounds(lengths)[:-1][units[inside] - start] + ranks[inside] - 1
        found[inside] = _flat(group[0], np.float64)[at]
        first, start = inside.stop, start + len(group)
    return found


def _known(result: Result, column: str | None) -> Float64 | None:
    """float64[P], what the scorer says of the known positives; None where that was not kept."""
    if column is None or not result.identity.candidates_stored:
        return None
    name = f"positive_score.{column}"
    scores = np.concatenate([_flat(group[0], np.float64) for group in result.groups("candidates", [name])])
    known = scores[np.isfinite(scores)]
    return known if len(known) else None


def _expected(p: Float64) -> Float64 | None:
    """float64[P], how positives among pairs of these probabilities are expected to score, at even quantiles."""
    rising = np.sort(p[~np.isnan(p)])
    count = min(EXPECTED, int(rising.sum()))
    if not count:
        return None
    at = np.searchsorted(np.cumsum(rising), (np.arange(count) + 0.5) / count * rising.sum())
    expected: Float64 = rising[np.minimum(at, len(rising) - 1)]
    return expected


def _finite(scores: Float64) -> Float64:
    """Take infinite scores as none."""
    return np.where(np.isfinite(scores), scores, np.nan)


def _flat(lists: pa.ChunkedArray, dtype: Any) -> npt.NDArray[Any]:
    return np.asarray(pc.list_flatten(lists.combine_chunks()).to_numpy(zero_copy_only=False), dtype=dtype)
