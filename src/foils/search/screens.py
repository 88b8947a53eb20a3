"""Approximate scores of all items, by blocks, with a bound on their error.

``single``    a float32 product. Its error is at most ``γ_d |q||c|`` with ``γ_d ≈ d·2⁻²⁴``, whatever the order of
              summation (Higham 2002, §3.1).
``bfloat16``  a product of vectors rounded to bfloat16, q' and c', accumulated in float32 and rounded to bfloat16:
              ``|q·c − q'·c'| ≤ |q − q'||c| + |q'||c − c'|`` with the distances that the data have, and half a step.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from foils._extras import missing, require
from foils._threads import one_thread, one_torch_thread
from foils.search.device import OnDevice, find_device
from foils.search.products import NUMPY, Product, probe, shared_tensor
from foils.search.rounding import SAFETY, lengths_of, single_slack
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]
UInt16 = npt.NDArray[np.uint16]

SearchMode = Literal["auto", "exact", "screened"]

WORTH_A_LOOK = 1e12
"""Operations of a search, many seconds of work, above which the fastest product is looked for: PyTorch takes one or two
to import."""

BARRED, BARRED_HALF = np.float32(-np.inf), np.uint16(0xFF80)
"""−∞ as float32, and as the bits of bfloat16."""

HALF_STEP = 2.0**-9
"""Half of the distance between bfloat16 numbers just below 1."""


class Screen(Protocol):
    """Approximate scores of anchors and all items."""

    @property
    def name(self) -> str:
        """How facts call it."""

    @property
    def barred(self) -> np.float32 | np.uint16:
        """−∞ as its scores have it: float32, or the bits of bfloat16."""

    def one_thread(self) -> AbstractContextManager[None]:
        """Keep its products to the thread that calls it."""

    def slack(self, anchors: Float32) -> Float64:
        """Bound the difference between its scores and the canonical ones: float64[A]."""

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

    def one_thread(self) -> AbstractContextManager[None]:
        """One thread of the library that multiplies."""
        return one_thread() if self.product.name == "numpy" else one_torch_thread()

    def slack(self, anchors: Float32) -> Float64:
        """``(γ_d + rounding of the vectors) |q| |c|``; four units more for the rounding of the canonical score."""
        return single_slack(anchors, self.items)

    def ready(self, anchors: Float32) -> Float32:
        """Take them as they are."""
        return anchors

    def score(self, anchors: Float32, items: slice, out: Float32) -> None:
        """Multiply."""
        self.product.into(anchors, self.items.roughly(items), out)


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
        return "torch bfloat16"

    @property
    def barred(self) -> np.uint16:
        """−∞ in bfloat16."""
        return BARRED_HALF

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


def choose_screen(
    items: Vectors, anchors: int, mode: SearchMode, spare_bytes: int
) -> tuple[Screen | OnDevice, dict[str, Any]]:
    """Choose what scores all items, and say why; results do not depend on it.

    Args:
        items: the items' vectors.
        anchors: how many anchors will be searched for.
        mode: ``exact``: a float32 product, on a GPU where there is one; ``screened``: bfloat16 on the CPU, where that
            is fast at it; ``auto``: a GPU, or whatever is fastest. These two look only where the work is worth it.
        spare_bytes: how much memory a bfloat16 copy of the items may take.

    Returns:
        the screen, and facts: its name, and what was measured.

    Raises:
        MissingExtraError: ``screened``, and PyTorch is not installed.
    """
    if mode == "screened":
        require("torch", ["torch"])
    operations = 2.0 * anchors * len(items) * items.dim
    if mode != "screened" and operations < WORTH_A_LOOK:
        return Single(items, NUMPY), {"screen": Single(items, NUMPY).name}
    device, unused = find_device(items) if mode != "screened" and not missing(["torch"]) else (None, None)
    if device is not None:
        return device, {"screen": device.name}
    probed = probe(torch=True)
    rough = mode != "exact" and probed.is_bfloat16_fast
    kept = 2 * len(items) * items.dim <= spare_bytes
    screen: Screen = BFloat16(items, kept) if rough else Single(items, probed.single)
    warnings = [warning for warning in (unused, probed.warning) if warning]
    if mode == "screened" and not rough:
        warnings.append("search is not screened: this machine multiplies bfloat16 no faster than float32")
    return screen, {"screen": screen.name, **probed.facts(), **({"warnings": warnings} if warnings else {})}
