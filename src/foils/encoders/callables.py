"""An encoder that is a function of the user's: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foils.encoders.encoder import Float32, Identity, Side
from foils.errors import DataError


@dataclass(frozen=True, eq=False)
class CallableEncoder:
    """A function as an encoder.

    Attributes:
        items: list of texts → float[N, d], for passages (and for queries, where ``anchors`` is None).
        anchors: the same for queries.
        fingerprint: a text that changes whenever the function's vectors do, such as a checkpoint's hash. What a
            function computes cannot be seen from outside, so without it vectors are not kept in the cache.
    """

    items: Callable[[list[str]], Any]
    anchors: Callable[[list[str]], Any] | None = None
    fingerprint: str | None = None

    def identity(self, side: Side) -> Identity | None:
        """The fingerprint; sides that are encoded alike share their vectors."""
        if self.fingerprint is None:
            return None
        own = "items" if self.anchors is None else side
        return {"encoder": "function/1", "fingerprint": self.fingerprint, "side": own}

    def encode(self, texts: Sequence[str], side: Side) -> Float32:
        """Call the function.

        Raises:
            DataError: it gives no numbers, or not one row per text.
        """
        function = self.anchors if side == "anchors" and self.anchors is not None else self.items
        given = function(list(texts))
        try:
            vectors = np.asarray(given, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the encoder gave {type(given).__name__}, which is no array of numbers: {error}"
            ) from error
        return vectors
