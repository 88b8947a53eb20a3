"""Count how often each triple was asked for."""

from __future__ import annotations

import numpy as np

from foils.errors import DataError
from foils.positives import Int64


class Visits:
    """How often each triple was asked for, which is the epoch of its next negatives.

    Args:
        triples: int64[T, 3], the triples of training (h, r, t).
        first_epoch: the epoch of their first visit.
    """

    def __init__(self, triples: Int64, first_epoch: int = 0) -> None:
        self._sizes = triples.max(axis=0, initial=0) + 1
        self._known = np.unique(self._address(triples))
        self._epochs = np.full(len(self._known), first_epoch, np.int64)

    def count(self, triples: Int64) -> Int64:
        """Give int64[E], the epoch of each of these triples, and count the visit.

        Raises:
            DataError: one is not a triple of training.
        """
        addresses = self._address(triples)
        places = np.minimum(np.searchsorted(self._known, addresses), len(self._known) - 1)
        wrong = np.flatnonzero((self._known[places] != addresses) | (triples >= self._sizes).any(axis=1))
        if len(wrong):
            raise DataError(
                f"(h, r, t) = {triples[wrong[0]].tolist()} is none of the {len(self._known):,} triples that this "
                "sampler was made for; make another for another training"
            )
        epochs = self._epochs[places]
        self._epochs[places] += 1
        return epochs

    def _address(self, triples: Int64) -> Int64:
        heads, relations, tails = triples.T
        address: Int64 = (heads * self._sizes[1] + relations) * self._sizes[2] + tails
        return address
