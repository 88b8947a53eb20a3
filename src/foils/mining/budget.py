"""The smallest memory budget that a run works with: a block of one anchor and one item per thread."""

from __future__ import annotations

from foils.errors import InputError
from foils.mining.identity import LEAST_MEMORY, Execution
from foils.mining.prepare import Prepared
from foils.search import Blocks

MEGABYTE = 1_000_000


def require_memory(prepared: Prepared, execution: Execution) -> None:
    """Check, before work starts, that the budget holds a block of one anchor and one item per thread.

    Raises:
        InputError: it does not; names the smallest that does.
    """
    least = least_budget(prepared, execution)
    if execution.block is None and execution.memory_bytes < least:
        raise InputError(
            f"a memory budget of {megabytes(execution.memory_bytes)} is too small to look {shape(prepared)[1]:,} "
            f"candidates deep on {execution.threads} threads; give at least --memory {megabytes(least)}, use fewer "
            "threads, or set a lower max_depth"
        )


def least_budget(prepared: Prepared, execution: Execution) -> int:
    """Give the smallest budget that works, in bytes."""
    dim, deepest = shape(prepared)
    return max(LEAST_MEMORY, execution.threads * Blocks.least_bytes(dim=dim, depth=deepest))


def shape(prepared: Prepared) -> tuple[int, int]:
    """Give what the size of a block follows from: dimensions of the longest vectors, and the deepest search."""
    dims = [pair[0].shape[1] for pair in prepared.inputs.matrices.values()]
    return max(dims, default=1), prepared.recipe.source.fields.depths(prepared.identity.negatives)[1]


def megabytes(size: int) -> str:
    """Write a size as --memory takes it, rounded up.

    >>> megabytes(16_000_001)
    '17MB'
    """
    return f"{-(-size // MEGABYTE)}MB"
