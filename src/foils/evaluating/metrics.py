"""Retrieval metrics of each query, with their exact expected value where scores are tied.

Every metric at cut-off k is a sum over positions p, divided by a normaliser of the query:

    metric@k = (1 / Z) · Σ_{p ≤ k} term_p

    ndcg     term_p = gain_p / log2(p + 1)             Z = the same sum over the k best judged grades
    recall   term_p = rel_p                            Z = R, the number of relevant items of the query
    map      term_p = rel_p / p · Σ_{q ≤ p} rel_q      Z = R
    mrr      term_p = [p is the first relevant] / p    Z = 1

with gain = grade where positive, rel = 1 where the grade is positive, unjudged = 0. R and the k best grades
are those of the qrels, retrieved or not. So they equal trec_eval's ndcg_cut, recall, map_cut and recip_rank.

Items with equal scores have no order of their own, and a metric must not depend on the order of the file. Let
a block of t tied items, r of them relevant, follow C relevant items, and let p be its j-th position. Over
uniformly random orders of every block,

    E[gain_p] = mean gain of the block,   E[rel_p] = r / t                  (McSherry & Najork 2008, ECIR)
    E[rel_p · Σ_{q ≤ p} rel_q] = r/t · (C + 1 + (j − 1)(r − 1) / (t − 1))   (two draws without replacement)
    P[p is the first relevant] = h_p · Π_{q < p} (1 − h_q),   h_p = r / (t − j + 1)

which is exact also for a block that straddles the cut-off. A block of one item gives back the textbook terms,
so trec_eval's fixed order is the same code with blocks of one.

A ranking truncated at depth D may cut its last block, and what was cut off is unknown: the expectation is
then over the tied items that are present. Retrieve deeper than k where many scores are equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from foils.errors import DataError, InputError, did_you_mean

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
Ties = Literal["expected", "trec"]

ABSENT = -1
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
        if name not in _TERMS:
            valid = [f"{known}@{cutoff}" if at else _example(known) for known in _TERMS]
            raise InputError(f"metric {text!r} is unknown; {did_you_mean(text, valid)}")
        if name == "recall" and not at:
            raise InputError(f"metric {text!r} needs a cut-off, for example {_example(name)}")
        return cls(name, int(cutoff) if at else None)

    def __str__(self) -> str:
        """Write the metric as it is parsed."""
        return self.name if self.k is None else f"{self.name}@{self.k}"


@dataclass(frozen=True, eq=False, slots=True)
class Qrels:
    """The relevance judgements of each query, in compressed sparse rows.

    Args:
        indptr: int64[Q + 1]; the judgements of query row q are ``indptr[q]:indptr[q + 1]``.
        items: int64[P], item rows, strictly increasing within a query.
        grades: float[P]; above zero = relevant. Zero and below weigh like unjudged.

    Raises:
        DataError: The arrays are not such rows.
    """

    indptr: IntArray
    items: IntArray
    grades: NDArray[np.floating[Any]]

    @classmethod
    def from_pairs(
        cls, queries: IntArray, items: IntArray, grades: NDArray[np.floating[Any]], *, n_queries: int
    ) -> Qrels:
        """Sort flat judgements, int64[P], int64[P], float[P]; of a repeated pair the best grade counts."""
        order = np.lexsort((-grades, items, queries))
        queries, items, grades = queries[order], items[order], grades[order]
        first = np.ones(order.size, np.bool_)
        first[1:] = (queries[1:] != queries[:-1]) | (items[1:] != items[:-1])
        return cls(np.searchsorted(queries[first], np.arange(n_queries + 1)), items[first], grades[first])

    def __post_init__(self) -> None:
        """Check the arrays."""
        indptr, items, grades = self.indptr, self.items, self.grades
        kinds = indptr.dtype.kind + items.dtype.kind + grades.dtype.kind
        if kinds != "iif" or indptr.ndim != 1 or items.ndim != 1 or items.shape != grades.shape:
            given = ", ".join(f"{array.dtype}{array.shape}" for array in (indptr, items, grades))
            raise DataError(f"qrels: expected int64(Q + 1,), int64(P,), float(P,); got {given}")
        if not (indptr.size and indptr[0] == 0 and indptr[-1] == items.size and (np.diff(indptr) >= 0).all()):
            raise DataError(f"qrels: indptr must rise from 0 to the {items.size} judgements")
        rises = np.diff(items, prepend=ABSENT) > 0
        rises[indptr[:-1][np.diff(indptr) > 0]] = True
        wrong = np.flatnonzero(~rises | (items < 0) | ~np.isfinite(grades))
        if wrong.size:
            at = wrong[0]
            raise DataError(
                f"qrels: query row {self.rows()[at]} has item {items[at]} with grade {grades[at]}; expected "
                "finite grades, and item rows from 0 that rise within a query (Qrels.from_pairs sorts them)"
            )

    def __len__(self) -> int:
        """Give the number of queries."""
        return self.indptr.size - 1

    def rows(self) -> IntArray:
        """Give the query row of every judgement, int64[P]."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def relevant_counts(self) -> IntArray:
        """Count the relevant items of each query, int64[Q]."""
        return np.bincount(self.rows()[self.grades > 0], minlength=len(self))

    def block(self, start: int, stop: int) -> Qrels:
        """Give the judgements of the query rows ``start:stop``."""
        indptr = self.indptr[start : stop + 1]
        cells = slice(indptr[0], indptr[-1])
        return Qrels(indptr - indptr[0], self.items[cells], self.grades[cells])


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
        positions = _positions(items[rows], scores[rows], gains, tie_breaker)
        for name in dict.fromkeys(metric.name for metric in parsed):
            terms = _TERMS[name](positions)
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


@dataclass(frozen=True, eq=False, slots=True)
class _Positions:
    """What each position of the sorted rankings knows of its tie block, all [rows, D].

    In the module's letters: gain = mean gain of the block, relevant = r, size = t, offset = j, above = C.
    """

    gain: FloatArray
    relevant: FloatArray
    size: IntArray
    offset: IntArray
    above: FloatArray

    @property
    def place(self) -> IntArray:
        """The position p, from 1; int64[D]."""
        return np.arange(1, self.gain.shape[1] + 1)


def _ndcg_terms(at: _Positions) -> FloatArray:
    return at.gain / np.log2(at.place + 1)


def _recall_terms(at: _Positions) -> FloatArray:
    return at.relevant / at.size


def _map_terms(at: _Positions) -> FloatArray:
    before_in_block = (at.offset - 1) * (at.relevant - 1) / np.maximum(at.size - 1, 1)
    return at.relevant / at.size * (at.above + 1 + before_in_block) / at.place


def _mrr_terms(at: _Positions) -> FloatArray:
    hazard = at.relevant / (at.size - at.offset + 1)
    # The last hazard of a block with a relevant item is exactly 1, so every later position gets exactly 0.
    unseen = np.ones_like(hazard)
    np.cumprod(1 - hazard[:, :-1], axis=1, out=unseen[:, 1:])
    return hazard * unseen / at.place


_TERMS: dict[str, Callable[[_Positions], FloatArray]] = {
    "ndcg": _ndcg_terms,
    "mrr": _mrr_terms,
    "recall": _recall_terms,
    "map": _map_terms,
}


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


def _positions(
    items: IntArray, scores: NDArray[np.floating[Any]], gains: FloatArray, id_ranks: IntArray | None
) -> _Positions:
    """Sort each row by descending score; cut it into tie blocks, or single items where ids break the ties."""
    absent = items == ABSENT
    # Absent items are at the right end, so a stable sort leaves them behind present items that score -inf.
    ascending = np.where(absent, np.inf, -scores)
    starts = np.ones(items.shape, np.bool_)
    if id_ranks is None:
        order = np.argsort(ascending, axis=1, kind="stable")
        ascending, absent = (np.take_along_axis(array, order, axis=1) for array in (ascending, absent))
        starts[:, 1:] = (ascending[:, 1:] != ascending[:, :-1]) | (absent[:, 1:] != absent[:, :-1])
    else:
        ranks = np.append(id_ranks, ABSENT)[np.where(absent, id_ranks.size, items)]
        by_id = np.argsort(-ranks, axis=1, kind="stable")
        by_score = np.argsort(np.take_along_axis(ascending, by_id, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(by_id, by_score, axis=1)
    return _spread(np.take_along_axis(gains, order, axis=1), starts)


def _spread(gains: FloatArray, starts: NDArray[np.bool_]) -> _Positions:
    """Reduce the sorted gains over the tie blocks that begin where ``starts`` is true."""
    first = np.flatnonzero(starts)
    size = np.diff(first, append=gains.size)
    relevant = (gains > 0).astype(np.float64)
    block_gain, block_relevant = (np.add.reduceat(array.ravel(), first) for array in (gains, relevant))
    above = np.cumsum(relevant, axis=1) - relevant

    def over_positions(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, size).reshape(gains.shape)

    return _Positions(
        gain=over_positions(block_gain / size),
        relevant=over_positions(block_relevant),
        size=over_positions(size),
        offset=np.arange(gains.size).reshape(gains.shape) - over_positions(first) + 1,
        above=over_positions(above.ravel()[first]),
    )


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
    for start in range(0, queries, step):
        yield slice(start, min(start + step, queries))


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
