"""What is audited: negatives by unit, in rows, whatever folder or file they came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils import _array
from foils import _segments as segments
from foils.collection import Collection
from foils.formats.negatives import Unmatched
from foils.positives import Int64

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]
Reference = Literal["min", "mean", "max"]

REFERENCES: tuple[Reference, ...] = ("min", "mean", "max")
"""Which positives of a unit a negative is measured against: the lowest-scored, all on average, the highest-scored."""


@dataclass(frozen=True, eq=False)
class Subject:
    """Negatives of U units: N of them, and P positives.

    Attributes:
        name: how the report calls it.
        form: ``foils`` for a result folder, else the form of the file.
        split: whose positives count as known.
        asked: negatives that a unit should have.
        unit_ids: large_string[U].
        anchors: int64[U], the anchor of each unit, by row of the collection where there is one.
        indptr: int64[U + 1], where each unit's negatives begin and end.
        items: int64[N], item rows.
        scores: float32[N], NaN = none.
        ranks: int32[N], from 1; 0 = none.
        sources: int16[N], index into ``source_names``.
        source_names: where negatives came from.
        positive_indptr: int64[U + 1], where each unit's given positives begin and end.
        positives: int64[P], item rows.
        positive_scores: float32[P], NaN = none.
        item_ids: string[I].
        anchor_ids: string, by anchor.
        collection: texts and judgements, or None.
        score_name: what the scores are, or None where there are none.
        score_origin: what the scores follow from; scores of two subjects compare only where it is the same.
        verdicts: ``kept`` or reason → candidates; None where the candidates are not known.
        repeated: further occurrences of a pair in a file; each pair is audited once.
        unmatched: what of a file is not in the collection.
        p_positive: float32[N], calibrated probability of being positive, NaN = none; None where nobody said.
    """

    name: str
    form: str
    split: str
    asked: int
    unit_ids: pa.Array
    anchors: Int64
    indptr: Int64
    items: Int64
    scores: Float32
    ranks: npt.NDArray[np.int32]
    sources: npt.NDArray[np.int16]
    source_names: tuple[str, ...]
    positive_indptr: Int64
    positives: Int64
    positive_scores: Float32
    item_ids: pa.Array
    anchor_ids: pa.Array
    collection: Collection | None
    score_name: str | None
    score_origin: str | None
    verdicts: Mapping[str, int] | None = None
    repeated: int = 0
    unmatched: Unmatched | None = None
    p_positive: Float32 | None = None

    @property
    def n_units(self) -> int:
        """U."""
        return len(self.anchors)

    @property
    def counts(self) -> Int64:
        """int64[U], negatives per unit."""
        return np.diff(self.indptr)

    @cached_property
    def units(self) -> Int64:
        """int64[N], the unit of each negative."""
        return segments.owners(self.counts)

    @cached_property
    def clusters(self) -> Int64:
        """int64[U], anchors numbered from 0 without gaps: what is drawn in a bootstrap."""
        return np.unique(self.anchors, return_inverse=True)[1].astype(np.int64)

    def per_anchor(self, values: npt.NDArray[Any], of: Int64 | None = None) -> Float64:
        """Add up values of the negatives (or of units ``of``) by anchor: float64[anchors]."""
        owners = self.clusters[self.units if of is None else of]
        n = int(self.clusters.max(initial=-1)) + 1
        return sums_by(owners, values, n)

    def reference(self, which: Reference) -> Float64:
        """float64[U], the score of each unit's reference positive; NaN where it has none."""
        known = ~np.isnan(self.positive_scores)
        inside = segments.bounds(known)[self.positive_indptr]
        return np.asarray(_array.segment_reduce(self.positive_scores[known], inside, which), dtype=np.float64)

    def gaps(self, which: Reference) -> Float64:
        """float64[N], score of the negative minus that of its unit's reference positive; NaN = not scored."""
        return self.scores - self.reference(which)[self.units]

    @property
    def calibrated(self) -> bool:
        """Whether ``p_positive`` was calibrated; a 0 alone says "judged non-relevant", which needs no calibration."""
        return self.p_positive is not None and bool((self.p_positive > 0).any())

    @property
    def one_positive(self) -> bool:
        """Whether no unit has several positives, so that the references agree."""
        return bool((np.diff(self.positive_indptr) <= 1).all())


def sums_by(codes: Int64, values: npt.NDArray[Any], n: int) -> Float64:
    """Add up values by code: float64[n]; codes are 0 … n − 1."""
    sums: Float64 = np.bincount(codes, weights=values, minlength=n).astype(np.float64)
    return sums
