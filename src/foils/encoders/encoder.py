"""What an encoder is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

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
