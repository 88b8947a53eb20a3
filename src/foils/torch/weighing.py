"""Weights of suspected false negatives in a step: what is added to the logit of every cell.

A weight is of an anchor and an item, so it holds in every column in which the anchor sees the item, whoever's positive
or negative it is there. Pairs without a weight count fully.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from foils import _array
from foils import _segments as segments
from foils._array import Array
from foils.errors import DataError
from foils.positives import Int64
from foils.torch.masks import Rows

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class LogWeights:
    """Log-weights of the cells of a step; called with some of its anchors, it gives float[c, N + M].

    Attributes:
        given: float[B, G], of the given negatives, the last columns.
        rows: int64[P], ascending; with ``columns`` the shared cells that hold an item with a weight.
        columns: int64[P].
        values: float[P], their log-weights.
        width: N + M.
    """

    given: Tensor
    rows: Int64
    columns: Int64
    values: Tensor
    width: int

    def __call__(self, part: slice) -> Tensor:
        """Give the tile of some anchors."""
        given = self.given[part]
        tile = given.new_zeros(len(given), self.width)
        tile[:, self.width - given.shape[1] :] = given
        low, high = np.searchsorted(self.rows, [part.start, part.start + len(given)])
        rows, columns = (torch.as_tensor(at[low:high]) for at in (self.rows - part.start, self.columns))
        tile[rows.to(tile.device), columns.to(tile.device)] = self.values[low:high]
        return tile


def log_weights_of(rows: Rows, log_weights: Array | None, like: Tensor) -> LogWeights | None:
    """Spread the weights of the given negatives over the cells of a step; None = none are given.

    Args:
        rows: the step.
        log_weights: float[B, M] of own negatives, or [B, N] of shared ones.
        like: gives the device and the precision.

    Raises:
        DataError: the shape is another, or a weight is NaN or +infinity.
    """
    if log_weights is None:
        return None
    items = rows.own
    if not items.size:
        items = np.broadcast_to(rows.shared, (len(rows.items), len(rows.shared)))
    values = np.asarray(_array.to_numpy(log_weights), np.float64)
    if values.shape != items.shape:
        raise DataError(
            f"log_weights are {list(values.shape)}; expected one per anchor and given negative, {list(items.shape)}"
        )
    wrong = np.argwhere((np.isnan(values) | np.isposinf(values)) & (items != -1))
    if len(wrong):
        place = ", ".join(map(str, wrong[0].tolist()))
        raise DataError(
            f"log_weights[{place}] is {values[tuple(wrong[0])]}; expected a logarithm: 0 = full, −inf = masked"
        )
    values = np.where(items == -1, 0.0, values)
    at, columns, places = _in_columns(rows.columns, items, values)
    dtype = torch.promote_types(like.dtype, torch.float32)
    given, moved = (torch.as_tensor(part).to(like.device, dtype) for part in (values, values.ravel()[places]))
    return LogWeights(given, at, columns, moved, len(rows.columns) + rows.own.shape[1])


def _in_columns(shared: Int64, items: Int64, values: Floats) -> tuple[Int64, Int64, Int64]:
    """Find every shared column of an item with a weight: rows, ascending, columns, and places among the values."""
    places = np.flatnonzero((items >= 0) & (values != 0))
    order = np.argsort(shared, kind="stable")
    wanted = items.ravel()[places]
    low, high = (np.searchsorted(shared[order], wanted, side) for side in ("left", "right"))
    hits = segments.owners(high - low)
    columns = order[low[hits] + segments.places(high - low)]
    return places[hits] // max(items.shape[1], 1), columns, places[hits]
