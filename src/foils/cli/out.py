"""The output folder, looked at before long work: a run that cannot be written must not be begun."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from foils.errors import FolderError, InputError
from foils.mining.folder import LOCK, Folder, read_identity, refuse_foreign, refuse_other

Out = Annotated[Path, Parameter(help="Folder for the result. What an interrupted run left there is continued.")]
NewFolder = Annotated[Path, Parameter(help="New folder for the model.")]
Overwrite = Annotated[bool, Parameter(negative=(), show_default=False, help="Replace the file if it is there.")]
Fresh = Annotated[
    bool, Parameter(negative=(), show_default=False, help="Discard what an earlier run of foils left in --out.")
]


def check_place(out: Path) -> None:
    """Check that a folder can be made here.

    Raises:
        FolderError: it cannot.
    """
    try:
        os.fspath(out).encode()
        nearest = next(path for path in (out, *out.absolute().parents) if path.exists())
    except UnicodeEncodeError:
        raise FolderError(f"--out {out}: the name is not valid Unicode; choose another") from None
    except OSError as error:
        raise FolderError(f"--out {out}: {error.strerror}; choose another") from None
    if not nearest.is_dir():
        raise FolderError(f"--out {out}: {nearest} is a file; give a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise FolderError(f"--out {out}: {nearest} cannot be written; make it writable, or choose another")


def check_new_file(file: Path, option: str, *, overwrite: bool) -> None:
    """Check that a file is new, or may be replaced.

    Raises:
        InputError: it is there.
    """
    if file.exists() and not overwrite:
        raise InputError(f"{file} is there already; choose another {option}, or give --overwrite to replace it")


def check_result_folder(out: Path) -> None:
    """Check that a run of foils may write here.

    Raises:
        FolderError: the folder cannot be made, belongs to something else, or is in use.
    """
    check_place(out)
    refuse_foreign(out)
    if (out / LOCK).exists():
        with Folder.held(out):
            pass  # another run holds it, or none does


def check_same_run(out: Path, known: Mapping[str, Any]) -> None:
    """Check what is known of a run against what an earlier one left.

    Args:
        out: the folder.
        known: what of the run's identity is known before long work, the collection's digest as ``collection``.

    Raises:
        FolderError: the folder holds another run; the message says in what it differs.
    """
    there = read_identity(out)
    if there is None:
        return
    entries = there | {"collection": there.get("inputs", {}).get("collection")}
    refuse_other(out, {name: entries.get(name) for name in known}, dict(known))
