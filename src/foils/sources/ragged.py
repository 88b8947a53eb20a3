"""Candidates found as pairs of a row and a number, laid out in rows of one width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.positives import Int64


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a rows × depth rectangle that pairs fall into; what lies beyond its width is cut.

    Attributes:
        shape: rows, depth.
        kept: int64[K], which pairs have a cell.
        at: int64[K] rows and int64[K] places of those.
    """

    shape: tuple[int, int]
    kept: Int64
    at: tuple[Int64, Int64]

    @classmethod
    def of(cls, rows: Int64, count: int, depth: int) -> Cells:
        """Give pairs their places, in the order they stand in.

        Args:
            rows: int64[P], ascending.
            count: how many rows there are.
            depth: width of the rectangle.
        """
        places = np.arange(len(rows)) - np.searchsorted(rows, np.arange(count))[rows]
        kept = np.flatnonzero(places < depth)
        return cls((count, depth), kept, (rows[kept], places[kept]))

    def filled(self, values: npt.NDArray[Any], absent: Any) -> npt.NDArray[Any]:
        """Lay out one value per pair."""
        cells = np.full(self.shape, absent, values.dtype)
        cells[self.at] = values[self.kept]
        return cells
