"""Checkpoints: the arrays of a training and where it stands, in one file that is there whole or not at all.

A checkpoint names the run that it belongs to. Another run, with other data or settings, does not go on from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from foils import _durable as durable
from foils.errors import FolderError

Arrays = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Checkpoint:
    """What a training goes on from.

    Attributes:
        arrays: by name.
        standing: where it stands, JSON-ready.
    """

    arrays: Arrays
    standing: dict[str, Any]


def write_checkpoint(path: Path, identity: Mapping[str, Any], checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of an older one.

    Args:
        path: the file.
        identity: what the run follows from, JSON-ready.
        checkpoint: what to write.

    Raises:
        FolderError: the file cannot be written.
    """
    about = {"identity": _json(identity), "standing": _json(checkpoint.standing)}
    data = save({name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}, metadata=about)
    with durable.explained(path.parent):
        durable.make_folder(path.parent)
        durable.write_file(path, lambda partial: partial.write_bytes(data))


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """Read the checkpoint of this run; None where there is none.

    Raises:
        FolderError: it is of another run, or damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as tensors:
            about = {name: msgspec.json.decode(text) for name, text in tensors.metadata().items()}
            arrays = {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 - not a dict
        there, standing = about["identity"], about["standing"]
    except (OSError, SafetensorError, msgspec.DecodeError, AttributeError, KeyError) as error:
        raise FolderError(f"{path}: is not a whole checkpoint: {error}; remove it, and training begins anew") from error
    refuse_other_run(path, there, identity)
    return Checkpoint(arrays, standing)


def refuse_other_run(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Check that a checkpoint is of this run.

    Raises:
        FolderError: it is of another; the message says in what the two differ.
    """
    here = msgspec.json.decode(_json(here))
    changed = [
        f"{name}: {there.get(name)!r} there, {here.get(name)!r} now"
        for name in sorted({*there, *here})
        if there.get(name) != here.get(name)
    ]
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(
            f"{path}: is the checkpoint of another training:\n  {listed}\ngive what that one was given, or remove it"
        )


def _json(data: Mapping[str, Any]) -> str:
    return msgspec.json.encode(data, order="deterministic").decode()
