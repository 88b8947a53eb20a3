"""What a calibrator says of the candidates of a result: how low it goes, and how many lie below all that was labelled.

Below its first point a rising curve goes on level. Where nobody labelled anything there, that is too much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from foils.calibrating.pairs import unjudged
from foils.calibrators import Calibrator, Cascade, Isotonic
from foils.mining.stored import Result

UNLABELLED = 0.1
"""Above this share of candidates below every labelled score, a note says so."""


@dataclass(frozen=True)
class Reached:
    """How low a calibrator goes.

    Attributes:
        least: the lowest p_positive of the candidates; NaN = it says nothing of any.
        below: of each curve, by its column, the share of scored candidates below its first point.
    """

    least: float
    below: Mapping[str, float]

    def notes(self) -> Iterator[str]:
        """Say where a curve goes on level because nobody labelled anything there."""
        for column, share in self.below.items():
            if share > UNLABELLED:
                yield (
                    f"{share:.0%} of the candidates score lower by {column} than any labelled pair, and get as much as "
                    "the lowest of these, which is too much: label negatives of all scores, drawn by sampler: "
                    "{uniform: {}}"
                )


def reached(result: Result, calibrator: Calibrator) -> Reached:
    """Look at every candidate of a result that is no trusted negative, a shard at a time.

    Raises:
        InputError: candidates were not stored.
    """
    curves = list(_curves(calibrator))
    least, below, there = np.inf, np.zeros(len(curves)), np.zeros(len(curves))
    for shard in result.blocks():
        said = np.asarray(calibrator(shard))[unjudged(shard)]
        least = min(least, float(np.min(said, initial=np.inf, where=~np.isnan(said))))
        for place, curve in enumerate(curves):
            scores = np.asarray(curve.inputs()[0].values(shard))
            below[place] += np.count_nonzero(scores < curve.scores[0])
            there[place] += np.count_nonzero(~np.isnan(scores))
    shares = (below / np.maximum(there, 1)).tolist()
    columns = [curve.column for curve in curves]
    return Reached(least if least < np.inf else float("nan"), dict(zip(columns, shares, strict=True)))


def _curves(calibrator: Calibrator) -> Iterator[Isotonic]:
    if isinstance(calibrator, Isotonic):
        yield calibrator
    elif isinstance(calibrator, Cascade):
        yield from (one.fields for one in calibrator.of if isinstance(one.fields, Isotonic))
