"""Data sets by name: from a folder of yours, from the cache, or downloaded as a BEIR archive.

An archive is kept as it came and read in place: nothing is unpacked, so no member can be written outside the
cache. It gets its name only when it is whole, so a broken download is never mistaken for a data set.
"""

from __future__ import annotations

import http.client
import os
import re
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, cast

from foils._cache import cache_folder
from foils.collection import Collection
from foils.errors import DataError, FolderError
from foils.formats.folder import open_folder
from foils.formats.messages import quoted, shown
from foils.formats.recognise import read_any

BASE_URL = "https://public.ukp.informatik.tu-darmstadt.de/thakur/BEIR/datasets"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
CHUNK_BYTES = 1 << 20
FROM_PATH = "foils.Collection.from_path(DATA), which reads what the commands take as DATA"
TIMEOUT_SECONDS = 60


def load(name: str, *, base_url: str = BASE_URL, cache: str | Path | None = None) -> Collection:
    """Load a data set by name.

    Looks for ``$FOILS_DATA/<name>``, a folder, or ``<name>.zip`` there; then in the cache; then downloads it.

    Args:
        name: name of a BEIR data set, such as scifact or nfcorpus.
        base_url: where ``<name>.zip`` is downloaded from.
        cache: folder of downloaded archives; default ``$FOILS_CACHE``, or the platform's (on Linux
            ``$XDG_CACHE_HOME/foils`` or ``~/.cache/foils``).

    Raises:
        DataError: the name is not valid or not known, the download fails, or the data are not a data set.
        FolderError: the cache cannot be written.
    """
    if not NAME.fullmatch(name):
        raise DataError(
            f"{quoted(name)} is not a name of a data set; expected lower-case letters, digits, - and _, such "
            f"as scifact. To read data of yours, use {FROM_PATH}"
        )
    folder = cache_folder() if cache is None else Path(cache)
    archive = folder / f"{name}.zip"
    found = next((path for path in [*_own(name), archive] if path.exists()), None)
    if found is None:
        _download(f"{base_url.rstrip('/')}/{name}.zip", name, archive)
    return read_any(found or archive)


def _own(name: str) -> list[Path]:
    """Name the places below $FOILS_DATA."""
    data = os.environ.get("FOILS_DATA")
    return [Path(data).expanduser() / name, Path(data).expanduser() / f"{name}.zip"] if data else []


def _download(url: str, name: str, archive: Path) -> None:
    """Fetch an archive to a temporary name beside its own, check it, and only then give it its name."""
    with _request(url, name, archive) as response:
        try:
            archive.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(prefix=f".{name}-", suffix=".part", dir=archive.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    _receive(response, url, file)
                    file.flush()
                    os.fsync(file.fileno())
                _check(Path(part), url)
                Path(part).replace(archive)
            finally:
                Path(part).unlink(missing_ok=True)
        except OSError as error:
            raise FolderError(
                f"{shown(str(archive.parent))}: cannot be written ({error.strerror or error}); free space "
                "there, or give another "
                "folder as cache"
            ) from error


def _request(url: str, name: str, archive: Path) -> http.client.HTTPResponse:
    elsewhere = f"get {name}.zip otherwise and put it at {shown(str(archive))}, or its folder in $FOILS_DATA"
    here = f"; there is a path {name} here: to read it, use {FROM_PATH}" if Path(name).exists() else ""
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{shown(url)}: is not a web address; give base_url as https://… or http://…")
    try:
        return cast(http.client.HTTPResponse, urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS))
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.NOT_FOUND:
            raise DataError(
                f"there is no data set {quoted(name)} at {shown(url)} (404); check its spelling, for "
                f"instance scifact, nfcorpus, fiqa{here}"
            ) from error
        raise DataError(f"{shown(url)}: the server answers {error.code}; try again later, or {elsewhere}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"{shown(url)}: cannot be reached ({shown(str(reason))}); check the network, or {elsewhere}{here}"
        ) from error


def _receive(response: http.client.HTTPResponse, url: str, file: IO[bytes]) -> None:
    expected = response.headers.get("Content-Length", "")
    received = 0
    while chunk := _read(response, url, received):
        file.write(chunk)
        received += len(chunk)
    # A connection that closes early ends the body without an error.
    if expected.isdecimal() and received != int(expected):
        raise DataError(f"{shown(url)}: the download broke off after {received} of {expected} bytes; try again")


def _read(response: http.client.HTTPResponse, url: str, received: int) -> bytes:
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"{shown(url)}: the download broke off after {received} bytes ({shown(str(error))}); try again"
        ) from error


def _check(part: Path, url: str) -> None:
    try:
        folder = open_folder(part)
        folder.jsonl("queries")
        folder.qrels()
    except DataError as error:
        fault = str(error).removeprefix(f"{shown(str(part))}: ")
        raise DataError(f"{shown(url)}: what came is no data set: {fault}") from error
