"""Encoders: texts to vectors.

``open_encoder`` takes the folder of a static encoder (as ``foils train`` saves it, the model2vec format), or ``minilm``
with the extra of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from foils.encoders.files import check_new
from foils.encoders.minilm import MiniLM
from foils.encoders.static import StaticEncoder
from foils.errors import InputError

Float32 = npt.NDArray[np.float32]

BATCH = 1024
"""Texts encoded between two calls of the progress."""


class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    @property
    def digest(self) -> str:
        """Hash of what the vectors follow from: weights, tokenizer, pooling."""

    def encode(self, texts: Sequence[str]) -> Float32:
        """Encode texts: float32[N, d]; an empty text may give zeros."""


def open_encoder(model: str) -> Encoder:
    """Open an encoder by the folder it was saved in, or by name.

    Raises:
        InputError: neither a folder nor a known name.
        MissingExtraError: the name needs an extra that is not installed.
    """
    try:
        there = Path(model).is_dir()
    except (OSError, ValueError):  # a name that is too long, a folder that may not be looked into
        there = False
    if there:
        return StaticEncoder.load(model)
    if model == "minilm":
        return MiniLM.load()
    raise InputError(
        f"model {model!r:.200}: there is no such folder; give the folder of a static encoder (foils train saves one), "
        "or minilm"
    )


def encode_all(encoder: Encoder, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Float32:
    """Encode many texts, with progress: called with (texts done, texts in all)."""
    parts = []
    for start in range(0, len(texts), BATCH):
        parts.append(encoder.encode(texts[start : start + BATCH]))
        if progress is not None:
            progress(min(start + BATCH, len(texts)), len(texts))
    return np.concatenate(parts)


__all__ = ["Encoder", "MiniLM", "StaticEncoder", "check_new", "encode_all", "open_encoder"]
