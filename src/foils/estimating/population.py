"""The pairs whose rate is asked, and what is known of them before any label.

Strength: the rank of a pair's score among all, as a normal score Φ⁻¹(rank / N). Only the order of scores counts.

Evidence: how well the scorer tells known positives from the population, as an AUC; it needs no label. A scorer that
is random there has AUC ½, and then every pair is as likely to be drawn as any other.

Cells: a score group and a band. Score groups are cut so that each is drawn about equally often; where the cuts lie is
random and belongs to the draw. So a good scorer's border between negatives and positives lies on a cut by chance only:
there the labels of most draws show no variance at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from foils.errors import InputError
from foils.estimating.allocation import relative_weights
from foils.estimating.guide import folds_of

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

SCORE_GROUPS = 5
FEWEST_KNOWN = 5
"""With fewer known positives the scorer's worth is not known, and all pairs are drawn alike."""


@dataclass(frozen=True, eq=False)
class Population:
    """The N pairs whose rate of positives is asked.

    Attributes:
        anchors: int64[N], the anchor of each pair, as any whole number: pairs of one anchor are alike.
        bands: int64[N], of ranks or other groups known beforehand, 0 … B − 1.
        scores: float64[N], of a guiding scorer, higher = more likely a positive; NaN = not scored. None = no scorer.
        known: float64[P], the same scorer's scores of known positives. None = its worth is unknown.

    Raises:
        InputError: the arrays do not fit together, or there is no pair.
    """

    anchors: Int64
    bands: Int64
    scores: Float64 | None = None
    known: Float64 | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchors", _whole("anchors", self.anchors))
        object.__setattr__(self, "bands", _whole("bands", self.bands))
        object.__setattr__(self, "scores", _numbers("scores", self.scores))
        object.__setattr__(self, "known", _numbers("known", self.known))
        if not self.size:
            raise InputError("the population has no pair; expected at least one")
        for name in ("bands", "scores"):
            held = getattr(self, name)
            if held is not None and len(held) != self.size:
                raise InputError(f"{name} has {len(held):,} entries for {self.size:,} pairs; expected one of each pair")
        if self.bands.min() < 0:
            raise InputError(f"a band is {self.bands.min()}; expected 0 or more")

    @property
    def size(self) -> int:
        """N, the number of pairs."""
        return len(self.anchors)

    @cached_property
    def clusters(self) -> Int64:
        """int64[N], the anchors numbered 0 … A − 1."""
        clusters: Int64 = np.unique(self.anchors, return_inverse=True)[1]
        return clusters

    @cached_property
    def numbered_bands(self) -> Int64:
        """int64[N], the bands numbered without gaps."""
        numbered: Int64 = np.unique(self.bands, return_inverse=True)[1]
        return numbered

    @cached_property
    def folds(self) -> Int64:
        """int64[N], the fold of each pair's anchor."""
        return folds_of(self.anchors)

    @cached_property
    def strengths(self) -> Float64:
        """float64[N], normal scores of the ranks; equal scores are equal; NaN = not scored."""
        strengths = np.full(self.size, np.nan)
        if self.scores is not None:
            scored = ~np.isnan(self.scores)
            if scored.any():
                strengths[scored] = ndtri((_mean_ranks(self.scores[scored]) - 0.5) / scored.sum())
        return strengths

    @cached_property
    def evidence(self) -> float:
        """The AUC of known positives against the population, less one standard error and at least ½."""
        if self.scores is None or self.known is None:
            return 0.5
        known, scored = self.known[~np.isnan(self.known)], np.sort(self.scores[~np.isnan(self.scores)])
        if len(known) < FEWEST_KNOWN or not len(scored):
            return 0.5
        below = (np.searchsorted(scored, known) + np.searchsorted(scored, known, side="right")) / 2 / len(scored)
        return float(max(below.mean() - below.std(ddof=1) / np.sqrt(len(known)), 0.5))

    @cached_property
    def weights(self) -> Float64:
        """float64[N], how likely a pair is to be drawn beside others; their mean is 1."""
        return relative_weights(self.strengths, self.evidence)

    @cached_property
    def below(self) -> Float64:
        """float64[N] in 0 … 1, the share of the scored pairs' weight that lies below a pair; NaN = not scored."""
        below = np.full(self.size, np.nan)
        scored = np.flatnonzero(~np.isnan(self.strengths))
        order = scored[np.argsort(self.strengths[scored], kind="stable")]
        shares = np.cumsum(self.weights[order])
        if len(order):
            below[order] = (shares - self.weights[order] / 2) / shares[-1]
        return below

    def cells(self, start: float) -> Int64:
        """Number score groups and bands, int64[N]; a score group's cells follow each other.

        Args:
            start: Where the score groups are cut, as a part of a group, 0 … 1.
        """
        codes = self.groups(start) * (self.numbered_bands.max() + 1) + self.numbered_bands
        cells: Int64 = (np.cumsum(np.bincount(codes) > 0) - 1)[codes]
        return cells

    def groups(self, start: float) -> Int64:
        """Give the score group of each pair, int64[N], rising with the score; the last is of pairs without a score."""
        return np.nan_to_num(np.floor(self.below * SCORE_GROUPS + start), nan=SCORE_GROUPS + 1).astype(np.int64)


def _whole(name: str, numbers: Any) -> Int64:
    given = np.asarray(numbers)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise InputError(
            f"{name} has shape {given.shape} and type {given.dtype}; expected whole numbers, one of each pair"
        )
    return given.astype(np.int64, copy=False)


def _numbers(name: str, numbers: Any) -> Float64 | None:
    if numbers is None:
        return None
    given = np.asarray(numbers)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iuf"):
        raise InputError(f"{name} has shape {given.shape} and type {given.dtype}; expected numbers in one row")
    given = given.astype(np.float64, copy=False)
    if np.isinf(given).any():
        raise InputError(f"{name} holds an infinite number; expected finite numbers, or NaN for a pair without a score")
    return given


def _mean_ranks(values: Float64) -> Float64:
    """Rank values from 1; equal ones share their mean rank. SciPy's own would load all of its statistics."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Float64 = (last - (counts - 1) / 2)[places]
    return ranks
