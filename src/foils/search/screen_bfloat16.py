"""Approximate scores by a bfloat16 product: 16 bits a number, 8 of them precision.

Vectors are rounded to bfloat16, q' and c', products accumulated in float32 and rounded to bfloat16:
``|q·c − q'·c'| ≤ |q − q'||c| + |q'||c − c'|`` with the distances that the data have, and half a step of the score.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from foils._lengths import lengths_of
from foils._threads import one_torch_thread
from foils.search.products import BFLOAT16, Product, shared_tensor, single_of_torch
from foils.search.rounding import SAFETY, single_slack
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]
UInt16 = npt.NDArray[np.uint16]

BARRED = np.uint16(0xFF80)
"""−∞."""

HALF_STEP = 2.0**-9
"""Half of the distance between bfloat16 numbers just below 1."""


@dataclass(frozen=True, eq=False)
class BFloat16:
    """Screen by a bfloat16 product of PyTorch.

    Attributes:
        items: the items' vectors.
        kept: keep their bfloat16 form, 2 bytes a component; otherwise they are rounded block by block, every time.
    """

    items: Vectors
    kept: bool

    @property
    def name(self) -> str:
        """The product's name."""
        return BFLOAT16

    @property
    def barred(self) -> np.uint16:
        """−∞ in bfloat16."""
        return BARRED

    @property
    def single(self) -> Product:
        """PyTorch's, if it can."""
        return single_of_torch()

    def one_thread(self) -> AbstractContextManager[None]:
        """One thread of PyTorch."""
        return one_torch_thread()

    def slack(self, anchors: Float32) -> Float64:
        """Bound the error by the distances that the vectors move, float32's own error, and half a step of the score."""
        halves = self.ready(anchors).float().numpy()
        moved, lengths = lengths_of(anchors - halves), lengths_of(halves)
        longest = self.items.longest
        # A score above a power of two by a millionth is rounded to it: no step of the next binade.
        most = np.maximum(lengths * longest, 2.0**-126) * (1 - 1e-6)
        scale = 2.0 ** np.ceil(np.log2(most))
        flushed = self.items.dim * 2.0**-126 * (lengths + longest)
        vectors: Float64 = SAFETY * (moved * longest + lengths * self._moved) + flushed
        return vectors + SAFETY * HALF_STEP * scale + single_slack(anchors, self.items)

    def units(self, anchors: Float32) -> Float32:
        """Its scores are what they are."""
        return np.ones(len(anchors), np.float32)

    def ready(self, anchors: Float32) -> Any:
        """Round them."""
        import torch

        return torch.from_numpy(np.ascontiguousarray(anchors)).bfloat16()

    def score(self, anchors: Any, items: slice, out: UInt16) -> None:
        """Multiply."""
        import torch

        held = self._held
        right = self._rounded(items) if held is None else held[items]
        torch.mm(anchors, right.T, out=torch.from_numpy(out.view(np.int16)).view(torch.bfloat16))

    def _rounded(self, items: slice) -> Any:
        return shared_tensor(self.items.roughly(items)).bfloat16()

    @cached_property
    def _moved(self) -> float:
        """The longest distance that an item moves."""
        return self._look[0]

    @property
    def _held(self) -> Any:
        return self._look[1]

    @cached_property
    def _look(self) -> tuple[float, Any]:
        """Round all items once."""
        import torch

        held = torch.empty(self.items.matrix.shape, dtype=torch.bfloat16) if self.kept else None
        moved = 0.0
        for block in self.items.slices():
            rows = self.items.roughly(block)
            halves = shared_tensor(rows).bfloat16()
            moved = max(moved, float(lengths_of(rows - halves.float().numpy()).max(initial=0.0)))
            if held is not None:
                held[block] = halves
        return moved, held
