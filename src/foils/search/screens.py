"""Approximate scores of all items, by blocks, with a bound on their error.

A float32 product (``Single``) has an error of at most ``γ_d |q||c|`` with ``γ_d ≈ d·2⁻²⁴``, whatever the order of
summation (Higham 2002, §3.1). Rougher products are faster where the processor has them: ``screen_bfloat16`` and
``screen_int8`` round the vectors first, and bound the error by how far the data move.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from foils._extras import missing, require
from foils._threads import one_thread, one_torch_thread
from foils.search.device import OnDevice, find_device
from foils.search.products import BFLOAT16, INT8, NUMPY, Probe, Product, probe
from foils.search.rounding import single_slack
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]

SearchMode = Literal["auto", "exact", "screened"]

WORTH_A_LOOK = 1e12
"""Operations of a search, many seconds of work, above which the fastest product is looked for: PyTorch takes one or two
to import."""

BARRED = np.float32(-np.inf)
MUCH_FASTER = 1.5
"""How many times faster than the next finer product a rougher one must be to screen with it."""


MANY_COMPONENTS = 3e7
"""Of all items; with fewer, what int8 saves of a product is less than looking at more items takes."""


class Screen(Protocol):
    """Approximate scores of anchors and all items."""

    @property
    def name(self) -> str:
        """How facts call it."""

    @property
    def barred(self) -> np.float32 | np.uint16 | np.int32:
        """−∞ as its scores have it: float32, the bits of bfloat16, or the least int32."""

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


def choose_screen(
    items: Vectors, anchors: int, mode: SearchMode, spare_bytes: int
) -> tuple[Screen | OnDevice, dict[str, Any]]:
    """Choose what scores all items, and say why; results do not depend on it.

    Args:
        items: the items' vectors.
        anchors: how many anchors will be searched for.
        mode: ``exact``: a float32 product, on a GPU where there is one; ``screened``: bfloat16 or int8 on the CPU,
            whichever this machine has a fast product of; ``auto``: a GPU, or whatever is fastest. The first and the
            last look only where the work is worth it.
        spare_bytes: how much memory a rounded copy of the items may take.

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
    rough = None if mode == "exact" else rough_screen(items, probed, spare_bytes)
    warnings = [warning for warning in (unused, probed.warning) if warning]
    if mode == "screened" and rough is None:
        warnings.append("search is not screened: this machine multiplies bfloat16 and int8 no faster than float32")
    screen = rough or Single(items, probed.single)
    return screen, {"screen": screen.name, **probed.facts(), **({"warnings": warnings} if warnings else {})}


def rough_screen(items: Vectors, probed: Probe, spare_bytes: int) -> BFloat16 | Int8 | None:
    """Choose a product that is rougher than float32 and much faster; None = there is none.

    Args:
        items: the items' vectors.
        probed: how fast the products are.
        spare_bytes: how much memory a rounded copy of the items may take; without one, bfloat16 rounds block by block.
    """
    finest, halves, bytes_ = (probed.rate_of(name) for name in (probed.single.name, BFLOAT16, INT8))
    has_halves = halves >= MUCH_FASTER * finest
    components = len(items) * items.dim
    has_bytes = bytes_ >= MUCH_FASTER * (halves if has_halves else finest)
    if has_bytes and components >= MANY_COMPONENTS and 2 * components <= spare_bytes:
        integers = Int8(items)
        if integers.is_narrow:
            return integers
    return BFloat16(items, kept=2 * components <= spare_bytes) if has_halves else None
