"""The products that are there, and how fast each of them is in this process.

What multiplies matrices fastest depends on the machine and on how its libraries were built and set, by factors of two
to four, so it is measured, once per process, on blocks of the size that a search uses. No result depends on the choice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_info

from foils._threads import one_thread, one_torch_thread

Float32 = npt.NDArray[np.float32]

SHAPE = (1024, 512, 384)
"""Anchors, items and dimensions of a block that is timed."""
SECONDS = 0.032
"""How long each product is timed, about."""
CPUINFO = Path("/proc/cpuinfo")
BFLOAT16, INT8 = "torch bfloat16", "torch int8"
"""Names of the products that are rougher than float32."""
ROUNDED_BY_ENVIRONMENT = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION")
"""Variables by which NVIDIA's libraries compute float32 products otherwise, whatever PyTorch is told."""


@dataclass(frozen=True, eq=False)
class Product:
    """A way to multiply: ``into(left, right, out)`` writes float32[A, I] = left[A, d] · right[I, d]ᵀ."""

    name: str
    into: Callable[[Float32, Float32, Float32], object]


def _numpy(left: Float32, right: Float32, out: Float32) -> None:
    np.matmul(left, right.T, out=out)


def _torch(left: Float32, right: Float32, out: Float32) -> None:
    import torch

    torch.mm(shared_tensor(left), shared_tensor(right).T, out=torch.from_numpy(out))


def shared_tensor(array: npt.NDArray[Any]) -> Any:
    """Give a tensor on the memory of an array, which is only read: PyTorch warns of arrays that cannot be written."""
    import torch

    if array.flags.writeable:
        return torch.from_numpy(array)
    pointer, _ = array.__array_interface__["data"]
    seen = SimpleNamespace(__array_interface__={**array.__array_interface__, "data": (pointer, False)}, owner=array)
    return torch.from_numpy(np.asarray(seen))


NUMPY = Product("numpy", _numpy)
TORCH = Product("torch", _torch)


@dataclass(frozen=True)
class Probe:
    """What was measured.

    Attributes:
        gflops: name of each product → billions of operations in a second on one thread.
        blas: NumPy's library and the kind of processor it took this one for.
        warning: what to export where it is taken for an older one; None = all is well.
    """

    gflops: Mapping[str, float]
    blas: str
    warning: str | None

    @property
    def single(self) -> Product:
        """The fastest float32 product."""
        return max((NUMPY, TORCH), key=lambda product: self.rate_of(product.name))

    def rate_of(self, name: str) -> float:
        """Give the rate of a product; 0 = it is not there."""
        return self.gflops.get(name, 0.0)

    def facts(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return {"gflops": {name: round(rate, 1) for name, rate in self.gflops.items()}, "blas": self.blas}


def probe(*, torch: bool) -> Probe:
    """Time the products, the first time that it is asked.

    Args:
        torch: whether to time PyTorch's too, if it is installed; importing it takes a second or two.
    """
    return _probe(torch=torch and find_spec("torch") is not None)


@cache
def _probe(*, torch: bool) -> Probe:
    rng = np.random.default_rng(0)
    anchors, items, dim = SHAPE
    left, right = (rng.standard_normal((rows, dim), dtype=np.float32) for rows in (anchors, items))
    out = np.empty((anchors, items), np.float32)
    runs: dict[str, Callable[[], object]] = {NUMPY.name: lambda: NUMPY.into(left, right, out)}
    if torch:
        runs |= _torch_runs(left, right, out)
    with one_thread(), one_torch_thread() if torch else nullcontext():
        seconds = _fastest(runs)
    gflops = {name: 2e-9 * anchors * items * dim / took for name, took in seconds.items()}
    return Probe(gflops, *_blas())


def _torch_runs(left: Float32, right: Float32, out: Float32) -> dict[str, Callable[[], object]]:
    import torch

    halves = [torch.from_numpy(array).bfloat16() for array in (left, right)]
    into = torch.empty(out.shape, dtype=torch.bfloat16)
    runs: dict[str, Callable[[], object]] = {BFLOAT16: lambda: torch.mm(halves[0], halves[1].T, out=into)}
    if multiplies_int8():
        integers = [torch.from_numpy(np.rint(32 * array.clip(-3, 3)).astype(np.int8)) for array in (left, right)]
        sums = np.empty(out.shape, np.int32)
        runs[INT8] = lambda: int8_product(integers[0], integers[1], sums)
    if multiplies_float32("cpu"):
        runs[TORCH.name] = lambda: TORCH.into(left, right, out)
    return runs


def int8_product(left: Any, right: Any, out: npt.NDArray[np.int32]) -> None:
    """Write int32[A, I] = int8[A, d] · int8[I, d]ᵀ of two tensors."""
    import torch

    torch._int_mm(left, right.T, out=torch.from_numpy(out))


@cache
def multiplies_int8() -> bool:
    """Say whether PyTorch multiplies 8-bit integers without an error.

    Older processors add pairs of products in 16 bits, which the largest ones leave: they are tried.
    """
    import torch

    if not hasattr(torch, "_int_mm"):
        return False
    left = torch.full((64, 256), 127, dtype=torch.int8)
    right = torch.where(torch.arange(64)[:, None] % 2 == 0, left, -left)
    out = np.zeros((64, 64), np.int32)
    try:
        int8_product(left, right, out)
    except RuntimeError:  # this build has no such product
        return False
    return bool((out == 127 * 127 * 256 * np.where(np.arange(64) % 2 == 0, 1, -1)).all())


def multiplies_float32(kind: str) -> bool:
    """Say whether PyTorch multiplies float32 as such; a user may have allowed it to round to fewer digits first.

    Args:
        kind: of the device: ``cpu`` or ``cuda``.
    """
    import torch

    if kind == "cuda" and any(os.environ.get(name, "0") not in ("", "0") for name in ROUNDED_BY_ENVIRONMENT):
        return False
    settings: Any = torch.backends.cuda.matmul if kind == "cuda" else getattr(torch.backends.mkldnn, "matmul", None)
    precision = getattr(settings, "fp32_precision", None)
    if precision is not None:
        return precision in ("none", "ieee")
    return torch.get_float32_matmul_precision() == "highest"  # all that PyTorch before 2.9 knows


def single_of_torch() -> Product:
    """Give PyTorch's product; NumPy's where PyTorch rounds to fewer digits first."""
    return TORCH if multiplies_float32("cpu") else NUMPY


def _fastest(runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Give the shortest time of each, in turns, in seconds of this thread: what others do counts little."""
    best = dict.fromkeys(runs, np.inf)
    until = time.thread_time() + SECONDS * len(runs)
    while time.thread_time() < until:
        for name, run in runs.items():
            run()  # what the one before left in the cache is not its fault
            start = time.thread_time()
            run()
            best[name] = min(best[name], time.thread_time() - start)
    return best


def _blas() -> tuple[str, str | None]:
    """Name NumPy's library, and warn where it was told to use, or fell back to, the kernels of an older processor."""
    found = [one for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]]
    if not found:
        return "unknown", None
    name = f"{found[0]['internal_api']} {found[0].get('version')} {found[0].get('architecture')}"
    kernels, pinned = found[0].get("architecture"), os.environ.get("OPENBLAS_CORETYPE")
    if found[0]["internal_api"] != "openblas" or kernels == "SkylakeX" or "avx512f" not in _flags():
        return name, None
    mend = "unset OPENBLAS_CORETYPE" if pinned else "export OPENBLAS_CORETYPE=SkylakeX"
    return name, f"NumPy's OpenBLAS uses its {kernels} kernels on a processor that has AVX-512; for faster ones: {mend}"


def _flags() -> frozenset[str]:
    """Read what this processor can do; nothing where the system does not tell."""
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
