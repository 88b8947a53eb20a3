"""Pairs as a file names them: the row they stand in, a name, a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.positives import Int64


@dataclass(frozen=True, eq=False)
class Pairs:
    """Names of items, each in a row of the file.

    Attributes:
        rows: int64[P].
        names: large_string[P], ids or texts.
        scores: float32[P], NaN where there is none.
    """

    rows: Int64
    names: pa.Array
    scores: npt.NDArray[np.float32]

    @classmethod
    def none(cls) -> Pairs:
        """Give no pairs."""
        return cls(np.zeros(0, np.int64), pa.array([], pa.large_string()), np.zeros(0, np.float32))

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """Join pairs, in the order of their rows; of one row, in the order of the parts."""
        if not parts:
            return cls.none()
        rows = np.concatenate([part.rows for part in parts])
        names = pa.concat_arrays([part.names for part in parts])
        scores = np.concatenate([part.scores for part in parts])
        if (rows[1:] >= rows[:-1]).all():
            return cls(rows, names, scores)
        order = np.argsort(rows, kind="stable")
        return cls(rows[order], names.take(pa.array(order)), scores[order])

    def where(self, keep: npt.NDArray[np.bool_]) -> Pairs:
        """Keep some of them."""
        return Pairs(self.rows[keep], self.names.filter(pa.array(keep)), self.scores[keep])
