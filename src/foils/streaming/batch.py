"""What a stream gives: negatives with their law, and for triples what each corruption looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils.positives import Int64


@dataclass(frozen=True, eq=False)
class CorruptedTriples:
    """Triples with one side replaced.

    Attributes:
        sides: int8[E, M], what was replaced: ``HEAD`` = 0 or ``TAIL`` = 1; −1 where there is no negative.
        heads: int64[E, M], entity rows; −1 where the head was to be replaced and there is no negative.
        relations: int64[E, M], relation rows.
        tails: int64[E, M], entity rows; −1 where the tail was to be replaced and there is no negative.
    """

    sides: npt.NDArray[np.int8]
    heads: Int64
    relations: Int64
    tails: Int64


@dataclass(frozen=True, eq=False)
class NegativeBatch:
    """Negatives of a batch of examples, drawn independently of one another.

    Attributes:
        items: int64[E, M], item rows (of triples: the new entity); −1 where nothing may be drawn.
        log_q: float32[E, M], log of the expected number of times that this negative occurs in its row of M; NaN at −1.
        triples: the corrupted triples, where the examples are triples; else None.
    """

    items: Int64
    log_q: npt.NDArray[np.float32]
    triples: CorruptedTriples | None = None
