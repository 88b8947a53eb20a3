"""Encoders of sentence-transformers: transformers with pooling, static embeddings, routers.

A vector is what the model itself gives for prompt + text: its own pooling and, where it has that module, its own
normalisation. Queries get the model's ``query`` prompt and items its ``document`` (or ``passage``, ``corpus``) prompt,
unless other prompts are given. The model is loaded when the first text is encoded, so that a run whose vectors are all
in the cache never loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from foils.encoders import models
from foils.encoders.encoder import Float32, Identity, Side
from foils.encoders.fingerprints import folder_digest, module_digest
from foils.errors import DataError, InputError

BATCH = 64
"""Texts in a forward pass; they are sorted by length first."""

PROMPTS: Mapping[Side, tuple[str, ...]] = {"anchors": ("query",), "items": ("document", "passage", "corpus")}
"""Names that models give the prompts of a side; the first that is not empty counts."""

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class SentenceSettings:
    """How texts are put to the model. Each is part of the key under which vectors are kept.

    Attributes:
        prompts: what stands before the texts of a side, instead of the model's own; "" = nothing.
        max_length: tokens of a text that are read; None = as the model says.
        precision: of weights and products; the vectors are float32 in any case.
    """

    prompts: Mapping[Side, str] = field(default_factory=dict)
    max_length: int | None = None
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        """Check the range."""
        if self.max_length is not None and self.max_length < 1:
            raise InputError(f"max_length is {self.max_length}; expected at least 1 token, or None for the model's own")


@dataclass(frozen=True, eq=False)
class SentenceEncoder:
    """A model of sentence-transformers.

    Attributes:
        source: its folder, or the model in memory.
        settings: how texts are put to it.
        memo: folder where hashes of its files are remembered; None = hash them anew.
        device: such as ``cuda``; None = the best there is.
    """

    source: Path | Any
    settings: SentenceSettings = field(default_factory=SentenceSettings)
    memo: Path | None = None
    device: str | None = None

    @classmethod
    def open(cls, folder: Path, settings: SentenceSettings, memo: Path | None, device: str | None) -> SentenceEncoder:
        """Check a folder without loading the model.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            DataError: the folder would have to run code, or holds no such model.
        """
        models.require_library()
        models.check_folder(folder, "SentenceTransformer")
        return cls(folder, settings, memo, device)

    def identity(self, side: Side) -> Identity | None:
        """Content of the model, prompt, length and precision; pooling and normalisation are part of the content."""
        return {
            "encoder": "sentence-transformers/1",
            "library": _major("sentence-transformers"),
            "transformers": _major("transformers"),
            "model": self.digest,
            "prompt": self.prompt(side),
            "max_length": self.settings.max_length,
            "precision": self.settings.precision,
            "side": side if self._routes else None,
        }

    @cached_property
    def digest(self) -> str:
        """Hash of the model's content."""
        if isinstance(self.source, Path):
            return folder_digest(self.source, self.memo)
        return module_digest(self.source)

    def prompt(self, side: Side) -> str:
        """Give what stands before each text of a side."""
        if side in self.settings.prompts:
            return self.settings.prompts[side]
        return next((text for name in PROMPTS[side] if (text := self._prompts.get(name))), "")

    def encode(self, texts: Sequence[str], side: Side) -> Float32:
        """Encode texts: float32[N, d]."""
        if not len(texts):
            return self.encode([""], side)[:0]
        encode = self._model.encode_query if side == "anchors" else self._model.encode_document
        vectors = encode(list(texts), prompt=self.prompt(side), batch_size=BATCH, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    @cached_property
    def _prompts(self) -> dict[str, str]:
        if not isinstance(self.source, Path):
            return dict(self.source.prompts)
        path = self.source / models.SETTINGS
        said = models.read_json(path).get("prompts") if path.is_file() else None
        return {name: text for name, text in (said or {}).items() if isinstance(text, str)}

    @cached_property
    def _routes(self) -> bool:
        """Whether a side has modules of its own."""
        if isinstance(self.source, Path):
            kinds = [name.rpartition(".")[2] for name in models.module_types(self.source)]
        else:
            kinds = [type(module).__name__ for module in self.source]
        return not {"Router", "Asym"}.isdisjoint(kinds)

    @cached_property
    def _model(self) -> Any:
        """The model in memory, as the settings want it."""
        if not isinstance(self.source, Path):
            return self.source
        library = import_module("sentence_transformers")
        with quiet_loading():
            try:
                model = library.SentenceTransformer(
                    str(self.source), device=self.device, trust_remote_code=False, local_files_only=True
                )
            except Exception as error:  # the library raises nothing more precise
                raise DataError(f"{self.source}: cannot be opened by sentence-transformers: {error}") from error
        if self.settings.max_length is not None:
            model.max_seq_length = self.settings.max_length
        return model.to(getattr(import_module("torch"), self.settings.precision))


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers from drawing a progress bar over ours."""
    logging = import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _major(package: str) -> str:
    return version(package).partition(".")[0]
