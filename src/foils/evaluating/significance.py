"""How sure is a mean over queries, or the difference of two systems on the same queries?

Queries vary far more than systems do, so systems are compared in pairs, query by query.

The paired randomisation test (Smucker, Allan & Carterette 2007, CIKM): if the two systems were the same, each
query's difference could as well have the other sign. The p-value is the share of sign patterns whose mean is
as far from zero as the observed one.

The bootstrap draws queries with replacement and takes the percentiles of the mean. Where every seed (a
training run) is evaluated on the same queries, seeds × queries are crossed, not nested: both are drawn,
independently, and a cell counts as often as its seed times its query was drawn (the pigeonhole bootstrap,
Owen 2007, Annals of Applied Statistics). It errs to the wide side for the interaction of seeds and queries.
But S drawn seeds show only (S − 1) / S of the variance between seeds, and percentiles know no t quantiles:
where three seeds differ far more than the mean over queries does, the interval of 95 % covers the truth
about 80 % of the time.

A query that is NaN in every row (no relevant judgement) is left out. NaN in some rows only means that the
systems were not judged alike, and is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foils import _segments as segments
from foils.errors import DataError, InputError

FloatArray = NDArray[np.float64]

_CELLS_PER_CHUNK = 1 << 20
"""Drawn cells that are held at once, of 8 bytes each."""
_ROUNDING = 1e-12
"""Sums of the same differences in another order count as equal within this share of the sum of magnitudes."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        """Show the signed numbers of a difference; ``format(interval, ".3f")`` shows those of a mean.

        >>> str(Interval(0.012, -0.003, 0.027))
        '+0.012 [−0.003, +0.027]'
        """
        return format(self, "+.3f")

    def __format__(self, spec: str) -> str:
        """Apply the format to each number, with a true minus sign."""
        estimate, low, high = (
            format(number, spec or "+.3f").replace("-", "−") for number in (self.estimate, self.low, self.high)
        )
        return f"{estimate} [{low}, {high}]"


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean difference of two systems over ``seeds`` × ``queries`` (judged ones)."""

    interval: Interval
    p_value: float
    queries: int
    seeds: int

    def __str__(self) -> str:
        """Show it on one line."""
        return f"{self.interval}, p = {self.p_value:.2g} ({self.queries} queries, seeds: {self.seeds})"


def paired_difference(
    a: FloatArray, b: FloatArray, *, level: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> PairedDifference:
    """Compare system a with system b on the same queries: mean of a − b, its interval, its p-value.

    The interval draws seeds and queries (queries alone where there is one seed). The p-value is of each
    query's mean over the seeds, and so speaks of these very seeds; the interval claims less.

    Args:
        a: float64[S, Q] or float64[Q], a metric of each query; row s of a and row s of b share their seed.
        b: The same shape, of the other system.
        level: Of the interval, in (0, 1).
        rounds: Of the bootstrap and of the test, ≥ 1.
        seed: Of the draws.

    Raises:
        DataError: Shapes differ, fewer than two queries are judged, or a value is infinite or NaN in part.
        InputError: ``level`` or ``rounds`` is out of range.
    """
    differences = _paired(a, b)
    seeds, queries = differences.shape
    interval = _bootstrap(differences, level, rounds, seed)
    p_value = _sign_flip_p_value(differences.mean(axis=0), rounds, seed)
    return PairedDifference(interval, p_value, queries, seeds)


def bootstrap_mean(values: FloatArray, *, level: float = 0.95, rounds: int = 10_000, seed: int = 0) -> Interval:
    """Estimate a mean over queries with its percentile bootstrap interval.

    Args:
        values: float64[Q], a metric, or a difference, of each query; NaN is left out.
        level: Of the interval, in (0, 1).
        rounds: Number of resamples, ≥ 1.
        seed: Of the resamples.

    Raises:
        DataError: Not one value per query, fewer than two are judged, or one is infinite.
        InputError: ``level`` or ``rounds`` is out of range.
    """
    _check_shape("values", values, 1)
    return _bootstrap(_judged(values), level, rounds, seed)


def bootstrap_hierarchical(
    differences: FloatArray, *, level: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> Interval:
    """Estimate a mean over crossed seeds and queries, drawing both (see the module).

    Args:
        differences: float64[S, Q], of each seed on the same queries; NaN in every seed is left out.
        level: Of the interval, in (0, 1).
        rounds: Number of resamples, ≥ 1.
        seed: Of the resamples.

    Raises:
        DataError: Fewer than two seeds or judged queries, or a value is infinite or NaN in some seeds only.
        InputError: ``level`` or ``rounds`` is out of range.
    """
    _check_shape("differences", differences, 2)
    if len(differences) < 2:
        raise DataError(
            f"differences: got {len(differences)} seed(s); expected at least 2; for one seed use "
            "bootstrap_mean, which speaks of the queries alone"
        )
    return _bootstrap(_judged(differences), level, rounds, seed)


def bootstrap_ratio(
    numerators: FloatArray, denominators: FloatArray, *, level: float = 0.95, rounds: int = 10_000, seed: int = 0
) -> Interval:
    """Estimate a ratio of sums over crossed seeds and queries, such as hits per negative, clustered by query.

    Args:
        numerators: float64[S, Q], one seed or more.
        denominators: float64[S, Q], not negative.
        level: Of the interval, in (0, 1).
        rounds: Number of resamples, ≥ 1.
        seed: Of the resamples.

    Raises:
        DataError: The shapes differ, a value is not finite, or all denominators are 0.
        InputError: ``level`` or ``rounds`` is out of range.
    """
    _check_shape("numerators", numerators, 2)
    if numerators.shape != denominators.shape or not np.isfinite([numerators, denominators]).all():
        raise DataError(
            f"numerators and denominators: got shapes {numerators.shape} and {denominators.shape}; expected finite "
            "values of the same seeds and queries"
        )
    if not denominators.sum() > 0:
        raise DataError("all denominators are 0, so there is no ratio")
    return _bootstrap(numerators, level, rounds, seed, denominators)


def _bootstrap(values: FloatArray, level: float, rounds: int, seed: int, sizes: FloatArray | None = None) -> Interval:
    """Draw the seeds and the queries of float64[S, Q] independently; one seed is always drawn.

    The estimate is the ratio of the sums of ``values`` and ``sizes``; without sizes, the mean.
    """
    if not 0 < level < 1:
        raise InputError(f"level={level}: expected a share between 0 and 1, such as 0.95")
    sizes = np.ones_like(values) if sizes is None else sizes
    seeds, queries = values.shape
    generator = np.random.default_rng(seed)
    ratios = np.empty(_checked(rounds))
    for chunk in _chunks(rounds, queries):
        n = chunk.stop - chunk.start
        drawn = generator.integers(0, queries, size=(n, queries))
        sums = [np.stack([row[drawn].sum(axis=1) for row in side], axis=1) for side in (values, sizes)]
        chosen = generator.integers(0, seeds, size=(n, seeds))
        top, bottom = (np.take_along_axis(side, chosen, axis=1).sum(axis=1) for side in sums)
        ratios[chunk] = np.divide(top, bottom, out=np.full(n, np.nan), where=bottom > 0)
    low, high = np.nanquantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.sum() / sizes.sum()), float(low), float(high))


def _sign_flip_p_value(differences: FloatArray, rounds: int, seed: int) -> float:
    """Test whether a mean is zero, against both sides; in (0, 1].

    Queries without a difference have no sign to flip and change nothing. Of the other m, all 2^m patterns are
    enumerated where that is at most ``rounds``; else ``rounds`` patterns are drawn and the observed one counts among
    them: (1 + hits) / (1 + rounds), never zero.
    """
    differences = differences[differences != 0]
    m = differences.size
    exact = m < _checked(rounds).bit_length()  # 2^m ≤ rounds
    patterns = 2**m if exact else rounds
    generator = np.random.default_rng(seed)
    total = differences.sum()
    threshold = abs(total) - _ROUNDING * np.abs(differences).sum()
    hits = 0
    for chunk in _chunks(patterns, m):
        if exact:
            flipped = (np.arange(chunk.start, chunk.stop)[:, None] >> np.arange(m)) & 1 > 0
        else:
            flipped = generator.integers(0, 2, (chunk.stop - chunk.start, m), dtype=np.bool_)
        hits += int(np.count_nonzero(np.abs(total - 2 * (flipped @ differences)) >= threshold))
    return hits / patterns if exact else (1 + hits) / (1 + patterns)


def _chunks(rounds: int, width: int) -> Iterator[slice]:
    step = max(1, _CELLS_PER_CHUNK // max(width, 1))
    return segments.slices(rounds, step)


def _paired(a: FloatArray, b: FloatArray) -> FloatArray:
    """Give a − b of the judged queries, float64[S, Q]."""
    if a.shape != b.shape or a.ndim not in (1, 2) or not len(a):
        raise DataError(
            f"a and b: got shapes {a.shape} and {b.shape}; expected the same queries in both, shape "
            "(queries,) or (seeds, queries)"
        )
    rows = _judged(np.vstack([a, b]))
    return rows[: len(rows) // 2] - rows[len(rows) // 2 :]


def _judged(values: FloatArray) -> FloatArray:
    """Leave out the queries that are NaN in every row; float64[rows, judged queries]."""
    rows = np.atleast_2d(values).astype(np.float64)
    missing = np.isnan(rows)
    wrong = np.argwhere(np.isinf(rows) | (missing & ~missing.all(axis=0)))
    if wrong.size:
        row, query = wrong[0]
        raise DataError(
            f"query {query} is {rows[row, query]} in row {row} of {len(rows)}; expected finite values, or "
            "NaN in every seed and system: evaluate all of them with the same qrels"
        )
    rows = rows[:, ~missing.any(axis=0)]
    if rows.shape[1] < 2:
        raise DataError(f"got {rows.shape[1]} judged queries of {missing.shape[1]}; expected at least 2")
    return rows


def _check_shape(name: str, values: FloatArray, ndim: int) -> None:
    if values.ndim != ndim:
        expected = "(queries,)" if ndim == 1 else "(seeds, queries)"
        raise DataError(f"{name}: got shape {values.shape}; expected {expected}")


def _checked(rounds: int) -> int:
    if rounds < 1:
        raise InputError(f"rounds={rounds}: expected at least 1, such as 10000")
    return rounds
