"""Retrieval metrics of each query, with their exact expected value where scores are tied.

Every metric at cut-off k is a sum over positions p, divided by a normaliser of the query:

    metric@k = (1 / Z) · Σ_{p ≤ k} term_p

    ndcg     term_p = gain_p / log2(p + 1)             Z = the same sum over the k best judged grades
    recall   term_p = rel_p                            Z = R, the number of relevant items of the query
    map      term_p = rel_p / p · Σ_{q ≤ p} rel_q      Z = R
    mrr      term_p = [p is the first relevant] / p    Z = 1

with gain = grade where positive, rel = 1 where the grade is positive, unjudged = 0. R and the k best grades
are those of the qrels, retrieved or not. So they equal trec_eval's ndcg_cut, recall, map_cut and recip_rank.

Tied items have no order of their own; `tie_blocks` derives the expected terms.

A ranking truncated at depth D may cut its last block, and what was cut off is unknown: the expectation is
then over the tied items that are present. Retrieve deeper than k where many scores are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foils import _segments as segments
from foils.errors import DataError, InputError, did_you_mean
from foils.evaluating.qrels import ABSENT, FloatArray, IntArray, Qrels
from foils.evaluating.tie_blocks import TERMS, sort_positions

Ties = Literal["expected", "trec"]

_CELLS_PER_BLOCK = 1 << 19
"""Ranking cells that are worked on at once; some twenty temporaries of 8 bytes each, about 80 MB."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and its cut-off, None for the whole ranking."""

    name: str
    k: int | None

    @classmethod
    def parse(cls, text: str) -> Metric:
        """Read ``ndcg@10``, ``mrr@10``, ``recall@100``, ``map``; only recall needs its cut-off.

        >>> Metric.parse("nDCG@10")
        Metric(name='ndcg', k=10)

        Raises:
            InputError: The name is unknown, or the cut-off is not a positive integer.
        """
        name, at, cutoff = text.strip().casefold().partition("@")
        if at and not re.fullmatch(r"[1-9][0-9]{0,8}", cutoff):
            raise InputError(f"metric {text!r}: expected a positive integer after '@', as in ndcg@10")
        if name not in TERMS:
            valid = [f"{known}@{cutoff}" if at else _example(known) for known in TERMS]
            raise InputError(f"metric {text!r} is unknown; {did_you_mean(text, valid)}")
        if name == "recall" and not at:
            raise InputError(f"metric {text!r} needs a cut-off, for example {_example(name)}")
        return cls(name, int(cutoff) if at else None)

    def __str__(self) -> str:
        """Write the metric as it is parsed."""
        return self.name if self.k is None else f"{self.name}@{self.k}"


def evaluate_ranking(
    items: IntArray,
    scores: NDArray[np.floating[Any]],
    qrels: Qrels,
    metrics: Sequence[str | Metric],
    *,
    ties: Ties = "expected",
    id_ranks: IntArray | None = None,
) -> dict[str, FloatArray]:
    """Evaluate the ranking of each query by each metric.

    Args:
        items: int64[Q, D], the retrieved item rows, -1 = absent, at the right end only.
        scores: float32[Q, D], higher is better, in any order; not read where the item is absent.
        qrels: The judgements of the same Q queries.
        metrics: Names such as ``ndcg@10``, or parsed.
        ties: ``expected`` = the expected value over random orders of equal scores; ``trec`` = trec_eval's
            order, equal scores by descending id string.
        id_ranks: int64[items of the collection], from `rank_ids`; needed by ``ties="trec"``, else not read.

    Returns:
        float64[Q] by the metric's name; NaN where the query has no relevant judgement: leave those out of a
        mean, and count them.

    Raises:
        DataError: Shapes differ; a row has an item twice, a NaN score, or an absent before a present item.
        InputError: A metric is unknown, or ``ties`` and ``id_ranks`` do not fit.
    """
    parsed = [Metric.parse(str(metric)) for metric in metrics]
    _check_ranking(items, scores, qrels)
    tie_breaker = _tie_breaker(ties, id_ranks, int(items.max(initial=ABSENT)))
    values = {str(metric): np.zeros(len(qrels)) for metric in parsed}
    for rows in _row_blocks(*items.shape):
        gains = _gains(items[rows], qrels.block(rows.start, rows.stop), rows.start)
        positions = sort_positions(items[rows], scores[rows], gains, tie_breaker)
        for name in dict.fromkeys(metric.name for metric in parsed):
            terms = TERMS[name](positions)
            for metric in parsed:
                if metric.name == name:
                    values[str(metric)][rows] = terms[:, : metric.k].sum(axis=1)
    normalisers = {str(metric): _normaliser(metric, qrels) for metric in parsed}
    return {name: value / normalisers[name] for name, value in values.items()}


def rank_ids(ids: Sequence[str]) -> IntArray:
    """Give each id's place in string order, as trec_eval breaks ties (code points = bytes of UTF-8).

    >>> rank_ids(["d2", "d10", "d1"])
    array([2, 1, 0])
    """
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks


def _example(name: str) -> str:
    return "recall@100" if name == "recall" else name


def _normaliser(metric: Metric, qrels: Qrels) -> FloatArray:
    relevant = qrels.relevant_counts()
    if metric.name == "ndcg":
        total = _ideal_dcg(qrels, metric.k)
    elif metric.name == "mrr":
        total = np.ones(len(qrels))
    else:
        total = relevant.astype(np.float64)
    return np.where(relevant > 0, total, np.nan)


def _ideal_dcg(qrels: Qrels, k: int | None) -> FloatArray:
    """Sum the discounted k best grades of each query, retrieved or not."""
    rows = qrels.rows()
    gains = np.maximum(qrels.grades, 0.0)[np.lexsort((-qrels.grades, rows))]
    place = np.arange(1, rows.size + 1) - qrels.indptr[rows]
    terms = gains / np.log2(place + 1)
    if k is not None:
        terms[place > k] = 0.0
    return np.bincount(rows, weights=terms, minlength=len(qrels)).astype(np.float64, copy=False)


def _gains(items: IntArray, qrels: Qrels, first_row: int) -> FloatArray:
    """Look the judged items up in their rankings: a sort-merge join on (row, item), no dense table.

    Raises:
        DataError: An item occurs twice in a row, which would count its relevance twice.
    """
    order = np.argsort(items, axis=1)
    items = np.take_along_axis(items, order, axis=1)
    row, column = np.nonzero((items[:, 1:] == items[:, :-1]) & (items[:, 1:] != ABSENT))
    if row.size:
        raise DataError(
            f"ranking: query row {first_row + row[0]} has item {items[row[0], column[0]]} twice; expected "
            "each item at most once: keep its best score"
        )
    stride = max(int(items.max(initial=0)), int(qrels.items.max(initial=0))) + 2
    keys = (np.arange(len(items))[:, None] * stride + items - ABSENT).ravel()
    wanted = qrels.rows() * stride + qrels.items - ABSENT
    found = np.searchsorted(keys, wanted)
    hit = np.append(keys, ABSENT)[found] == wanted
    rows, columns = np.divmod(found[hit], items.shape[1])
    gains = np.zeros(items.shape)
    gains[rows, order[rows, columns]] = np.maximum(qrels.grades[hit], 0.0)
    return gains


def _row_blocks(queries: int, depth: int) -> Iterator[slice]:
    step = max(1, _CELLS_PER_BLOCK // max(depth, 1))
    return segments.slices(queries, step)


def _tie_breaker(ties: Ties, id_ranks: IntArray | None, last_item: int) -> IntArray | None:
    if ties == "expected":
        return None
    if ties != "trec":
        raise InputError(f"ties={ties!r} is unknown; {did_you_mean(ties, ['expected', 'trec'])}")
    if id_ranks is None:
        raise InputError("ties='trec' breaks ties by id and needs id_ranks; give id_ranks=rank_ids(item_ids)")
    if id_ranks.size <= last_item:
        raise DataError(
            f"id_ranks has {id_ranks.size} ranks, and the ranking has item row {last_item}; expected one "
            "rank for each item of the collection, as from rank_ids(item_ids)"
        )
    return id_ranks


def _check_ranking(items: IntArray, scores: NDArray[np.floating[Any]], qrels: Qrels) -> None:
    if items.ndim != 2 or items.shape != scores.shape or len(items) != len(qrels):
        raise DataError(
            f"ranking: items {items.shape}, scores {scores.shape}, qrels of {len(qrels)} queries; expected "
            "items and scores of one shape, (queries, depth)"
        )
    if items.dtype.kind + scores.dtype.kind != "if":
        raise DataError(f"ranking: expected int64 items, float32 scores; got {items.dtype}, {scores.dtype}")
    absent = items == ABSENT
    gap = np.zeros_like(absent)
    gap[:, :-1] = absent[:, :-1] & ~absent[:, 1:]
    faults = {
        "an item row below -1": items < ABSENT,
        "a score that is NaN": np.isnan(scores) & ~absent,
        "an absent item (-1) before a present one; move those to the right end": gap,
    }
    for fault, where in faults.items():
        if where.any():
            row, column = np.argwhere(where)[0]
            raise DataError(f"ranking: query row {row}, column {column} has {fault}")
