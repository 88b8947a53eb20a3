"""Vectors of the caller's model, kept in ``cache_folder`` under a key that names the model's content.

The key is a hash of the weights, the architecture, the tokeniser, the prompts and the texts: of what the vectors follow
from. A model without readable weights has no such key, and its vectors are not kept.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foils import _array
from foils._durable import make_folder, write_file
from foils.collection import Records
from foils.compat.request import ArgumentError
from foils.encoders.fingerprints import module_digest

Matrix = npt.NDArray[np.floating[Any]]
Report = Callable[[str], None]

UNIT = 1e-3
"""How far from 1 the length of a normalised vector may be; half precision comes within it."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """A prompt, or the name of one of the model's."""

    name: str | None
    text: str | None


@dataclass(frozen=True, eq=False)
class Encoding:
    """How the caller's model is used.

    Attributes:
        model: with ``encode_query`` and ``encode_document``, as a SentenceTransformer has.
        batch_size: texts at a time.
        multi_process: True, or devices, to encode in several processes.
        cache: folder of the vectors; None = keep none.
        key: the model's content; None = unknown, and nothing is kept.
        say: told what was read and written.
        verbose: whether encoding shows its progress.
    """

    model: Any
    batch_size: int
    multi_process: bool | list[str]
    cache: Path | None
    key: str | None
    say: Report
    verbose: bool

    def query_vectors(self, records: Records, prompts: Prompts) -> Matrix:
        """Encode anchors: float[N, d], of length 1 where the model compares by cosine."""
        return self._cached("query", self.model.encode_query, records, prompts)

    def corpus_vectors(self, records: Records, prompts: Prompts) -> Matrix:
        """Encode items; see ``query_vectors``."""
        return self._cached("corpus", self.model.encode_document, records, prompts)

    def _cached(self, side: str, encode: Callable[..., Any], records: Records, prompts: Prompts) -> Matrix:
        if self.cache is None or self.key is None:
            return self._encoded(encode, records, prompts)
        what = repr(("vectors/1", side, self.key, prompts.name, prompts.text, records.digest))
        path = self.cache / f"{side}_embeddings_{hashlib.sha256(what.encode()).hexdigest()}.npy"
        if path.exists():
            kept: Matrix = np.load(path, mmap_mode="r", allow_pickle=False)
            self.say(f"Read the {side} vectors {kept.shape} from {path}.")
            return kept
        matrix = self._encoded(encode, records, prompts)
        make_folder(self.cache)
        write_file(path, lambda partial: _save(partial, matrix))
        self.say(f"Kept the {side} vectors {matrix.shape} in {path}.")
        return matrix

    def _encoded(self, encode: Callable[..., Any], records: Records, prompts: Prompts) -> Matrix:
        with started_pool(self.model, self.multi_process) as pool:
            encoded = encode(
                records.full_texts(),
                pool=pool,
                batch_size=self.batch_size,
                normalize_embeddings=True,
                convert_to_numpy=True,
                show_progress_bar=self.verbose,
                prompt_name=prompts.name,
                prompt=prompts.text,
            )
        return _normalised(np.asarray(encoded), self.model)


@contextmanager
def started_pool(model: Any, multi_process: bool | list[str]) -> Iterator[Any]:  # noqa: FBT001
    """Start a model's processes for the block, or none."""
    if not multi_process:
        yield None
        return
    pool = model.start_multi_process_pool(target_devices=multi_process if isinstance(multi_process, list) else None)
    try:
        yield pool
    finally:
        model.stop_multi_process_pool(pool)


def check_model(model: Any) -> None:
    """Refuse what cannot encode, and a similarity that does not rank as the inner product does.

    Raises:
        ArgumentError: it is no model, or the model compares by another measure than cosine or dot.
    """
    if isinstance(model, str | os.PathLike):
        raise ArgumentError(
            f"model is the name {str(model)!r:.80}; open it first: sentence_transformers.SentenceTransformer("
            f"{str(model)!r:.80})"
        )
    lacking = [name for name in ("encode_query", "encode_document") if not hasattr(model, name)]
    if lacking:
        raise ArgumentError(
            f"model is {model!r:.80}, which has no {' and no '.join(lacking)}; give a SentenceTransformer (version 5 "
            "or newer), or anything with these two methods"
        )
    name = getattr(model, "similarity_fn_name", None)
    if name not in (None, "cosine", "dot"):
        raise ArgumentError(
            f"the model compares by {name!s}; foils searches by cosine or dot: set model.similarity_fn_name = 'cosine'"
        )


def content_key(model: Any) -> str | None:
    """Hash what a model's vectors follow from; None if that cannot be read."""
    if not all(hasattr(model, name) for name in ("state_dict", "tokenizer", "prompts", "default_prompt_name")):
        return None
    return module_digest(model)


def _normalised(matrix: Matrix, model: Any) -> Matrix:
    """Bring vectors to length 1 if the model compares by cosine and they are not; zero stays zero."""
    if getattr(model, "similarity_fn_name", None) == "dot" or matrix.ndim != 2:
        return matrix
    lengths = np.sqrt(np.einsum("nd,nd->n", matrix, matrix, dtype=np.float64))
    if (np.abs(lengths - 1) < UNIT)[lengths > 0].all():
        return matrix
    normalised: Matrix = _array.normalise_rows(np.asarray(matrix, np.float32))
    return normalised


def _save(path: Path, matrix: Matrix) -> None:
    with path.open("wb") as file:
        np.save(file, matrix, allow_pickle=False)


def cache_path(folder: str | os.PathLike[str] | None) -> Path | None:
    """Give the folder as a path."""
    return None if folder is None else Path(folder)
