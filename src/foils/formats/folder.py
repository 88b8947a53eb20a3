"""The shape of a BEIR data set: a folder, or a .zip, with corpus.jsonl, queries.jsonl and qrels/*.tsv."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.judged import in_split_order
from foils.formats.messages import MOST_NAMES, shown

SHAPE = "a BEIR folder holds corpus.jsonl, queries.jsonl and qrels/<split>.tsv, each plain or .gz"


@dataclass(frozen=True)
class Folder:
    """The files of a data set.

    Attributes:
        name: how messages name the folder or archive.
        files: path below the folder → where it is; hidden files are left out.
    """

    name: str
    files: Mapping[str, Source]

    def jsonl(self, stem: str) -> Source:
        """Find a .jsonl or .jsonl.gz at the top.

        Raises:
            DataError: there is none, or there are both.
        """
        return self._one(f"{stem}.jsonl")

    def qrels(self) -> dict[str, Source]:
        """Find the judgements: split name → source, train, dev and test first.

        Raises:
            DataError: there are none, or a split is there plain and as .gz.
        """
        files = [PurePosixPath(name.removesuffix(".gz")) for name in self.files]
        splits = {file.stem: str(file) for file in files if str(file.parent) == "qrels" and file.suffix == ".tsv"}
        if not splits:
            raise DataError(
                f"{self.name}: there are no judgements, qrels/<split>.tsv or .tsv.gz (found "
                f"{self._found()}); {SHAPE}. "
                "Add a file with the columns query id, item id and grade, separated by tabs"
            )
        return {split: self._one(splits[split]) for split in in_split_order(splits)}

    def _one(self, name: str) -> Source:
        found = [self.files[each] for each in (name, f"{name}.gz") if each in self.files]
        if len(found) == 2:
            raise DataError(
                f"{self.name}: holds both {shown(name)} and {shown(name)}.gz; remove the one that is not meant"
            )
        if not found:
            raise DataError(
                f"{self.name}: there is no {shown(name)} or {shown(name)}.gz (found {self._found()}); {SHAPE}"
            )
        return found[0]

    def _found(self) -> str:
        return listed(self.files)


def open_folder(path: Path) -> Folder:
    """List the files of a folder or .zip.

    Raises:
        DataError: the path is missing, or neither a folder nor a .zip with one data set.
    """
    try:
        found = "folder" if path.is_dir() else "file" if path.exists() else None
    except (OSError, ValueError) as error:  # a name that is too long, a folder that may not be looked into
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{shown(str(path))}: cannot be looked at ({reason}); check the path") from error
    if found == "folder":
        return _from_disk(path)
    if found is None:
        raise DataError(f"{shown(str(path))}: there is no such folder or file; check the path")
    if not zipfile.is_zipfile(path):
        raise DataError(f"{shown(str(path))}: is neither a folder nor a whole .zip archive; {SHAPE}")
    return _from_zip(path)


def listed(names: Iterable[str]) -> str:
    """List names for a message."""
    found = sorted(names)
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return ", ".join(shown(name) for name in found[:MOST_NAMES]) + more if found else "nothing"


def _from_disk(path: Path) -> Folder:
    try:
        places = [*path.iterdir(), *((path / "qrels").iterdir() if (path / "qrels").is_dir() else ())]
        inner = sorted(place.name for place in places if place.is_dir() and (place / "corpus.jsonl").is_file())
        files = [place for place in places if place.is_file() and not place.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{shown(str(path))}: cannot be listed ({error.strerror}); check its permissions") from error
    if inner and not any(file.name.startswith("corpus.jsonl") for file in files):
        raise DataError(f"{shown(str(path))}: holds no data set itself; give the folder inside it: {listed(inner)}")
    return Folder(shown(str(path)), {file.relative_to(path).as_posix(): Source(file) for file in files})


def _from_zip(path: Path) -> Folder:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{shown(str(path))}: cannot be read as a .zip ({error}); get the file again") from error
    names = [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]
    tops = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in ("corpus.jsonl", "corpus.jsonl.gz")}
    if len(tops) != 1 or "/" in (top := tops.pop()):
        raise DataError(
            f"{shown(str(path))}: expected one corpus.jsonl at the top or in the only folder (found "
            f"{listed(names)}); "
            f"{SHAPE}. Unpack an archive of several data sets and give one folder"
        )
    prefix = f"{top}/" if top else ""
    inside = [name for name in names if name.startswith(prefix)]
    if len(set(inside)) < len(inside):
        raise DataError(f"{shown(str(path))}: two members have the same name; pack the archive again")
    return Folder(shown(str(path)), {name.removeprefix(prefix): Source(path, name) for name in inside})
