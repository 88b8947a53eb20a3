"""Weights: how much does a suspected false negative count?

A rule keeps a candidate or rejects it; a weight w between 0 and 1 lets it count in part. Losses of softmax form add
its logarithm to the logit, so that

    Σ_j w_j·exp(s_j / t) = Σ_j exp(s_j / t + log w_j)

0 is full weight, −∞ takes the candidate out. Weights are constants of a step: no gradient flows through them.

    soft               w = 1 − p                            p = P(positive | not labelled), ``p_positive``
    noise_transition   w = (1 − q) / ((1 − q) + ρ·q)        q = P(positive), ρ = P(not labelled | positive)
    cet                w = (1 − r) / ((1 − r) + (1 − ŝ)·r)  r and ŝ fitted: relevance, and chance of being labelled

All three are P(not positive | not labelled): by Bayes' rule the second is the first of a probability that does not know
of the labelling, and the third is the second with a ρ of its own for every pair. The first two need a calibrated
``p_positive`` and refuse anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from foils._array import Array
from foils.candidates import Candidates
from foils.weights.cet import CET, FittedCET
from foils.weights.ipw import effective_sample_size, listwise_ipw, pointwise_ipw
from foils.weights.noise_transition import NoiseTransition
from foils.weights.soft import Soft


class FittedWeight(Protocol):
    """Numbers at hand: what gives weights."""

    def __call__(self, candidates: Candidates) -> Array:
        """Give float32[A, K] log-weights: 0 = full, −∞ = out, and where absent.

        Raises:
            InputError: ``p_positive`` is needed and not calibrated.
        """


@runtime_checkable
class Fitting(Protocol):
    """A weight whose numbers are fitted first, once per result."""

    def fit(self, blocks: Sequence[Candidates]) -> FittedWeight:
        """Fit to candidates and positives of a result.

        Raises:
            InputError: the columns that it needs are not there.
        """


Weight = Soft | NoiseTransition | CET
"""The fields of a weight."""

REGISTRY: Mapping[str, type[Weight]] = {
    "soft": Soft,
    "noise_transition": NoiseTransition,
    "cet": CET,
}

__all__ = [
    "CET",
    "REGISTRY",
    "FittedCET",
    "FittedWeight",
    "Fitting",
    "NoiseTransition",
    "Soft",
    "Weight",
    "effective_sample_size",
    "listwise_ipw",
    "pointwise_ipw",
]
