"""Approximate scores of all items, by blocks, with a bound on their error.

A float32 product (``Single``) has an error of at most ``γ_d |q||c|`` with ``γ_d ≈ d·2⁻²⁴``, whatever the order of
summation (Higham 2002, §3.1). Rougher products are faster where the processor has them: ``screen_bfloat16`` and
``screen_int8`` round the vectors first, and bound the error by how far the data move.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foils._threads import one_thread, one_torch_thread
from foils.search.products import Product
from foils.search.rounding import single_slack
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]

BARRED = np.float32(-np.inf)


class Screen(Protocol):
    """Approximate scores of anchors and all items."""

    @property
    def name(self) -> str:
        """How facts call it."""

    @property
    def barred(self) -> np.float32 | np.uint16 | np.int32:
        """−∞ as its scores have it: float32, the bits of bfloat16, or the least int32."""

    @property
    def single(self) -> Product:
        """What multiplies float32 while ``one_thread`` holds."""

    def one_thread(self) -> AbstractContextManager[None]:
        """Keep its products to the thread that calls it."""

    def slack(self, anchors: Float32) -> Float64:
        """Bound the difference between its scores and the canonical ones: float64[A]."""

    def units(self, anchors: Float32) -> Float32:
        """Say what 1 is worth in the scores of each anchor: float32[A]; 1 but for integers."""

    def ready(self, anchors: Float32) -> Any:
        """Turn anchors into what ``score`` takes."""

    def score(self, anchors: Any, items: slice, out: Any) -> None:
        """Write the scores of anchors and a slice of the items, [A, I] of the type of ``barred``."""


@dataclass(frozen=True, eq=False)
class Single:
    """Screen by a float32 product."""

    items: Vectors
    product: Product

    @property
    def name(self) -> str:
        """The product's name."""
        return f"{self.product.name} float32"

    @property
    def barred(self) -> np.float32:
        """−∞."""
        return BARRED

    @property
    def single(self) -> Product:
        """Its product."""
        return self.product

    def one_thread(self) -> AbstractContextManager[None]:
        """One thread of the library that multiplies."""
        return one_thread() if self.product.name == "numpy" else one_torch_thread()

    def slack(self, anchors: Float32) -> Float64:
        """``(γ_d + rounding of the vectors) |q| |c|``; four units more for the rounding of the canonical score."""
        return single_slack(anchors, self.items)

    def units(self, anchors: Float32) -> Float32:
        """Its scores are what they are."""
        return np.ones(len(anchors), np.float32)

    def ready(self, anchors: Float32) -> Float32:
        """Take them as they are."""
        return anchors

    def score(self, anchors: Float32, items: slice, out: Float32) -> None:
        """Multiply."""
        self.product.into(anchors, self.items.roughly(items), out)
