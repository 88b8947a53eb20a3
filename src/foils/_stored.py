"""Numbers of vectors as they are stored, and how they become float32; every reader of stored vectors decodes here.

``bfloat16``, which NumPy does not know, is the upper half of a float32 (sign, 8 bits of exponent, 7 of fraction) and
stands in a column of 2-byte voids (``|V2``), which is what ``numpy.save`` makes of the arrays of JAX and ml_dtypes.
``int8`` are plain numbers.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

BFLOAT16 = np.dtype("V2")
ACCEPTED = "float16, float32, float64, int8, or bfloat16 as 2-byte voids (V2)"


class StoredRows(Protocol):
    """A matrix that is read by rows: an array, memory-mapped or not, or ``foils.search.shards.Shards``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and dimensions."""

    @property
    def ndim(self) -> int:
        """Two."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


def is_accepted(dtype: np.dtype[Any]) -> bool:
    """Say whether vectors may be stored so."""
    is_float = dtype.kind == "f" and dtype.itemsize in (2, 4, 8)
    return is_float or dtype == np.int8 or is_bfloat16(dtype)


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Say whether these are voids of two bytes, of NumPy's or of another package's making."""
    return dtype.kind == "V" and dtype.itemsize == 2 and dtype.names is None and dtype.subdtype is None


def as_float32(block: npt.NDArray[Any]) -> Float32:
    """Decode stored numbers: float32, C-contiguous, the block itself where it is that already."""
    if not is_bfloat16(block.dtype):
        return np.ascontiguousarray(block, dtype=np.float32)
    bits = np.left_shift(np.ascontiguousarray(block).view("<u2"), 16, dtype=np.uint32)
    single: Float32 = bits.view(np.float32)
    return single


def finite_as_float32(block: npt.NDArray[Any]) -> Float32:
    """Decode numbers known to be finite; half precision by its bits, four times as fast as NumPy's own."""
    if block.dtype != np.float16:
        return as_float32(block)
    # Sign to the top, exponent and fraction to float32's places; the exponents' zeros lie 112 apart.
    bits = np.left_shift(block.view(np.int16), 13, dtype=np.int32)
    bits &= np.int32(-0x70002000)
    single = bits.view(np.float32)
    single *= np.float32(2.0**112)
    return single
