"""What a speed depends on beside the code: the processor, the libraries that multiply, versions, and their settings."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import threadpoolctl

PINS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What decides which kernels NumPy, SciPy and FAISS multiply with."""
SETTINGS = (*PINS, "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
UNPINNED = "unpinned"
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")
"""Features of processors that decide which products are fast."""
PACKAGES = {
    "bm25s": "bm25s",
    "faiss": "faiss-cpu",
    "foils": "foils",
    "hnswlib": "hnswlib",
    "numba": "numba",
    "numpy": "numpy",
    "pyarrow": "pyarrow",
    "pykeen": "pykeen",
    "rank_bm25": "rank-bm25",
    "recbole": "recbole",
    "scipy": "scipy",
    "sentence_transformers": "sentence-transformers",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "torch_geometric": "torch-geometric",
    "transformers": "transformers",
    "usearch": "usearch",
}
"""Module → its distribution; named in the facts of a run that imported it."""


def machine() -> dict[str, Any]:
    """Describe the machine and what is loaded, without a date, a host name or a path."""
    return {
        "cpu": processor(),
        "flags": [flag for flag in FLAGS if flag in cpu_lines().get("flags", cpu_lines().get("Features", "")).split()],
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "blas": blas(),
        "environment": {name: os.environ[name] for name in SETTINGS if name in os.environ},
        "packages": {
            name: metadata.version(name) for module, name in sorted(PACKAGES.items()) if module in sys.modules
        },
    }


def processor() -> str:
    """Name the processor."""
    lines = cpu_lines()
    family = f"family {lines['cpu family']} model {lines['model']}" if "cpu family" in lines else ""
    return " ".join(filter(None, [lines.get("model name", platform.processor() or platform.machine()), family]))


def cpu_lines() -> dict[str, str]:
    """Read what Linux tells of the first core."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n")[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in first.splitlines())}


def blas() -> list[dict[str, Any]]:
    """Describe the libraries for products and threads that are loaded, by the package that brought them."""
    found = []
    for library in threadpoolctl.threadpool_info():
        parts = Path(library["filepath"]).parts
        package = next((part.removesuffix(".libs") for part in reversed(parts[:-1]) if part.endswith(".libs")), None)
        package = package or next((part for part in parts[:-1] if part in PACKAGES), "system")
        found.append(
            {
                "package": package.replace("_", "-"),
                "library": library["internal_api"],
                "version": library["version"],
                "core_type": library.get("architecture"),
                "threads": library["num_threads"],
            }
        )
    return sorted(found, key=lambda entry: (entry["library"], entry["package"]))


def setting() -> str:
    """Name this process's setting of the BLAS: the pins that are set, or ``unpinned``."""
    return " ".join(f"{name}={os.environ[name]}" for name in PINS if name in os.environ) or UNPINNED
