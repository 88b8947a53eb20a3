"""What passes between the parts: candidates with their columns, and the negatives chosen from them.

Rectangular inside a block only; absent cells hold the item −1 at the right end of a row and are never used as an index.
The arrays are NumPy's when mining and PyTorch's in a training step; the rules and samplers do not mind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from foils import _array
from foils._array import Array
from foils.errors import DefectError
from foils.positives import Int64, Units

RESERVED = frozenset({"rank", "source", "log_q", "p_positive"})
"""Columns with a fixed meaning; see ``Candidates``."""

Reference = Literal["min", "max", "mean", "pair"]
"""Which positive of a unit stands for all; ``pair`` is the only one of a unit that is a pair."""


@runtime_checkable
class Referring(Protocol):
    """A part that compares with one positive of the unit."""

    @property
    def reference(self) -> Reference:
        """Which positive."""


class Kind(StrEnum):
    """What the numbers of a column mean, and so which rules may use them."""

    RANK = "rank"  # order only
    SCORE = "score"  # differences compare within one anchor
    RATIO = "ratio"  # zero and scale mean something and compare across anchors (cosine, inner product of one model)
    PROBABILITY = "probability"  # a ratio between 0 and 1

    def gives(self, needed: Kind) -> bool:
        """Tell whether a column of this kind serves a rule that needs ``needed``."""
        order = list(Kind)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, eq=False)
class Column:
    """One number per candidate.

    Attributes:
        values: [A, K]; NaN = not scored.
        kind: what the numbers mean; None for the reserved columns ``rank``, ``source`` and ``log_q``.
        positives: [P], the same number for the positives of the units (ragged, by ``Units.indptr``); or None.
    """

    values: Array
    kind: Kind | None = None
    positives: Array | None = None


@dataclass(frozen=True, eq=False)
class Candidates:
    """Candidates of a block of units.

    Attributes:
        units: the A units (their anchors, keys and positives).
        items: int64[A, K], item rows; −1 = absent, at the right end.
        columns: name → Column. Reserved: ``rank`` (int64, 1-based, per source, after the exclusion of known positives
            and before any rule), ``source`` (index into ``sources``), ``log_q`` (float32, the law of the source's draw;
            0 where a search gave the pool, NaN where there is no law), ``p_positive`` (NaN = uncalibrated, 0 = trusted
            negative).
        sources: names that the ``source`` column points to.
    """

    units: Units
    items: Array
    columns: Mapping[str, Column] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @classmethod
    def listed(cls, units: Units, items: Int64, source: str, log_q: npt.NDArray[np.float32] | float) -> Candidates:
        """Make candidates of what one source returned, best first, with the reserved columns."""
        rank = np.broadcast_to(np.arange(1, items.shape[1] + 1), items.shape)
        columns = {
            "rank": Column(np.where(items >= 0, rank, 0)),
            "source": Column(np.zeros(items.shape, np.int8)),
            "log_q": Column(np.where(items >= 0, log_q, np.nan).astype(np.float32)),
        }
        return cls(units, items, columns, (source,))

    @property
    def valid(self) -> Array:
        """bool[A, K], True where a candidate is present."""
        return self.items >= 0

    def scored(self) -> list[str]:
        """Name the columns that hold scores, in the order they were added."""
        return [name for name, column in self.columns.items() if column.kind is not None]

    def score_column(self, name: str | None) -> Column:
        """Give the named score column, or the one added last; ``p_positive`` is given where it is named.

        Raises:
            DefectError: no such column (a recipe is checked for this when it is loaded).
        """
        if name == "p_positive" and name in self.columns:
            return self.columns[name]
        scored = self.scored()
        if not scored or (name is not None and name not in scored):
            raise DefectError(f"no score column {name or ''!r}; there are: {', '.join(scored) or 'none'}")
        return self.columns[scored[-1] if name is None else name]

    def with_column(self, name: str, column: Column) -> Candidates:
        """Add a column.

        Raises:
            DefectError: the column is there already, or its shape is not that of ``items``.
        """
        if name in self.columns or tuple(column.values.shape) != tuple(self.items.shape):
            raise DefectError(f"column {name!r} exists already, or is not of the shape {tuple(self.items.shape)}")
        return replace(self, columns={**self.columns, name: column})


@dataclass(frozen=True, eq=False)
class Negatives:
    """The negatives of a block of units, in the order the sampler gives them.

    Attributes:
        items: int64[A, M], item rows; −1 = absent, at the right end.
        positions: int64[A, M], where in the candidates' row each was found; −1 = absent.
        log_q: float32[A, M], log of the expected number of times the item is a negative of this unit; NaN = no law.
    """

    items: Array
    positions: Array
    log_q: Array


def spread(scores: Array, measured: Array) -> tuple[Array, Array, Array]:
    """Measure how the scores of each unit lie: mean and standard deviation (n − 1), counted from its highest.

    Args:
        scores: float[A, K].
        measured: bool[A, K], the cells to measure, none of them NaN.

    Returns:
        float64[A, K], the scores counted from the highest of those measured; float64[A] their mean and float64[A] their
        deviation, +inf and 0 where there is none: of fewer than two, or of equal scores.
    """
    xp = _array.namespace(scores)
    scores = xp.astype(scores, xp.float64)
    # Counted from the highest, equal scores are 0 exactly, and so is their deviation.
    scores = scores - _array.masked_quantile(scores, measured, 1.0)[:, None]
    zero = xp.zeros_like(scores)
    count = _array.row_sum(xp.astype(measured, xp.float64))
    safe = xp.where(count > 1, count, xp.full_like(count, 2.0))
    mean = _array.row_sum(xp.where(measured, scores, zero)) / safe
    centred = xp.where(measured, scores - mean[:, None], zero)
    deviation = xp.sqrt(_array.row_sum(centred * centred) / (safe - 1))
    some = (count > 1) & (deviation > 0)
    return scores, xp.where(some, mean, xp.full_like(mean, np.inf)), xp.where(some, deviation, xp.zeros_like(mean))


def reference_scores(column: Column, units: Units, reference: Reference) -> Array:
    """Give the score of each unit's reference positive: float64[A], NaN where no positive has a score.

    ``pair`` is the unit's only positive (recipes with ``per: pair``), for which all the references agree.
    """
    values = column.positives
    if values is None:
        raise DefectError("this column has no scores of positives")
    xp = _array.namespace(values)
    values = xp.astype(values, xp.float64)
    absent = xp.isnan(values)
    if reference == "mean":
        total = _array.segment_reduce(xp.where(absent, xp.zeros_like(values), values), units.indptr, "sum")
        count = _array.segment_reduce(xp.astype(~absent, xp.float64), units.indptr, "sum")
        return xp.where(count > 0, total / xp.where(count > 0, count, xp.ones_like(count)), xp.nan * total)
    worst = -np.inf if reference == "max" else np.inf
    chosen = _array.segment_reduce(
        xp.where(absent, xp.full_like(values, worst), values), units.indptr, "max" if reference == "max" else "min"
    )
    return xp.where(xp.isinf(chosen), xp.full_like(chosen, np.nan), chosen)
