"""Which screen scores all items: whatever is fastest here and for these vectors. No result depends on it."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from foils._extras import missing, require
from foils.positives import Relation
from foils.search.blocks import Blocks
from foils.search.device import OnDevice, find_device
from foils.search.exact import ExactIndex
from foils.search.products import BFLOAT16, INT8, NUMPY, Probe, probe
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.screens import Screen, Single
from foils.search.vectors import Float32, Vectors

SearchMode = Literal["auto", "exact", "screened"]

WORTH_A_LOOK, WORTH_AN_IMPORT = 1e11, 5e11
"""Operations of a search, one second of work and some, above which the fastest product is looked for where PyTorch is
there already, and where it must be imported, which takes one or two."""
MUCH_FASTER = 1.5
"""How many times faster than the next finer product a rougher one must be to screen with it."""
TRIED_ANCHORS, TRIED_COMPONENTS = 512, 6_000_000
"""Anchors, and components of items' vectors, that int8 is tried with."""
ALIKE = 1.5
"""How many times farther rounding may move all items than those tried."""


@dataclass(frozen=True, eq=False)
class Work:
    """What will be searched for.

    Attributes:
        count: of how many anchors.
        some: float32[S, d], vectors of some of them, as ``Vectors.read`` gives them.
        k: how many items of each.
        blocks: sizes of the blocks.
    """

    count: int
    some: Float32
    k: int
    blocks: Blocks

    @classmethod
    def of(cls, anchors: Vectors, k: int, blocks: Blocks) -> Work:
        """Search for all anchors."""
        rows = np.unique(np.linspace(0, len(anchors) - 1, min(TRIED_ANCHORS, len(anchors))).astype(np.int64))
        return cls(len(anchors), anchors.read(rows), k, blocks)


def choose_screen(
    items: Vectors, work: Work, mode: SearchMode, spare_bytes: int
) -> tuple[Screen | OnDevice, dict[str, Any]]:
    """Choose what scores all items, and say why; results do not depend on it.

    Args:
        items: the items' vectors.
        work: what will be searched for.
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
    if mode != "screened" and not is_worth_a_look(work.count, items.matrix.shape):
        return Single(items, NUMPY), {"screen": Single(items, NUMPY).name}
    device, unused = find_device(items) if mode != "screened" and not missing(["torch"]) else (None, None)
    if device is not None:
        return device, {"screen": device.name}
    probed = probe(torch=True)
    rough = None if mode == "exact" else rough_screen(items, work, probed, spare_bytes)
    warnings = [warning for warning in (unused, probed.warning) if warning]
    if mode == "screened" and rough is None:
        warnings.append(
            "search is not screened: neither bfloat16 nor int8 is faster here, for these vectors and this memory"
        )
    screen = rough or Single(items, probed.single)
    return screen, {"screen": screen.name, **probed.facts(), **({"warnings": warnings} if warnings else {})}


def is_worth_a_look(anchors: int, items: tuple[int, ...]) -> bool:
    """Say whether a search for so many anchors among items of this shape takes long enough to look for a product."""
    return 2.0 * anchors * math.prod(items) >= (WORTH_A_LOOK if "torch" in sys.modules else WORTH_AN_IMPORT)


def rough_screen(items: Vectors, work: Work, probed: Probe, spare_bytes: int) -> BFloat16 | Int8 | None:
    """Choose a product that is rougher than float32 and faster; None = there is none.

    Args:
        items: the items' vectors.
        work: what will be searched for.
        probed: how fast the products are.
        spare_bytes: how much memory a rounded copy of the items may take; without one, bfloat16 rounds block by block.
    """
    finest, halves, eighths = (probed.rate_of(name) for name in (probed.single.name, BFLOAT16, INT8))
    has_halves = halves >= MUCH_FASTER * finest
    fits = 2 * len(items) * items.dim <= spare_bytes
    if fits and eighths >= MUCH_FASTER * (halves if has_halves else finest):
        part, fewer = _part(items, work)
        integers = Int8(part)
        other = BFloat16(part, kept=True) if has_halves else Single(part, probed.single)
        if integers.is_narrow and _seconds(integers, fewer) < _seconds(other, fewer):
            whole = Int8(items)
            if whole.moved <= ALIKE * integers.moved:  # one item with a spike is enough that it is not
                return whole
    return BFloat16(items, kept=fits) if has_halves else None


def _part(items: Vectors, work: Work) -> tuple[Vectors, Work]:
    """Take every s-th item, and an s-th of k, so that the k-th best is about as far from the next as among all.

    How many more items than k int8 cannot tell from the best depends on the vectors, so it is tried.
    """
    step = max(1, len(items) * items.dim // TRIED_COMPONENTS)
    part = Vectors(np.ascontiguousarray(items.matrix[::step]), items.similarity, items.what)
    return part, replace(work, k=max(1, work.k // step))


def _seconds(screen: Int8 | BFloat16 | Single, work: Work) -> float:
    """Time a search on this thread; what is done once is done before."""
    index = ExactIndex(screen.items, np.ones(len(screen.items), np.bool_), screen)
    index.search(work.some[:1], work.k, Relation.empty(len(work.some[:1])), work.blocks)
    started = time.thread_time()
    step = work.blocks.first or work.blocks.anchors
    for start in range(0, len(work.some), step):
        part = work.some[start : start + step]
        index.search(part, work.k, Relation.empty(len(part)), work.blocks)
    return time.thread_time() - started
