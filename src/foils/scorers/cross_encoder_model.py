"""A cross-encoder of sentence-transformers, by its folder or name; loaded when the first pair is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from foils.encoders import models
from foils.encoders.encoder import Identity
from foils.encoders.fingerprints import folder_digest
from foils.encoders.sentence import quiet_loading
from foils.errors import DataError, InputError
from foils.search.vectors import Float32

BATCH = 64
"""Pairs in a forward pass, of about the same length."""


@dataclass(frozen=True, eq=False)
class CrossEncoderModel:
    """A model that reads two texts together and gives one number.

    Attributes:
        folder: of the model.
        max_length: tokens of a pair that are read; None = as the model says.
        memo: folder where hashes of its files are remembered; None = hash them anew.
    """

    folder: Path
    max_length: int | None
    memo: Path | None

    @classmethod
    def open(cls, name: str, max_length: int | None, memo: Path | None) -> CrossEncoderModel:
        """Find a model and check that it can be read without running code; nothing is loaded yet.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            InputError: there is no such model.
            DataError: the folder is damaged, or would have to run code.
        """
        models.require_library()
        folder = models.find_folder(name)
        if folder is None:
            raise InputError(
                f"cross-encoder {name!r:.200}: there is no such folder; give the folder of a CrossEncoder, or "
                "owner/name on the Hugging Face hub"
            )
        models.check_folder(folder, "CrossEncoder")
        if _is_static(folder):
            raise InputError(
                f"cross-encoder {name!r:.200}: is a static encoder, which reads one text at a time; train a "
                "cross-encoder (foils train --kind reranker), or give owner/name on the Hugging Face hub"
            )
        if not (folder / models.CONFIG).is_file() and not (folder / models.MODULES).is_file():
            raise DataError(f"{folder}: there is no {models.CONFIG}; give the folder that CrossEncoder.save made")
        return cls(folder, max_length, memo)

    def identity(self) -> Identity:
        """All that a score follows from beside the two texts."""
        majors = {name: version(name).partition(".")[0] for name in ("sentence-transformers", "transformers")}
        return {"scorer": "cross_encoder/1", "model": self.digest, "max_length": self.max_length, **majors}

    @cached_property
    def digest(self) -> str:
        """Hash of the model's content."""
        return folder_digest(self.folder, self.memo)

    def logits(self, pairs: Sequence[tuple[str, str]]) -> Float32:
        """Score pairs of texts: float32[P], before any activation.

        Raises:
            DataError: the model does not give one number per pair.
        """
        given = self._model.predict(list(pairs), batch_size=BATCH, activation_fn=_as_it_is, show_progress_bar=False)
        scores = np.asarray(given, dtype=np.float32) + np.float32(0)  # −0 becomes 0, which SQLite keeps
        if scores.shape != (len(pairs),) or not np.isfinite(scores).all():
            raise DataError(
                f"{self.folder}: gave {list(scores.shape)} for {len(pairs)} pairs, or numbers that are not finite; "
                "expected one finite number per pair"
            )
        return scores

    @cached_property
    def _model(self) -> Any:
        library = import_module("sentence_transformers")
        with quiet_loading():
            try:
                model = library.CrossEncoder(
                    str(self.folder), max_length=self.max_length, trust_remote_code=False, local_files_only=True
                )
            except Exception as error:  # the library raises nothing more precise
                raise DataError(f"{self.folder}: cannot be opened as a CrossEncoder: {error}") from error
        if model.num_labels != 1:
            raise DataError(
                f"{self.folder}: gives {model.num_labels} numbers per pair, as a classifier does; expected a model "
                "that ranks, with one"
            )
        return model.float()


def _is_static(folder: Path) -> bool:
    """Tell a folder of model2vec by the type that it names; a cross-encoder may be a bare model of transformers."""
    config = folder / models.CONFIG
    said = models.read_json(config) if config.is_file() else None
    return isinstance(said, dict) and said.get("model_type") == "model2vec"


def _as_it_is(logits: Any) -> Any:
    return logits
