"""Adapters: a matrix behind a frozen encoder, for queries or for both sides.

    q' = q W_q / |q W_q|,   c' = c W_c / |c W_c|   (W_c = I where only queries are adapted)

A score is q W_q W_cᵀ cᵀ up to lengths, so one matrix says all that two say, save for the lengths of the items;
with it alone, the corpus and every index of it stay as they are. In a folder: ``adapter.safetensors`` with the
tensors ``query`` and perhaps ``item``, and ``adapter.json`` with the base encoder's name and digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from foils import _array
from foils import _durable as durable
from foils._stored import StoredRows, as_float32
from foils.encoders.encoder import Encoder, Float32, Identity, Side
from foils.encoders.files import check_new
from foils.errors import DataError, InputError

SETTINGS, WEIGHTS = "adapter.json", "adapter.safetensors"
FORMAT = 1
BLOCK = 65_536
"""Rows that are adapted at once."""


class Base(msgspec.Struct, frozen=True):
    """The encoder that an adapter stands behind."""

    model: str
    """A name, or a folder: relative to the place where the adapter's own folder lies."""
    digest: str


class _Card(msgspec.Struct, frozen=True):
    """What adapter.json holds."""

    format: int
    base: Base | None


@dataclass(frozen=True, eq=False)
class Adapter:
    """The matrices of an adapter.

    Attributes:
        query: float32[d, d], applied to queries.
        item: float32[d, d], applied to items; None = the identity.

    Raises:
        DataError: not finite square float32 matrices of one size.
    """

    query: Float32
    item: Float32 | None = None

    def __post_init__(self) -> None:
        """Check the matrices."""
        for name, matrix in (("query", self.query), ("item", self.item)):
            if matrix is None:
                continue
            if matrix.ndim != 2 or matrix.dtype != np.float32 or matrix.shape != (len(self.query),) * 2:
                found = f"{matrix.dtype}{list(matrix.shape)}"
                raise DataError(f"the matrix {name!r} is {found}; expected float32[dim, dim], the same for both sides")
            if not np.isfinite(matrix).all():
                raise DataError(f"the matrix {name!r} holds NaN or infinity; the training diverged; lower its rate")

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return len(self.query)

    @cached_property
    def digest(self) -> str:
        """Hash of the matrices."""
        state = hashlib.blake2b(f"adapter/1 {self.dim}".encode(), digest_size=16)
        for matrix in (self.query, self.item):
            state.update(b"-" if matrix is None else np.ascontiguousarray(matrix, dtype="<f4").tobytes())
        return state.hexdigest()

    def queries(self, vectors: StoredRows) -> Float32:
        """Adapt vectors of queries: float32[N, d], rows of length 1; zeros stay zeros.

        Raises:
            DataError: the vectors have another length than those that were trained on.
        """
        return _mapped(vectors, self.query, self.dim)

    def items(self, vectors: StoredRows) -> Float32:
        """Adapt vectors of items, as ``queries`` does; normalised only, where queries alone are adapted."""
        return _mapped(vectors, self.item, self.dim)


@dataclass(frozen=True, eq=False)
class AdaptedEncoder:
    """An encoder with an adapter behind it.

    Attributes:
        base: the frozen encoder.
        adapter: the matrices.
    """

    base: Encoder
    adapter: Adapter

    def identity(self, side: Side) -> Identity | None:
        """What the vectors follow from; that of the base for a side that is not adapted, so its vectors are shared."""
        base = self.base.identity(side)
        if base is None or (side == "items" and self.adapter.item is None):
            return base
        behind = _hash([self.base.identity("anchors"), self.base.identity("items")])
        return {"encoder": "adapted/2", "adapter": self.adapter.digest, "side": side, "base": behind}

    def encode(self, texts: Sequence[str], side: Side) -> Float32:
        """Encode texts by the base, and adapt the vectors."""
        vectors = self.base.encode(texts, side)
        if side == "anchors":
            return self.adapter.queries(vectors)
        return vectors if self.adapter.item is None else self.adapter.items(vectors)


def is_adapter(folder: Path) -> bool:
    """Tell whether a folder holds an adapter."""
    return (folder / SETTINGS).is_file()


def open_adapted(folder: Path, open_base: Callable[[str], Encoder]) -> AdaptedEncoder:
    """Open an adapter with its base.

    Args:
        folder: the adapter's.
        open_base: opens an encoder by its folder or name.

    Raises:
        InputError: it has no base, or the base is not there or has changed.
        DataError: a file is missing or damaged.
    """
    adapter, base = load_adapter(folder)
    if base is None:
        raise InputError(
            f"{folder}: this adapter was trained on bare vectors, so texts cannot be encoded by it; "
            "give the vectors of the same encoder beside it (--query-vectors and --corpus-vectors)"
        )
    beside = folder.absolute().parent / base.model
    encoder = open_base(str(beside) if beside.is_dir() else base.model)
    if base_digest(encoder) != base.digest:
        raise DataError(
            f"{folder}: its base {base.model} is not the model that it was trained behind (other weights, prompts or "
            "settings); bring that one back, or train the adapter again"
        )
    return AdaptedEncoder(encoder, adapter)


def base_digest(encoder: Encoder) -> str:
    """Hash what an encoder is, on both sides; an adapter serves its vectors in any precision."""
    sides = [encoder.identity("anchors"), encoder.identity("items")]
    return _hash([side and {name: value for name, value in side.items() if name != "precision"} for side in sides])


def save_adapter(folder: Path, adapter: Adapter, base: Base | None) -> None:
    """Write a new folder, whole or not at all.

    Args:
        folder: a new one.
        adapter: the matrices.
        base: the encoder that they stand behind; None where they were trained on bare vectors.

    Raises:
        FolderError: something is there already, or the folder cannot be written.
    """
    check_new(folder)
    tensors = {"query": adapter.query} | ({} if adapter.item is None else {"item": adapter.item})
    card = msgspec.json.format(msgspec.json.encode(_Card(FORMAT, base)), indent=2) + b"\n"
    with durable.explained(folder), durable.new_folder(folder) as partial:
        weights = save({name: np.ascontiguousarray(matrix) for name, matrix in tensors.items()})
        (partial / WEIGHTS).write_bytes(weights)
        (partial / SETTINGS).write_bytes(card)


def load_adapter(folder: Path) -> tuple[Adapter, Base | None]:
    """Read an adapter's folder.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        card = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=_Card)
        with safe_open(folder / WEIGHTS, framework="numpy") as tensors:
            matrices = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 - not a dict
    except (OSError, msgspec.DecodeError, SafetensorError) as error:
        raise DataError(f"{folder}: is not a whole adapter: {error}; copy it again, or train it again") from error
    if card.format != FORMAT or not {"query"} <= set(matrices) <= {"query", "item"}:
        raise DataError(f"{folder}: is an adapter of format {card.format} with {sorted(matrices)}; this foils reads 1")
    try:
        return Adapter(matrices["query"], matrices.get("item")), card.base
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error


def base_of(model: str, encoder: Encoder, folder: Path) -> Base:
    """Name the base of an adapter that is saved in a folder; a folder of the base is named relative to its parent."""
    is_folder = Path(model).is_dir()
    return Base(os.path.relpath(model, folder.absolute().parent) if is_folder else model, base_digest(encoder))


def _hash(sides: Sequence[Identity | None]) -> str:
    return hashlib.blake2b(msgspec.json.encode(sides, order="deterministic"), digest_size=16).hexdigest()


def _mapped(vectors: StoredRows, matrix: Float32 | None, dim: int) -> Float32:
    if vectors.ndim != 2 or vectors.shape[1] != dim:
        raise DataError(
            f"the vectors are {list(vectors.shape)} and the adapter was trained on vectors of length {dim}; "
            "give those of the same encoder"
        )
    out = np.empty(vectors.shape, np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = _array.normalise_rows(as_float32(vectors[start : start + BLOCK]))
        out[start : start + BLOCK] = rows if matrix is None else _array.normalise_rows(rows @ matrix)
    return out
