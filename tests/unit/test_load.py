"""``foils.load``: where it looks, and that a broken download is never taken for a data set."""

from __future__ import annotations

import io
import os
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from foils.collection import Collection
from foils.errors import DataError, FolderError
from foils.formats import datasets
from foils.formats.datasets import load

FILES = {
    "corpus.jsonl": b'{"_id":"d1","text":"first"}\n',
    "queries.jsonl": b'{"_id":"q1","text":"what"}\n',
    "qrels/train.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
}


def archive(prefix: str = "", **changes: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name, data in {**FILES, **changes}.items():
            written.writestr(prefix + name, data)
    return buffer.getvalue()


def unpacked(folder: Path, text: str = "first") -> Path:
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.replace(b"first", text.encode()))
    return folder


class Server(ThreadingHTTPServer):
    """Serves the archives that it is given, and can cut them short."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.archives: dict[str, bytes] = {}
        self.lost_bytes = 0
        self.says_length = True
        self.status = 200
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/datasets"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = self.server.archives.get(self.path.rpartition("/")[2])
        if body is None or self.server.status != 200:
            self.send_error(404 if body is None else self.server.status)
            return
        self.send_response(200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) - self.server.lost_bytes])

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        running.archives["small.zip"] = archive("small/")
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("FOILS_DATA", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("FOILS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def texts(collection: Collection) -> list[str]:
    return collection.items.texts.to_pylist()


def test_downloads_once_into_the_cache(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    first = load("small", base_url=server.url)
    second = load("small", base_url=server.url + "/")
    assert texts(first) == texts(second) == ["first"]
    assert first.digest("train") == second.digest("train")
    assert server.asked == ["/datasets/small.zip"]
    assert [path.name for path in (tmp_path / "cache" / "foils").iterdir()] == ["small.zip"]
    assert capfd.readouterr() == ("", "")


def test_cache_may_be_chosen(server: Server, tmp_path: Path):
    load("small", base_url=server.url, cache=tmp_path / "mine" / "deep")
    assert [path.name for path in (tmp_path / "mine" / "deep").iterdir()] == ["small.zip"]
    assert not (tmp_path / "cache").exists()


def test_cache_in_the_home_folder(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FOILS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/paths/are/ignored")
    load("small", base_url=server.url)
    assert (tmp_path / ".cache" / "foils" / "small.zip").is_file()


def test_own_data_come_first(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load("small", base_url=server.url)
    monkeypatch.setenv("FOILS_DATA", str(tmp_path / "data"))
    assert texts(load("small", base_url=server.url)) == ["first"]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "small.zip").write_bytes(archive(**{"corpus.jsonl": b'{"_id":"d1","text":"zipped"}\n'}))
    assert texts(load("small", base_url=server.url)) == ["zipped"]
    unpacked(tmp_path / "data" / "small", "mine")
    assert texts(load("small", base_url=server.url)) == ["mine"]
    assert len(server.asked) == 1


def test_own_folder_of_another_shape(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FOILS_DATA", str(tmp_path))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "labels.tsv").write_bytes(b"x")
    with pytest.raises(DataError, match=r"small: is no data set .*found labels.*expected a BEIR folder"):
        load("small", base_url=server.url)
    assert server.asked == []


@pytest.mark.parametrize(
    "name", ["", "../small", "a/b", "Small", "small.zip", ".hidden", "-x", "ümlaut", "a b", "a\n", "x?y"]
)
def test_names_that_are_none(name: str, server: Server):
    with pytest.raises(DataError, match=r"not a name of a data set; .* such as scifact.*from_path") as caught:
        load(name, base_url=server.url)
    assert str(caught.value).isprintable()
    assert server.asked == []


def broken(server: Server, tmp_path: Path, pattern: str) -> None:
    """Expect this error, and that nothing is left behind."""
    with pytest.raises(DataError, match=pattern) as caught:
        load("small", base_url=server.url)
    assert str(caught.value).isprintable()
    folder = tmp_path / "cache" / "foils"
    assert not folder.exists() or list(folder.iterdir()) == []


def test_unknown_data_set(server: Server, tmp_path: Path):
    server.archives.clear()
    broken(server, tmp_path, r"no data set 'small' at http.*/small\.zip \(404\); check its spelling")


def test_a_path_of_that_name_is_named(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    unpacked(tmp_path / "here" / "small")
    monkeypatch.chdir(tmp_path / "here")
    assert len(load("small", base_url=server.url).items) == 1  # downloaded all the same
    server.archives.clear()
    told = r"\(404\).*; there is a path small here: to read it, use foils\.Collection\.from_path\(DATA\)"
    with pytest.raises(DataError, match=told):
        load("small", base_url=server.url, cache=tmp_path / "other")


def test_server_in_trouble(server: Server, tmp_path: Path):
    server.status = 503
    broken(server, tmp_path, r"small\.zip: the server answers 503; try again later, or get small\.zip otherwise")


@pytest.mark.parametrize("says_length", [True, False])
def test_truncated_download(server: Server, tmp_path: Path, says_length: bool):
    server.lost_bytes, server.says_length = 5, says_length
    size = len(server.archives["small.zip"])
    told = f"broke off after {size - 5} of {size} bytes; try again" if says_length else "no data set: is neither"
    broken(server, tmp_path, told)
    server.lost_bytes = 0
    assert texts(load("small", base_url=server.url)) == ["first"]


def test_download_that_is_no_archive(server: Server, tmp_path: Path):
    server.archives["small.zip"] = b"<html>please log in</html>"
    broken(server, tmp_path, r"small\.zip: what came is no data set: is neither a folder nor a whole \.zip")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"])
def test_archive_that_is_no_data_set(server: Server, tmp_path: Path, name: str):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for other in FILES.keys() - {name}:
            written.writestr(other, FILES[other])
    server.archives["small.zip"] = buffer.getvalue()
    broken(server, tmp_path, r"small\.zip: what came is no data set: ")


def test_members_never_leave_the_archive(server: Server, tmp_path: Path):
    server.archives["small.zip"] = archive(**{"../../evil": b"x", "/absolute": b"x", "qrels/../../e.tsv": b"x"})
    load("small", base_url=server.url)
    everything = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert everything == {"cache", "cache/foils", "cache/foils/small.zip"}


def test_no_network(tmp_path: Path):
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(
            DataError, match=r"small\.zip: cannot be reached \(.*\); check the network, or get small\.zip"
        ):
            load("small", base_url=url)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("url", ["file:///tmp", "ftp://127.0.0.1", "nowhere"])
def test_other_addresses(url: str):
    with pytest.raises(DataError, match="is not a web address; give base_url"):
        load("small", base_url=url)


def test_address_that_cannot_be_read():
    with pytest.raises(DataError, match="cannot be reached"):
        load("small", base_url="http://127.0.0.1:nonsense")


def test_server_that_hangs_up_midway(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def reset(*_: object) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr("http.client.HTTPResponse.read", reset)
    broken(server, tmp_path, r"broke off after 0 bytes \(.*reset by peer\); try again")


def test_cache_that_cannot_be_written(server: Server, tmp_path: Path):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    with pytest.raises(FolderError, match=r"cache/foils: cannot be written \(.*\); free space there, or give another"):
        load("small", base_url=server.url)


def test_full_disk(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match="No space left on device"):
        load("small", base_url=server.url)
    assert list((tmp_path / "cache" / "foils").iterdir()) == []


def test_interrupted_download_leaves_nothing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "_check", interrupt)
    with pytest.raises(KeyboardInterrupt):
        load("small", base_url=server.url)
    assert list((tmp_path / "cache" / "foils").iterdir()) == []


def test_order_of_publishing(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The archive has its name only after its bytes are on disk and checked."""
    steps: list[str] = []
    fsync, replace, check = os.fsync, Path.replace, datasets._check
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(datasets, "_check", lambda *args: (steps.append("check"), check(*args))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (steps.append(to.name), replace(path, to))[1])
    load("small", base_url=server.url)
    assert steps == ["fsync", "check", "small.zip"]


def test_simultaneous_downloads(server: Server, tmp_path: Path):
    found: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(texts(load("small", base_url=server.url)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [["first"]] * 4
    assert [path.name for path in (tmp_path / "cache" / "foils").iterdir()] == ["small.zip"]
