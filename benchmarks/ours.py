"""Our own searches as the benchmarks call them: queries and k in, item rows out."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import numpy as np
import numpy.typing as npt

from foils import _compiled
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors
from foils.search.choice import Work, rough_screen
from foils.search.products import probe
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.screens import Screen, Single

Float32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Search = Callable[[Float32, int], Ids]
SEARCH = (ExactIndex, "find")
"""The call that a run's search is, as object and name."""
MEMORY = 64_000_000
"""Bytes that blocks may take."""
COPIES = 4 << 30
"""Bytes that a rounded copy of the items may take."""
EXACT, SCREENED, NUMPY = "foils exact", "foils screened", "foils exact, no compiler"
HALVES = "foils screened, in bfloat16"
"""Beside what is screened in int8 by itself."""


def searchers(items: Vectors, rough: Int8 | BFloat16 | None, k: int) -> dict[str, Search]:
    """Set up each mode that this machine has, by the name of its row, and let it read the items once.

    Args:
        items: vectors of length 1.
        rough: what ``rough_for`` chose.
        k: what it will be asked for.
    """
    exact = searcher(items, Single(items, probe(torch=True).single))
    modes = {EXACT: exact, NUMPY: without_compiler(exact)}
    if rough is not None:
        modes[SCREENED] = searcher(items, rough)
    if isinstance(rough, Int8):
        modes[HALVES] = searcher(items, BFloat16(items, kept=True))
    for search in modes.values():
        search(items.read(slice(0, 2)), k)
    return modes


def rough_for(items: Vectors, queries: Float32, k: int) -> Int8 | BFloat16 | None:
    """Choose the screen that a run would take for these queries; None = this machine has none that is faster."""
    work = Work.of(Vectors(queries, "dot"), k, parts(queries, k)[0][1])
    return rough_screen(items, work, probe(torch=True), COPIES)


def searcher(items: Vectors, screen: Screen) -> Search:
    """Search with one screen."""
    index = ExactIndex(items, np.ones(len(items), bool), screen)

    def search(queries: Float32, k: int) -> Ids:
        return np.concatenate(
            [index.search(part, k, Relation.empty(len(part)), blocks)[0] for part, blocks in parts(queries, k)]
        )

    return search


def without_compiler(search: Search) -> Search:
    """Search with the kernels' NumPy bodies."""

    def run(queries: Float32, k: int) -> Ids:
        with mock.patch.object(_compiled, "is_available", return_value=False):
            return search(queries, k)

    return run


def screening(rough: Int8 | BFloat16, queries: Float32, k: int) -> str:
    """Say how much the screened mode rescored, and how many queries' bands overflowed."""
    index = ExactIndex(rough.items, np.ones(len(rough.items), bool), rough)
    found = [index.find(part, k, Relation.empty(len(part)), blocks) for part, blocks in parts(queries, k)]
    rescored = sum(one.rescored for one in found) / len(queries)
    overflowed = sum(one.overflowed for one in found)
    band = float(rough.slack(queries).max())
    pairs = f"{rescored:,.0f} pairs rescored per query, {overflowed} of {len(queries):,} overflowed"
    return f"by {rough.name}, error bound {band:.4f}, {pairs}"


def parts(queries: Float32, k: int) -> list[tuple[Float32, Blocks]]:
    """Cut queries into even blocks that fit the budget, as a run does."""
    blocks = Blocks.within(MEMORY, dim=queries.shape[1], depth=k)
    count = -(-len(queries) // blocks.anchors)
    return [(part, blocks) for part in np.array_split(queries, count)]
