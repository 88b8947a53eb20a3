"""What the coupled models look at: of every candidate and every labelled positive of a block of units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.candidates import Candidates, Column
from foils.positives import Int64

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Features:
    """Pairs of a block: first the scored candidates, row by row, then the scored positives that they reach down to.

    Attributes:
        selection: float64[N, 2], log rank among the unit's candidates and the retriever's score, standardised by them.
        relevance: float64[N, 2], the scorer's score as it is, and standardised by the unit's candidates.
        labels: bool[N], True for positives.
        cells: bool[A, K], the candidates that the first rows are of.
    """

    selection: Float64
    relevance: Float64
    labels: Bool
    cells: Bool


def features_of(block: Candidates, retriever: str, scorer: str) -> Features:
    """Gather the pairs of a block.

    A positive's rank is one more than the candidates that score above it, just as a candidate's: known positives are
    not among the candidates, so the rank tells nothing of the label. Positives below the unit's last candidate are left
    out: nothing unlabelled was looked at down there, so that a low score alone would speak for a label.

    Args:
        block: candidates with both columns.
        retriever: column of the retriever's score.
        scorer: column of another's.
    """
    first, second = block.score_column(retriever), block.score_column(scorer)
    cells = np.asarray(block.valid & ~np.isnan(first.values) & ~np.isnan(second.values))
    units = block.units
    known = np.zeros(len(units.positives), bool)
    if first.positives is not None and second.positives is not None:
        known = ~np.isnan(first.positives) & ~np.isnan(second.positives)
        known &= np.asarray(first.positives >= _lowest(first, cells)[segments.owners(np.diff(units.indptr))])
    rows = np.concatenate([np.nonzero(cells)[0], segments.owners(np.diff(units.indptr))[known]])
    found, judged = _pairs(first, cells, known), _pairs(second, cells, known)
    selection = np.column_stack([np.log(_ranks(first, cells, rows, found)), _standardised(first, cells, rows, found)])
    relevance = np.column_stack([judged, _standardised(second, cells, rows, judged)])
    labels = np.arange(len(rows)) >= np.count_nonzero(cells)
    return Features(selection, relevance, labels, cells)


def _pairs(column: Column, cells: Bool, known: Bool) -> Float64:
    positives = np.zeros(0) if column.positives is None else np.asarray(column.positives, np.float64)[known]
    return np.concatenate([np.asarray(column.values, np.float64)[cells], positives])


def _lowest(column: Column, cells: Bool) -> Float64:
    """Give float64[A], the lowest score of each unit's candidates; infinity where it has none."""
    lowest: Float64 = np.where(cells, np.asarray(column.values, np.float64), np.inf).min(axis=1, initial=np.inf)
    return lowest


def _ranks(column: Column, cells: Bool, rows: Int64, scores: Float64) -> Float64:
    """One more than the candidates of the unit that score higher."""
    owners, values = np.nonzero(cells)[0], np.asarray(column.values, np.float64)[cells]
    order = np.lexsort((values, owners))
    indptr = segments.bounds(cells.sum(axis=1))
    not_above = _array.row_searchsorted(values[order], indptr, rows, scores, "right")
    ranks: Float64 = np.asarray(1.0 + np.diff(indptr)[rows] - not_above, np.float64)
    return ranks


def _standardised(column: Column, cells: Bool, rows: Int64, scores: Float64) -> Float64:
    """Deviations from the mean of the unit's candidates; 0 where they are fewer than two or all alike."""
    values = np.where(cells, np.asarray(column.values, np.float64), 0.0)
    count = np.maximum(cells.sum(axis=1), 1)
    means = values.sum(axis=1) / count
    spread = np.sqrt((np.where(cells, values - means[:, None], 0.0) ** 2).sum(axis=1) / count)
    told = spread > 1e-9 * (1 + np.abs(means))
    return np.where(told[rows], (scores - means[rows]) / np.where(told, spread, 1.0)[rows], 0.0)
