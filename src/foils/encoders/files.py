"""The model2vec folder: config.json, tokenizer.json and model.safetensors with the tensor ``embeddings``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from foils import _durable as durable
from foils.errors import DataError, FolderError

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
FILES = (CONFIG, TOKENIZER, WEIGHTS)


def check_new(folder: Path) -> None:
    """Check, before long work, that a model may be saved under this name.

    Raises:
        FolderError: something is there already.
    """
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise FolderError(f"{folder} is there already; remove it, or choose another folder for the model")


def write_model(folder: Path, embeddings: npt.NDArray[np.float32], tokenizer: Tokenizer) -> None:
    """Write the folder beside its place, wait until it is on disk, then rename it.

    Raises:
        FolderError: something is there already, or the folder cannot be written.
    """
    check_new(folder)
    config = {
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "normalize": True,
        "max_length": None,  # texts are not cut short
        "hidden_dim": int(embeddings.shape[1]),
        "embedding_dtype": "float32",
    }
    # Absolute, so that "." and ".." have a name too.
    place = Path(os.path.abspath(folder))  # noqa: PTH100
    partial = place.with_name(f".{place.name}.part")
    with _explained(folder), _removed_on_failure(partial):
        partial.mkdir(parents=True, exist_ok=True)
        (partial / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(str(partial / TOKENIZER), pretty=False)
        save_file({"embeddings": np.ascontiguousarray(embeddings)}, partial / WEIGHTS)
        for path in (*(partial / name for name in FILES), partial):
            durable.sync(path)
        partial.replace(place)
        durable.sync(place.parent)


def read_model(folder: Path) -> tuple[npt.NDArray[np.float32], Tokenizer]:
    """Read embeddings and tokenizer.

    Raises:
        DataError: a file is missing or damaged, or the model has parts that we would not apply.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise DataError(f"{folder}: there is no {name}; a static encoder has {', '.join(FILES)}")
    _check_config(folder / CONFIG)
    return _read_embeddings(folder / WEIGHTS), _read_tokenizer(folder / TOKENIZER)


def _check_config(path: Path) -> None:
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not JSON: {error}; copy the model again") from error
    if not isinstance(config, dict) or config.get("normalize") is not True:
        raise DataError(f'{path}: expected "normalize": true; other models are not supported')


def _read_embeddings(path: Path) -> npt.NDArray[np.float32]:
    """Read a vector per token: ``weights[t] · embeddings[mapping[t]]``, the last two where the model has them."""
    try:
        with safe_open(path, framework="numpy") as tensors:
            names = set(tensors.keys())
            if "embeddings" not in names or not names <= {"embeddings", "weights", "mapping"}:
                raise DataError(f"{path}: holds the tensors {sorted(names)}; expected embeddings, weights and mapping")
            parts = {name: tensors.get_tensor(name) for name in names}
    except (OSError, SafetensorError, TypeError) as error:  # TypeError: a type that NumPy does not have
        raise DataError(f"{path}: is damaged, or in a type of numbers that is not read: {error}") from error
    embeddings = np.asarray(parts["embeddings"], dtype=np.float32)
    mapping, weights = parts.get("mapping"), parts.get("weights")
    if mapping is not None:
        if mapping.ndim != 1 or mapping.dtype.kind not in "iu" or not _within(mapping, len(embeddings)):
            raise DataError(
                f"{path}: the mapping points outside of the {len(embeddings)} embeddings; copy the model again"
            )
        embeddings = embeddings[mapping]
    if weights is not None:
        if weights.shape != embeddings.shape[:1]:
            raise DataError(f"{path}: {weights.shape} weights for {len(embeddings)} tokens; copy the model again")
        embeddings = embeddings * np.asarray(weights, dtype=np.float32)[:, None]
    return embeddings


def _within(rows: npt.NDArray[Any], size: int) -> bool:
    return len(rows) > 0 and int(rows.min()) >= 0 and int(rows.max()) < size


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more precise
        raise DataError(f"{path}: is not a tokenizer: {error}; copy the model again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@contextmanager
def _removed_on_failure(partial: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for name in FILES:
            (partial / name).unlink(missing_ok=True)
        if partial.is_dir():
            partial.rmdir()
        raise


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the operating system says into an error that names the folder."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise FolderError(f"{folder}: cannot be written: {error}; free space, or choose another") from error
