"""Asking for memory before it is needed, so that several cache misses pass at the same time."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit
from numba.core import types
from numba.extending import intrinsic

READ, KEEP, DATA = 0, 3, 1
"""What LLVM's ``prefetch`` takes: to read, into all caches, data rather than code."""
LINE_BYTES = 64
"""Of a cache line."""


def _fetch(_: Any, values: Any, at: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        takes = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], takes)
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), pointer)
        builder.call(prefetch, [place, number(READ), number(KEEP), number(DATA)])
        return context.get_dummy_value()

    return types.void(values, at), generate


fetch: Any = intrinsic(_fetch)
"""``fetch(values, at)`` asks for the cache line of ``values[at]`` of one dimension, and does not wait; ``at`` may lie
anywhere."""


@njit(nogil=True, inline="always")
def fetch_row(values: Any, width: int, row: Any) -> None:
    """Ask for row ``row`` of a matrix whose rows of ``width`` lie one after the other in ``values``."""
    for at in range(row * width, (row + 1) * width, LINE_BYTES // values.itemsize):
        fetch(values, at)
