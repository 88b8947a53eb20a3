"""Approximate scores by a product of 8-bit integers, twice as fast as one of bfloat16 on many processors.

    q·c ≈ q'·c' = u_q u · q̂·ĉ,    q̂ = round(q / u_q),    ĉ = round(c / u),    |q̂|, |ĉ| ≤ 127

``u_q`` is the unit of an anchor and ``u`` that of all items. Integers are added up without an error, so what is off is
what rounding moved: ``|q·c − q'·c'| ≤ |q − q'||c| + |q'||c − c'|`` with the distances that the data have.

That is some hundredths, and what is that near to the k-th best can be several times k. So a second integer keeps what
the first left of a component, ``c ≈ u (ĉ + ĉ₂/254)``, and what is on a shortlist is scored anew with both, and with
anchors in up to 16 bits: now the error is some ten-thousandths, and few more than k are left for the canonical scores.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from foils._compiled import kernels
from foils._lengths import lengths_of
from foils._threads import one_torch_thread
from foils.positives import Int64
from foils.search.products import INT8, Product, int8_product, single_of_torch
from foils.search.rounding import SAFETY, UNIT, single_slack
from foils.search.vectors import Float32, Vectors

Bytes = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

BARRED = np.int32(-(2**31))
"""Below every sum of products; stands for −∞."""
MOST = 127
"""The largest integer used: −128 would have no counterpart."""
STEPS = 254
"""How many steps of the second integer make one of the first: it reaches half a step either way."""
MOST_MOVED = 0.03
"""Share of the longest length by which an item may move. Sentence embeddings of 384 dimensions move by 0.01."""
LENGTHS = (1e-6, 1e6)
"""Of the longest item: others are far from what embeddings have."""
MOST_DIMENSIONS = 2**14
"""Beyond, anchors would have too few bits in the second product, whose sums stay within 32 bits."""
LEAST_UNIT = 2.0**-60
"""Units of vectors that are zero, or nearly: none is divided by zero."""


@dataclass(frozen=True, eq=False)
class Fine:
    """Anchors in integers of 16 bits.

    Attributes:
        integers: int16[A, d].
        units: float32[A], what 1 is worth.
        slack: float64[A], bounds on the error of finer scores.
    """

    integers: npt.NDArray[np.int16]
    units: Float32
    slack: Float64


@dataclass(frozen=True, eq=False)
class Int8:
    """Screen by a product of 8-bit integers of PyTorch, exact in 32 bits.

    Attributes:
        items: the items' vectors, of which copies of 2 bytes a component are kept.
    """

    items: Vectors

    @property
    def name(self) -> str:
        """The product's name."""
        return INT8

    @property
    def barred(self) -> np.int32:
        """What stands for −∞."""
        return BARRED

    @property
    def is_narrow(self) -> bool:
        """Whether items move so little that few more than the best are within reach of the error."""
        least, most = LENGTHS
        if self.items.dim > MOST_DIMENSIONS or not least <= self.items.longest <= most:
            return False
        return self._held.moved <= MOST_MOVED * self.items.longest

    @property
    def moved(self) -> float:
        """The longest distance that an item moves."""
        return self._held.moved

    @property
    def single(self) -> Product:
        """PyTorch's, if it can."""
        return single_of_torch()

    def one_thread(self) -> AbstractContextManager[None]:
        """One thread of PyTorch."""
        return one_torch_thread()

    def units(self, anchors: Float32) -> Float32:
        """Say what 1 is worth in the scores of each anchor: float32[A]."""
        units: Float32 = (_units_of(anchors, MOST) * self._held.unit).astype(np.float32)
        return units

    def slack(self, anchors: Float32) -> Float64:
        """Bound the error of ``score``."""
        return self._slack(anchors, *_rounded(anchors, MOST), self._held.moved)

    def finely(self, anchors: Float32) -> Fine:
        """Round anchors for ``refine``, to 16 bits or as many as leave every sum within 32."""
        integers, units = _rounded(anchors, min(2**15 - 1, (2**31 - 1) // (MOST * self.items.dim)))
        held = integers.astype(np.int16)
        return Fine(held, units, self._slack(anchors, integers, units, self._held.moved_less))

    def ready(self, anchors: Float32) -> Any:
        """Round them."""
        import torch

        return torch.from_numpy(_rounded(anchors, MOST)[0].astype(np.int8))

    def score(self, anchors: Any, items: slice, out: Int32) -> None:
        """Multiply."""
        import torch

        int8_product(anchors, torch.from_numpy(self._held.first[items]), out)

    def refine(self, anchors: Fine, rows: Int64, items: Int64) -> Float32:
        """Score pairs more finely: float32[P].

        Args:
            anchors: of A anchors.
            rows: int64[P], of anchors.
            items: int64[P].
        """
        held, sums = self._held, np.empty(len(rows))
        kernels("foils.search.integers").sums(anchors.integers, rows, held.first, held.second, items, STEPS, sums)
        sums *= anchors.units.astype(np.float64)[rows] * (held.unit / STEPS)
        return sums.astype(np.float32)

    def _slack(self, anchors: Float32, rounded: Float32, units: Float32, moved_items: float) -> Float64:
        """Bound the error by the distances that vectors move; and by float32's own, where numbers are scaled.

        Args:
            anchors: float32[A, d].
            rounded: float32[A, d], the same in whole ``units``; written over.
            units: float32[A].
            moved_items: the longest distance that an item moves.
        """
        longest = self.items.longest
        rounded *= units[:, None]
        lengths = lengths_of(rounded)
        moved = lengths_of(np.subtract(anchors, rounded, out=rounded))
        scaled = 8 * UNIT * (lengths + moved) * longest
        vectors: Float64 = SAFETY * (moved * longest + lengths * moved_items + scaled)
        return vectors + single_slack(anchors, self.items)

    @cached_property
    def _held(self) -> _Held:
        """Round all items once."""
        return _round(self.items)


@dataclass(frozen=True, eq=False)
class _Held:
    """The items as integers.

    Attributes:
        first: int8[N, d].
        second: int8[N, d], what rounding left, in smaller units.
        unit: what 1 is worth in the first.
        moved: the longest distance that an item moves by rounding once.
        moved_less: the same of both together.
    """

    first: Bytes
    second: Bytes
    unit: float
    moved: float
    moved_less: float


def _round(items: Vectors) -> _Held:
    largest = max((_largest(items.roughly(block)) for block in items.slices()), default=0.0)
    unit = np.float32(max(largest / MOST, LEAST_UNIT))
    first, second = np.empty(items.matrix.shape, np.int8), np.empty(items.matrix.shape, np.int8)
    split, finer = kernels("foils.search.integers").split, unit / np.float32(STEPS)
    moved = [split(items.roughly(block), unit, finer, MOST, first[block], second[block]) for block in items.slices()]
    once, both = np.array(moved, np.float64).reshape(-1, 2).max(axis=0, initial=0.0).tolist()
    return _Held(first, second, float(unit), once, both)


def _largest(rows: Float32) -> float:
    return float(max(rows.max(initial=0), -rows.min(initial=0)))


def _rounded(vectors: Float32, most: int) -> tuple[Float32, Float32]:
    """Round each row to integers up to ``most``: whole float32[A, d], and float32[A], what 1 is worth."""
    units = _units_of(vectors, most)
    return np.rint(vectors / units[:, None]).clip(-most, most), units


def _units_of(vectors: Float32, most: int) -> Float32:
    """Give each row the unit in which its largest component is the largest integer: float32[A]."""
    units: Float32 = np.maximum(np.abs(vectors).max(axis=1, initial=0) / np.float32(most), np.float32(LEAST_UNIT))
    return units
