"""Intervals of 95 %, clustered by anchor: the negatives of one anchor hit or miss together.

A rate is bootstrapped over anchors. Anchors with the same (hits, negatives) are alike, so that a resample is one draw
of a multinomial over the distinct cells: the law of the usual bootstrap at a cost that does not grow with the anchors.
Where nothing was hit, every resample says zero; the upper end is then that of the anchors taken as one look each,
1 − 0.025^(1/A) (Clopper and Pearson, 1934); where everything was, the lower end is 0.025^(1/A).

A mean of scores has no repeated cells. Its interval is that of the linearised ratio R = Σy / Σn: the residuals
y − R·n are summed by anchor, and their spread over A anchors gives the standard error.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from foils.estimating.limits import NORMAL
from foils.reporting.text import rate, signed

Float64 = npt.NDArray[np.float64]

ROUNDS, SEED = 2000, 0
CELLS = 1 << 21
"""Drawn cells that are held at once, of 8 bytes each."""


class Estimate(msgspec.Struct, frozen=True):
    """A number with its interval of 95 %."""

    estimate: float
    low: float
    high: float

    @property
    def per_thousand(self) -> str:
        """Show a share as a rate per 1,000."""
        low, high = rate(1000 * self.low), rate(1000 * self.high)
        return f"{rate(1000 * self.estimate)} [{low}, {high}]"

    @property
    def signed(self) -> str:
        """Show a difference."""
        return f"{signed(self.estimate)} [{signed(self.low)}, {signed(self.high)}]"

    @property
    def apart(self) -> bool:
        """Tell whether the interval leaves zero out."""
        return not self.low <= 0 <= self.high


def share(hits: Float64, sizes: Float64) -> Estimate | None:
    """Estimate Σ hits / Σ sizes over anchors: float64[A] each, whole numbers. None where there is nothing."""
    keep = sizes > 0
    if not keep.any():
        return None
    cells, counts = np.unique(np.stack([hits[keep], sizes[keep]], axis=1), axis=0, return_counts=True)
    estimate = float(hits[keep].sum() / sizes[keep].sum())
    drawn = _resampled(cells, counts)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    alone = 0.025 ** (1 / counts.sum())
    if estimate == 0:
        high = 1 - alone
    if estimate == 1:
        low = alone
    return Estimate(estimate, float(low), float(high))


def share_difference(hits: Float64, sizes: Float64, other_hits: Float64, other_sizes: Float64) -> Estimate | None:
    """Estimate the difference of two shares over the same anchors, drawn together."""
    keep = (sizes > 0) | (other_sizes > 0)
    if not sizes.any() or not other_sizes.any():
        return None
    table = np.stack([hits, sizes, other_hits, other_sizes], axis=1)[keep]
    cells, counts = np.unique(table, axis=0, return_counts=True)
    drawn = _resampled(cells, counts)
    drawn = drawn[(drawn[:, 1] > 0) & (drawn[:, 3] > 0)]
    sums = table.sum(axis=0)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1] - drawn[:, 2] / drawn[:, 3], [0.025, 0.975])
    return Estimate(float(sums[0] / sums[1] - sums[2] / sums[3]), float(low), float(high))


def mean(sums: Float64, sizes: Float64) -> Estimate | None:
    """Estimate Σ sums / Σ sizes over anchors: float64[A] each."""
    if not sizes.any():
        return None
    return _linear(sums.sum() / sizes.sum(), _residuals(sums, sizes), int((sizes > 0).sum()))


def mean_difference(sums: Float64, sizes: Float64, other_sums: Float64, other_sizes: Float64) -> Estimate | None:
    """Estimate the difference of two means over the same anchors."""
    if not sizes.any() or not other_sizes.any():
        return None
    estimate = sums.sum() / sizes.sum() - other_sums.sum() / other_sizes.sum()
    residuals = _residuals(sums, sizes) - _residuals(other_sums, other_sizes)
    return _linear(estimate, residuals, int(((sizes > 0) | (other_sizes > 0)).sum()))


def _resampled(cells: Float64, counts: npt.NDArray[np.integer]) -> Float64:
    """Give the sums of each resample, float64[ROUNDS, columns]."""
    generator, n = np.random.default_rng(SEED), int(counts.sum())
    step = max(1, CELLS // len(cells))
    sums = [
        generator.multinomial(n, counts / n, size=min(step, ROUNDS - start)) @ cells for start in range(0, ROUNDS, step)
    ]
    return np.concatenate(sums)


def _residuals(sums: Float64, sizes: Float64) -> Float64:
    total = sizes.sum()
    residuals: Float64 = (sums - sums.sum() / total * sizes) / total
    return residuals


def _linear(estimate: float, residuals: Float64, n: int) -> Estimate:
    spread = NORMAL * float(np.sqrt(n / max(n - 1, 1) * (residuals**2).sum()))
    return Estimate(float(estimate), float(estimate) - spread, float(estimate) + spread)
