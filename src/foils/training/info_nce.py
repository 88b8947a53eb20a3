"""InfoNCE with its gradient, in NumPy (van den Oord et al., 2018).

    loss = 1/B sum_b [ log sum_{n not masked} exp(a_b·v_n / t + log w_bn) − a_b·v_p(b) / t ]

Cells that must not count as negatives are −infinity in the softmax, so their gradient is exactly 0. A row
without any negative has the loss 0 and moves nothing. A weight w is a constant: 1 unless said otherwise, and
its logarithm −infinity is the same as the mask.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from foils.positives import Int64

Floats = npt.NDArray[np.floating]


class Cells(NamedTuple):
    """Coordinates of cells in a matrix of anchors and items; a cell may occur more than once."""

    rows: Int64
    columns: Int64


class Offsets(NamedTuple):
    """Weights of some cells, in which a cell occurs once.

    Attributes:
        cells: whose.
        log_weights: float32[P]; 0 = full, −infinity = masked.
    """

    cells: Cells
    log_weights: npt.NDArray[np.float32]


Mask: TypeAlias = Cells | npt.NDArray[np.bool_]  # what is masked: few cells, or True in a matrix of all


class LossAndGradients(NamedTuple):
    """The mean loss and its derivatives by the vectors, in their shape and dtype."""

    loss: float
    anchors: Floats
    items: Floats


def info_nce(
    anchor_vectors: Floats,
    item_vectors: Floats,
    targets: Int64,
    masked: Mask,
    temperature: float,
    offsets: Offsets | None = None,
) -> LossAndGradients:
    """Compute the mean InfoNCE loss of a batch and its gradients.

    Args:
        anchor_vectors: float[B, d]; products are taken in its dtype.
        item_vectors: float[N, d], every item once.
        targets: int64[B], the column of each anchor's positive.
        masked: what is no negative: other positives of the anchor, items that it does not see.
        temperature: what products are divided by; above 0.
        offsets: what is added to the logits of negatives.

    Raises:
        ValueError: a positive's own cell is masked.
    """
    every = np.arange(len(targets))
    logits = anchor_vectors @ item_vectors.T
    logits /= temperature
    if offsets is not None:
        logits[offsets.cells] += offsets.log_weights.astype(logits.dtype)
    logits[masked] = -np.inf
    highest = logits.max(axis=1, keepdims=True)
    positive = logits[every, targets]
    if np.isneginf(positive).any():
        raise ValueError("the cell of an anchor's own positive is masked")
    shares = np.exp(logits - highest, out=logits)  # at most 1, and 1 at the highest: the sum cannot overflow
    totals = shares.sum(axis=1, keepdims=True, dtype=np.float64)
    losses = np.log(totals[:, 0]) + (highest[:, 0] - positive)
    shares /= totals.astype(shares.dtype)
    shares[every, targets] -= 1
    shares /= temperature * len(targets)
    return LossAndGradients(float(losses.mean()), shares @ item_vectors, shares.T @ anchor_vectors)
