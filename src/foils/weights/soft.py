"""Soft weights: a candidate counts by the probability that it is no positive."""

from __future__ import annotations

import msgspec

from foils._array import Array
from foils.candidates import Candidates
from foils.weights.calibrated import calibrated, log1p_or_out, log_weights


class Soft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One minus the probability of being an unlabelled positive.

    Right where ``p_positive`` was calibrated on candidates that nobody had labelled, as by labels of mined pairs.
    """

    def __call__(self, candidates: Candidates) -> Array:
        """Give float32[A, K], log(1 − p); −∞ where absent."""
        return log_weights(candidates, log1p_or_out(-calibrated(candidates, "soft")))
