"""Weights by a noise transition (RENT, Bae et al., 2024), for two classes of which only positives get lost.

With T[ỹ = 0, y = 1] = ρ and T[ỹ = 1, y = 0] = 0, the paper's w = P(ỹ | x) / Σ_k T[ỹ, k]·P(k | x) of a negative is

    w = (1 − q) / ((1 − q) + ρ·q)

ρ → 0, nothing is missed: w = 1; ρ = 1, no positive is labelled: w = 1 − q. The paper draws a batch by w, whose expected
loss is that of weights Σ w·L / Σ w, as used here.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from foils import _array
from foils._array import Array
from foils.candidates import Candidates
from foils.weights.calibrated import calibrated, log1p_or_out, log_weights

MissRate = Annotated[float, msgspec.Meta(ge=0, le=1)]


class NoiseTransition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The probability of being no positive, given that nobody labelled it.

    Right where ``p_positive`` is the probability of a pair whose labelling is not looked at, as a reranker's that was
    calibrated on labelled and unlabelled pairs alike.
    """

    label_miss_rate: MissRate = 0.5
    """ρ, the share of the true positives that the data do not list. Not the rate of false negatives among the mined."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give float32[A, K], log w; −∞ where absent."""
        positive = calibrated(candidates, "noise_transition")
        return log_weights(candidates, log_posterior(positive, self.label_miss_rate))


def log_posterior(positive: Array, missed: Array | float) -> Array:
    """Give log((1 − q) / ((1 − q) + ρ·q)), float64; −∞ at q = 1 and ρ > 0, and 0 at ρ = 0.

    Args:
        positive: float64, q.
        missed: ρ, a number or float64 of the same shape.
    """
    xp = _array.namespace(positive)
    nothing_is_missed = xp.zeros_like(positive) + missed == 0
    # 1 − q + ρq = 1 − (1 − ρ)q, which is 0 only where q = 1 and ρ = 0.
    kept = xp.log1p(-(1 - missed) * xp.where(nothing_is_missed, xp.zeros_like(positive), positive))
    return xp.where(nothing_is_missed, xp.zeros_like(positive), log1p_or_out(-positive) - kept)
