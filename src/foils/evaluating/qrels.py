"""The judgements that a ranking is evaluated by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foils import _segments as segments
from foils.errors import DataError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

ABSENT = -1


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
        return segments.owners(np.diff(self.indptr))

    def relevant_counts(self) -> IntArray:
        """Count the relevant items of each query, int64[Q]."""
        return np.bincount(self.rows()[self.grades > 0], minlength=len(self))

    def block(self, start: int, stop: int) -> Qrels:
        """Give the judgements of the query rows ``start:stop``."""
        indptr = self.indptr[start : stop + 1]
        cells = slice(indptr[0], indptr[-1])
        return Qrels(indptr - indptr[0], self.items[cells], self.grades[cells])
