"""What an encoder is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]

Side = Literal["anchors", "items"]
"""Whose texts: queries and passages, for a retriever."""

Identity = Mapping[str, str | int | None]
"""All that vectors follow from beside the text, as JSON-ready data."""


class Encoder(Protocol):
    """Anything that turns texts into vectors."""

    def identity(self, side: Side) -> Identity | None:
        """All that the vectors of this side follow from beside the text; None = not known, so they are not kept."""

    def encode(self, texts: Sequence[str], side: Side) -> Float32:
        """Encode texts: float32[N, d]; an empty text may give zeros."""


@runtime_checkable
class TellingEncoder(Encoder, Protocol):
    """An encoder that takes many texts at once and tells how far it is."""

    def encode_telling(self, texts: Sequence[str], side: Side, tell: Callable[[int], None]) -> Float32:
        """Encode texts as ``encode`` does; calls ``tell``, now and then, with how many are done."""
