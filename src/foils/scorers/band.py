"""The band that is worth an expensive opinion: below it nobody doubts, above it a rule rejects without asking.

A reject option (Chow, 1970): a cheap score decides where it is sure, and only what lies between goes to the dear model.

    unit score        low ≤ s < high
    unit deviations   mean + low·std ≤ s < mean + high·std     (of the unit's own candidates, as the rule mean_std)

What lies outside stays without a score (NaN), so a rule on the dear column says ``unscored: keep``, and a rule on the
cheap column rejects what lies above: ``mean_std`` with ``deviations`` = high takes up exactly where the band ends.
Deviations are those of the candidates of the first look, so that looking deeper changes nobody's place in the band.
"""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

from foils.candidates import Candidates, Kind, spread
from foils.errors import RecipeError


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Candidates whose score in an earlier column lies in [low, high)."""

    column: str
    """An earlier score column, of the source or of a scorer before this one; a candidate without a score is outside."""
    low: float | None = None
    """Inside from here on; null = no lower end."""
    high: float | None = None
    """Outside from here on; null = no upper end. Open at both ends, the band holds every candidate."""
    unit: Literal["score", "deviations"] = "score"
    """What the ends count in: the column's own units, or standard deviations from the unit's mean."""

    def __post_init__(self) -> None:
        """Check that low does not lie above high.

        Raises:
            RecipeError: it does.
        """
        if self.low is not None and self.high is not None and self.low > self.high:
            raise RecipeError(f"low is {self.low} and high is {self.high}; expected low at or below high")

    @property
    def needs(self) -> Kind:
        """The least kind of column that these ends mean something for."""
        return Kind.RATIO if self.unit == "score" else Kind.SCORE

    def holds(self, candidates: Candidates, first: int | None = None) -> npt.NDArray[np.bool_]:
        """Tell which candidates are inside: bool[A, K].

        Args:
            candidates: with the column.
            first: measure deviations over the candidates of the first so many ranks; None = over all.
        """
        valid: npt.NDArray[np.bool_] = candidates.items >= 0
        if self.low is None and self.high is None:
            return valid
        scores = np.asarray(candidates.score_column(self.column).values)
        scored = valid & ~np.isnan(scores)
        if self.unit == "score":
            low, high = (None if end is None else scores.dtype.type(end) for end in (self.low, self.high))
        else:
            scores, mean, deviation = spread(scores, scored & (np.arange(scores.shape[1]) < (first or scores.shape[1])))
            low, high = (None if end is None else (mean + end * deviation)[:, None] for end in (self.low, self.high))
        at_least = scored if low is None else scores >= low
        below = scored if high is None else scores < high
        inside: npt.NDArray[np.bool_] = scored & at_least & below
        return inside


@runtime_checkable
class Banded(Protocol):
    """A scorer that may be asked about a band of candidates only."""

    @property
    def band(self) -> Band | None:
        """Which; None = all."""
