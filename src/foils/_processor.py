"""What this processor can do, as PyTorch tells."""

from __future__ import annotations

from importlib import import_module
from typing import Any

FAST = ("avx512_bf16", "amx_bf16")
"""Features that multiply bfloat16 in hardware."""
ASKED_FOR = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
"""What older versions of PyTorch tell instead."""


def multiplies_bfloat16() -> bool:
    """Say whether products of bfloat16 are made in hardware; no where PyTorch cannot tell, or has no kernels for it."""
    torch: Any = import_module("torch")
    if not torch.backends.mkldnn.is_available():
        return False
    if hasattr(torch.cpu, "get_capabilities"):
        features = torch.cpu.get_capabilities()
        return any(features.get(name, False) for name in FAST)
    return any(getattr(torch.cpu, name, bool)() for name in ASKED_FOR)
