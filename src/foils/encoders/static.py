"""The static encoder: a vector per token, and for a text the mean of its tokens' vectors, normalised.

    e(text) = E^T x / |E^T x|,   x = share of each token in the text,   E = token vectors [V, d]

No network and no order of words: it encodes thousands of texts per second on one core. A token's length in E
is its weight, as in smooth inverse frequency (Arora et al., 2017).

A vector depends on its text alone, never on what else is encoded: a sparse row is multiplied entry by entry
in the order of token numbers, and the length is summed in a fixed order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from foils import _array
from foils.encoders import files
from foils.encoders.bags import Bags, bag_tokens
from foils.encoders.encoder import Float32, Identity, Side
from foils.errors import DataError


@dataclass(frozen=True, eq=False)
class StaticEncoder:
    """Token vectors and the tokenizer that they belong to.

    Attributes:
        embeddings: float32[V, d], a vector per token.
        tokenizer: cuts a text into tokens below V; it neither cuts texts short nor pads.

    Raises:
        DataError: not a finite float32 matrix, or the tokenizer has tokens beyond its end.
    """

    embeddings: Float32
    tokenizer: Tokenizer

    def __post_init__(self) -> None:
        """Check that the two belong together."""
        matrix = self.embeddings
        if matrix.ndim != 2 or 0 in matrix.shape or matrix.dtype != np.float32:
            found = f"{matrix.dtype}{list(matrix.shape)}"
            raise DataError(f"embeddings are {found}; expected float32[tokens, dim]")
        last = max(self.tokenizer.get_vocab().values(), default=-1)
        if last >= len(matrix):
            raise DataError(
                f"the tokenizer has a token {last} and there are {len(matrix)} embeddings; "
                "model and tokenizer do not belong together"
            )
        if not np.isfinite(matrix).all():
            raise DataError("embeddings hold NaN or infinity; the training diverged, or the file is damaged")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.embeddings.shape[1])

    @cached_property
    def digest(self) -> str:
        """Hash of the token vectors and the tokenizer: all that an encoding follows from."""
        state = hashlib.blake2b(f"static/1 {self.embeddings.shape}".encode(), digest_size=16)
        state.update(np.ascontiguousarray(self.embeddings, dtype="<f4").tobytes())
        state.update(self.tokenizer.to_str().encode())
        return state.hexdigest()

    def identity(self, side: Side) -> Identity:
        """The content of the model; both sides are encoded alike."""
        return {"encoder": "static/1", "model": self.digest}

    def encode(self, texts: Sequence[str], side: Side = "items") -> Float32:
        """Encode texts of any length; both sides alike.

        Returns:
            float32[N, d], rows of length 1; zeros for a text without tokens.

        Raises:
            DataError: an entry is not a string, or not valid Unicode.
        """
        return self.pool(bag_tokens(self.tokenizer, texts))

    def pool(self, bags: Bags) -> Float32:
        """Encode texts that are bags of this tokenizer's tokens already: float32[N, d]."""
        return np.asarray(_array.normalise_rows(bags @ self.embeddings[: bags.shape[1]]))

    def save(self, folder: str | Path) -> None:
        """Write a new folder in the model2vec format, whole or not at all.

        Raises:
            FolderError: something is there already, or the folder cannot be written.
        """
        files.write_model(Path(folder), self.embeddings, self.tokenizer)

    @classmethod
    def load(cls, folder: str | Path) -> StaticEncoder:
        """Read a folder in the model2vec format.

        Raises:
            DataError: a file is missing or damaged, or it asks for what this encoder does not do.
        """
        embeddings, tokenizer = files.read_model(Path(folder))
        try:
            return cls(embeddings, tokenizer)
        except DataError as error:
            raise DataError(f"{folder}: {error}") from error
