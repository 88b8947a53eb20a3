"""The nearest centroid of every row: a blocked product, and the place of its largest cell.

In bfloat16 (16 bits, 8 of them precision) a product takes half to a quarter of the time where the processor multiplies
it. Two centroids that differ by less than 2⁻⁸ may be taken for each other; over the items of a cluster such differences
average out, and centroids are always summed in float32 and float64.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

import numpy as np
import numpy.typing as npt

from foils._extras import require
from foils._processor import multiplies_bfloat16
from foils._threads import one_torch_thread
from foils.search.products import NUMPY, shared_tensor
from foils.search.vectors import Float32

Arithmetic = Literal["float32", "bfloat16"]
Int32 = npt.NDArray[np.int32]
Int16 = npt.NDArray[np.int16]

COLUMNS = 2048
"""Centroids of a block."""
WORTH_TORCH = 1e11
"""Multiplications that take a second or so in float32."""


Nearest = Callable[[Float32], tuple[Int32, Float32]]
"""float32[R, d] rows → int32[R], the nearest centroid of each, the first among equals; float32[R], the product."""


def nearest_of(centroids: Float32, arithmetic: Arithmetic) -> Nearest:
    """Make ready to find the nearest of these centroids, float32[K, d]."""
    starts = range(0, len(centroids), COLUMNS)
    body = {"float32": _float32, "bfloat16": _bfloat16}[arithmetic]
    parts = [(start, body(centroids[start : start + COLUMNS])) for start in starts]

    def nearest(rows: Float32) -> tuple[Int32, Float32]:
        labels, scores = np.zeros(len(rows), np.int32), np.full(len(rows), -np.inf, np.float32)
        for start, part in parts:
            found, products = part(rows)
            better = products > scores
            labels[better], scores[better] = found[better] + start, products[better]
        return labels, scores

    return nearest


def best_arithmetic(multiplications: float) -> Arithmetic:
    """Say what is fastest here for so many multiplications in all.

    bfloat16 where PyTorch is installed, the processor multiplies it, and there is so much to do that importing PyTorch
    pays; else float32.
    """
    large = multiplications >= WORTH_TORCH
    return "bfloat16" if large and find_spec("torch") is not None and multiplies_bfloat16() else "float32"


def _float32(centroids: Float32) -> Nearest:
    def nearest(rows: Float32) -> tuple[Int32, Float32]:
        products = np.empty((len(rows), len(centroids)), np.float32)
        NUMPY.into(rows, centroids, products)
        labels = np.argmax(products, axis=1)
        return labels.astype(np.int32), products[np.arange(len(rows)), labels]

    return nearest


def _bfloat16(centroids: Float32) -> Nearest:
    require("torch", ["torch"])
    import torch

    right = torch.from_numpy(centroids).bfloat16().T

    def nearest(rows: Float32) -> tuple[Int32, Float32]:
        with one_torch_thread():
            products = torch.mm(shared_tensor(rows).bfloat16(), right)
        return largest(products.view(torch.int16).numpy())

    return nearest


def largest(bits: Int16) -> tuple[Int32, Float32]:
    """Find the largest cell of every row of bfloat16[R, K], given as int16 of the same bits.

    Positive numbers are ordered as their bits are; negative ones, all of them below as int16, the other way round.
    """
    labels = np.argmax(bits, axis=1)
    best = np.take_along_axis(bits, labels[:, None], axis=1)[:, 0]
    below = np.flatnonzero(best < 0)  # no cell of the row is positive
    labels[below] = np.argmin(bits[below], axis=1)
    best[below] = bits[below, labels[below]]
    return labels.astype(np.int32), (best.astype(np.int32) << 16).view(np.float32)
