"""Where a training works: a hidden folder beside the model's, with its identity and its checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from foils import _durable as durable
from foils.encoders.files import check_new
from foils.errors import FolderError
from foils.training.checkpoint import refuse_other_run

IDENTITY = "identity.json"
WHOLE = "whole"
"""A file that a checkpoint gets when everything in it is written."""


@dataclass(frozen=True)
class TrainingFolder:
    """The two folders of a training.

    Attributes:
        out: the model's, which is there when training has ended.
        work: identity and checkpoints, which goes when training has ended.
    """

    out: Path
    work: Path

    @classmethod
    def of(cls, out: Path) -> TrainingFolder:
        """Name the folders.

        Raises:
            FolderError: a model is there already.
        """
        check_new(out)
        place = out.absolute()
        return cls(out, place.with_name(f".{place.name}.training"))

    def begin(self, identity: Mapping[str, Any]) -> None:
        """Make the folder, or check that what is there is of this run; clear away what a kill left half written.

        Raises:
            FolderError: it is of another run, or cannot be written.
        """
        path = self.work / IDENTITY
        with durable.explained(self.work):
            durable.make_folder(self.work)
            if path.exists():
                refuse_other_run(path, _read(path), identity)
            else:
                durable.write_json(path, identity)
            for folder in self.work.glob("checkpoint-*"):
                if not (folder / WHOLE).exists():
                    shutil.rmtree(folder)

    def once(self, name: str, compute: Callable[[], float]) -> float:
        """Compute a number, or read what an earlier run of this training computed."""
        path = self.work / f"{name}.json"
        if not path.exists():
            durable.write_json(path, {name: compute()})
        return float(_read(path)[name])

    def checkpoint(self, step: int) -> Path:
        """Name the folder of a checkpoint."""
        return self.work / f"checkpoint-{step}"

    def last_checkpoint(self) -> Path | None:
        """Find the last checkpoint that is whole."""
        steps = [int(path.parent.name.rpartition("-")[2]) for path in self.work.glob(f"checkpoint-*/{WHOLE}")]
        return self.checkpoint(max(steps)) if steps else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise FolderError(f"{path}: is not JSON: {error}; remove {path.parent}, and training begins anew") from error
