"""Bare matrix products: what search cannot do without, and so the measure of its speed.

Queries × items, block by block into one buffer, nothing kept, on one thread; of five shapes of blocks the one that is
fastest with this library, this processor and these dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from harness import Contender, cpu_seconds

from foils.search.products import multiplies_int8

Float32 = npt.NDArray[np.float32]
SHAPES = ((512, 1024), (256, 4096), (1024, 4096), (1024, 16_384), (1024, 32_768))
"""Queries × items of a block."""
FP32 = ("limit: NumPy product fp32", "limit: PyTorch product fp32")
BF16, INT8 = "limit: PyTorch product bf16", "limit: PyTorch product int8"


def products(items: Float32, queries: Float32) -> Iterable[Contender]:
    """Set up bare products: NumPy's BLAS, PyTorch in float32, from bfloat16 to bfloat16, from int8 to int32."""
    matrices = torch.from_numpy(queries), torch.from_numpy(items)
    halves = tuple(matrix.to(torch.bfloat16) for matrix in matrices)
    sides: dict[str, tuple[Any, Any, Any, Any]] = {
        FP32[0]: (queries, items, np.matmul, np.empty(SHAPES[-1], np.float32)),
        FP32[1]: (*matrices, torch.mm, torch.empty(SHAPES[-1])),
        BF16: (*halves, torch.mm, torch.empty(SHAPES[-1], dtype=torch.bfloat16)),
    }
    if multiplies_int8():
        integers = tuple((matrix * (127 / matrix.abs().max())).to(torch.int8) for matrix in matrices)
        sides[INT8] = (*integers, torch._int_mm, torch.empty(SHAPES[-1], dtype=torch.int32))
    for name, (left, right, multiply, out) in sides.items():
        flat = out.reshape(-1)
        shape = min(SHAPES, key=lambda shape: tried(left, right[: SHAPES[-1][1]], multiply, flat, shape))
        yield Contender(
            name, lambda side=(left, right, multiply, flat, shape): multiplied(*side), len(queries)  # type: ignore[misc]
        )  # fmt: skip


def tried(left: Any, right: Any, multiply: Any, flat: Any, shape: tuple[int, int]) -> float:
    """Give the least CPU seconds of three tries of a block shape."""
    spent = []
    for _ in range(3):
        began = cpu_seconds()
        multiplied(left, right, multiply, flat, shape)
        spent.append(cpu_seconds() - began)
    return min(spent)


def multiplied(left: Any, right: Any, multiply: Any, flat: Any, shape: tuple[int, int]) -> None:
    """Multiply block by block into the same buffer."""
    for column in range(0, len(right), shape[1]):
        block = right[column : column + shape[1]].T
        for row in range(0, len(left), shape[0]):
            part = left[row : row + shape[0]]
            out = flat[: part.shape[0] * block.shape[1]].reshape(part.shape[0], block.shape[1])
            multiply(part, block, out=out)


def best_rate(items: Float32, queries: Float32) -> tuple[str, float]:
    """Name the fastest float32 product, and give its multiplications with addition per CPU second."""
    work = len(items) * queries.size
    rates = {}
    for contender in products(items, queries):
        if contender.name in FP32:
            began = cpu_seconds()
            contender.run()
            rates[contender.name] = work / (cpu_seconds() - began)
    name = max(rates, key=lambda name: rates[name])
    return name, rates[name]
