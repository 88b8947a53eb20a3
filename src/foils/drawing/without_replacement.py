"""Draws without replacement: one after another from what is left, known as sampling by Plackett and Luce."""

from __future__ import annotations

import numpy as np

from foils import _array, _compiled
from foils._array import Key
from foils.drawing.exclusions import Exclusions
from foils.drawing.with_replacement import NAME
from foils.positives import Int64


def distinct(exclusions: Exclusions, key: Key, units: Int64, rows: Int64, k: int) -> Int64:
    """Draw k distinct places per row, each by its tickets among what is left.

    A row's draws go on until k of them differ, so ask for rows with far more than k tickets left.

    Args:
        exclusions: the rows, with what they must not get.
        key: key of the noise.
        units: int64[R], their own numbers.
        rows: int64[R], rows with at least k places left.
        k: how many to draw.

    Returns:
        int64[R, k] places of the urns, in the order drawn.
    """
    places = np.empty((len(rows), k), np.int64)
    _compiled.kernels(NAME).distinct(exclusions.tables, _array.key_bits(key), units, rows, places)
    return places
