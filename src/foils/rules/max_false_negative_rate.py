"""A bound on how many of the negatives are positives, in the one unit that every encoder shares.

In the order of ranks a candidate is kept if the mean ``p_positive`` of what is kept so far, itself included, does not
pass the rate. So every prefix of what is kept keeps the promise, and with it every draw that likes better ranks better:
its law is a mixture of prefixes. A raw threshold belongs to one encoder; a rate belongs to the task.

The promise is as good as the calibration. A stricter rate keeps fewer in the end, though not always a part of them:
what it refuses early, it may spend later.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import numpy as np

from foils import _array
from foils._array import Array
from foils.candidates import Candidates, Kind
from foils.rules.verdicts import REASONS, Unscored


class MaxFalseNegativeRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keep the mean p_positive of what is kept at or below a rate; needs a recipe with a calibrator."""

    needs: ClassVar[Kind] = Kind.PROBABILITY
    rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    """Share of the negatives that may be positives."""
    unscored: Unscored = "reject"
    """What to do with candidates of which the calibrator cannot say; kept ones count nothing."""

    @property
    def column(self) -> str:
        """The calibrated probability, and no other column."""
        return "p_positive"

    def __call__(self, candidates: Candidates) -> Array:
        """Give int8[A, K], index into ``REASONS``."""
        return self.after(candidates, candidates.valid)

    def after(self, candidates: Candidates, kept: Array) -> Array:
        """Judge what other rules have kept, bool[A, K], for only that counts: int8[A, K], index into ``REASONS``."""
        p_positive = candidates.columns[self.column].values
        xp = _array.namespace(p_positive)
        p_positive = xp.astype(p_positive, xp.float64)
        unknown = xp.isnan(p_positive)
        counted = kept & ~unknown
        # In float32, as probabilities are; sums of float32 numbers and multiples of one are exact in float64.
        rate = float(np.float32(self.rate))
        total = count = _array.row_sum(xp.zeros_like(p_positive))
        within = xp.zeros_like(kept)
        for place in range(p_positive.shape[1]):
            more = total + p_positive[:, place]
            within[:, place] = counted[:, place] & (more <= rate * (count + 1.0))
            total = xp.where(within[:, place], more, total)
            count = xp.where(within[:, place], count + 1.0, count)
        reason = xp.where(kept & ~unknown & ~within, REASONS.index("max_false_negative_rate"), 0)
        missing = REASONS.index("unscored") if self.unscored == "reject" else 0
        return xp.astype(xp.where(unknown, missing, reason), xp.int8)
