"""Full disks, folders that cannot be written, damaged files, two runs at once: nothing half-written counts."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mining_problem import file_bytes, finished_shards, problem

from foils import _durable as durable
from foils.errors import FolderError
from foils.mining import Mined

HERE = Path(__file__).parent
DEEP = HERE / "deep.yaml"


@pytest.fixture
def wanted(tmp_path):
    """Digests of an undisturbed run."""
    return file_bytes(problem().mine(DEEP, tmp_path / "wanted").path)


def failing_write(monkeypatch, number: int, error: int, part: str) -> None:
    """Let the n-th write of a file whose name holds ``part``, or of a line to it, fail amid it."""
    original, seen = durable.write_file, []
    append, lines = durable.append, []

    def torn(path, line):
        lines.extend([path] * (part in path.name))
        failing = part in path.name and len(lines) == number
        append(path, line[: len(line) // 2] if failing else line)
        if failing:
            raise OSError(error, os.strerror(error))

    def write_file(path, write):
        def broken(partial):
            write(partial)
            os.truncate(partial, partial.stat().st_size // 2)
            raise OSError(error, os.strerror(error))

        seen.extend([path] * (part in path.name))
        original(path, broken if part in path.name and len(seen) == number else write)

    monkeypatch.setattr(durable, "write_file", write_file)
    monkeypatch.setattr(durable, "append", torn)


@pytest.mark.parametrize(
    ("part", "number", "shards"),
    [
        ("identity", 1, None),
        ("negatives-", 1, 0),
        ("candidates-", 3, 2),
        ("journal", 1, 0),
        ("journal", 2, 1),
        ("negatives.parquet", 1, 3),
        ("items", 1, 3),
        ("stats", 1, 3),
        ("manifest", 1, 3),
    ],
)
def test_a_full_disk_is_explained_and_the_next_run_goes_on(tmp_path, monkeypatch, wanted, part, number, shards):
    this, out = problem(), tmp_path / "out"
    with monkeypatch.context() as patch:
        failing_write(patch, number, errno.ENOSPC, part)
        with pytest.raises(FolderError, match="No space left on device; free some space, and run the same command"):
            this.mine(DEEP, out)
    assert not list(out.rglob("*.part"))  # what was half-written does not fill the disk
    with pytest.raises(FolderError):
        Mined.open(out)
    finished = finished_shards(out)
    assert len(finished) == (shards or 0)
    times = {path: path.stat().st_mtime_ns for name in finished for path in out.glob(f"shards/*-{name}.parquet")}
    seen = []
    this.mine(DEEP, out, progress=lambda done, total: seen.append(done))
    assert len(times) == 2 * len(finished)
    assert seen[0] == 16 * len(finished) if len(finished) < 3 else 36  # what is there is not done again
    assert seen == sorted(seen)
    assert seen[-1] == 36
    assert file_bytes(out) == wanted


@pytest.mark.parametrize(
    ("error", "mend"),
    [(errno.EDQUOT, "free some space"), (errno.EROFS, "choose another"), (errno.EIO, "choose another")],
)
def test_other_failures_of_the_disk_are_explained_too(tmp_path, monkeypatch, error, mend):
    failing_write(monkeypatch, 1, error, "negatives-")
    with pytest.raises(FolderError) as caught:
        problem().mine(DEEP, tmp_path / "out")
    assert os.strerror(error) in str(caught.value)
    assert mend in str(caught.value)


def test_an_error_of_a_part_is_not_blamed_on_the_folder(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, "the vectors are on a broken disk")

    monkeypatch.setattr("foils.mining.settle.Search.candidates", broken)
    with pytest.raises(OSError, match="the vectors are on a broken disk"):
        problem().mine(DEEP, tmp_path / "out")


def limited(bytes_per_file: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))


MINE = """
import sys
sys.path.insert(0, sys.argv[1])
from mining_problem import problem
from foils.errors import FolderError
from foils.mining import prepare
prepare.SHARD_UNITS = 16
try:
    problem().mine(sys.argv[2], sys.argv[3])
except FolderError as error:
    print(error)
    sys.exit(2)
"""


def mined_by_a_process(out: Path, *before: str, **options) -> subprocess.CompletedProcess:
    command = [*before, sys.executable, "-c", MINE, str(HERE), str(DEEP), str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_write_that_the_system_really_refuses_is_explained(tmp_path, wanted):
    out = tmp_path / "out"
    done = mined_by_a_process(out, preexec_fn=lambda: limited(4096))
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(f"{out}: File too large; ")
    assert not list(out.rglob("*.part"))
    problem().mine(DEEP, out)
    assert file_bytes(out) == wanted


def test_a_disk_that_is_really_full_is_explained(tmp_path, wanted):
    disk = tmp_path / "disk"
    disk.mkdir()
    # In a mount namespace of its own; 48 kB hold a shard or two.
    script = 'mount -t tmpfs -o size=48k tmpfs "$0" || exit 77; "$@"; code=$?; cp -r "$0"/out "$0".copy; exit $code'
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("making a tiny disk needs unshare(1), which is not here")
    done = mined_by_a_process(disk / "out", unshare, "--mount", "sh", "-c", script, str(disk))
    if done.returncode == 77 or "Operation not permitted" in done.stderr:
        pytest.skip("making a tiny disk needs the right to mount, which this user has not")
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith(f"{disk / 'out'}: No space left on device; free some space")
    copy = tmp_path / "disk.copy"
    assert finished_shards(copy)
    problem().mine(DEEP, copy)
    assert file_bytes(copy) == wanted


@pytest.mark.parametrize("kind", ["under a file", "no right", "is a file"])
def test_a_folder_that_cannot_be_made_is_refused_before_work(tmp_path, monkeypatch, kind):
    file = tmp_path / "file"
    file.write_text("mine")
    out = {"under a file": file / "out", "no right": tmp_path / "out", "is a file": file}[kind]
    if kind == "no right":

        def denied(*_, **__):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "mkdir", denied)
    monkeypatch.setattr("foils.mining.settle.Search.candidates", None)
    with pytest.raises(FolderError, match=r"give a folder as --out|make the folder writable, or choose another"):
        problem().mine(DEEP, out)
    assert file.read_text() == "mine"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["negatives-00001", "candidates-00000"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_shard_is_noticed_and_made_again(tmp_path, monkeypatch, wanted, name, damage):
    this, out = problem(), tmp_path / "out"
    with monkeypatch.context() as patch:
        failing_write(patch, 1, errno.ENOSPC, "items")
        with pytest.raises(FolderError):
            this.mine(DEEP, out)
    harm(out / "shards" / f"{name}.parquet", damage)
    written = []
    original = durable.write_file
    monkeypatch.setattr(durable, "write_file", lambda path, write: (written.append(path.name), original(path, write)))
    state = "gone" if damage == "gone" else "damaged since it was written"
    with pytest.warns(UserWarning, match=f"{name}.parquet: {state}.*; it is made again"):
        this.mine(DEEP, out)
    number = name[-5:]
    assert [name for name in written if "-" in name] == [f"negatives-{number}.parquet", f"candidates-{number}.parquet"]
    assert file_bytes(out) == wanted


@pytest.mark.parametrize("name", ["negatives", "candidates", "items"])
@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_table_of_a_finished_run_is_noticed_and_made_again(tmp_path, wanted, name, damage):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    harm(out / f"{name}.parquet", damage)
    with pytest.warns(UserWarning, match=f"{name}.parquet: .*; it is made again"):
        this.mine(DEEP, out)
    assert file_bytes(out) == wanted


def test_lost_statistics_are_made_again(tmp_path):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    (out / "stats.json").unlink()
    assert this.mine(DEEP, out).stats["units"] == 36


def harm(path: Path, damage: str) -> None:
    """Flip a byte in the middle of a file, cut it, or delete it."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // (2 if damage == "cut" else 1)])


def test_a_broken_manifest_is_refused_with_a_mend(tmp_path, wanted):
    this, out = problem(), tmp_path / "out"
    this.mine(DEEP, out)
    (out / "manifest.json").write_text('{"complete": "perhaps"}')
    with pytest.raises(FolderError, match="--fresh"):
        this.mine(DEEP, out)
    with pytest.raises(FolderError, match="--fresh"):
        Mined.open(out)
    this.mine(DEEP, out, fresh=True)
    assert file_bytes(out) == wanted


WAITING = """
import sys
sys.path.insert(0, sys.argv[1])
from mining_problem import problem
from foils.mining import prepare
prepare.SHARD_UNITS = 16

def wait(done, total):
    if done == 32:
        print("holding", flush=True)
        sys.stdin.readline()

problem().mine(sys.argv[2], sys.argv[3], progress=wait)
"""


@pytest.mark.parametrize("fresh", [False, True])
def test_of_two_runs_into_one_folder_the_second_is_refused(tmp_path, monkeypatch, wanted, fresh):
    this, out = problem(), tmp_path / "out"
    command = [sys.executable, "-c", WAITING, str(HERE), str(DEEP), str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "holding\n"
        before = sorted(path.name for path in out.rglob("*"))
        with monkeypatch.context() as patch:
            patch.setattr("foils.mining.settle.Search.candidates", None)
            with pytest.raises(FolderError, match="another run is writing here"):
                this.mine(DEEP, out, fresh=fresh)
        assert sorted(path.name for path in out.rglob("*")) == before
        first.communicate("go on\n")
    assert first.returncode == 0
    assert file_bytes(out) == wanted
    assert this.mine(DEEP, out).stats["units"] == 36  # the lock is gone with its process


def test_a_file_is_synced_before_it_is_renamed_and_its_folder_after(tmp_path, monkeypatch):
    calls = []
    for name in ("sync", "rename"):
        original = getattr(durable, name)
        monkeypatch.setattr(
            durable,
            name,
            lambda *paths, name=name, original=original: (calls.append((name, *paths)), original(*paths)),
        )
    path, partial = tmp_path / "a.json", tmp_path / ".a.json.part"
    durable.write_json(path, {"b": 1, "a": "ä"})
    assert calls == [("sync", partial), ("rename", partial, path), ("sync", tmp_path)]
    assert path.read_text(encoding="utf-8") == '{\n  "a": "ä",\n  "b": 1\n}\n'


def test_new_folders_are_synced_into_those_that_hold_them(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(durable, "sync", synced.append)
    durable.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path / "a", tmp_path]
    durable.make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2


def test_shards_are_on_disk_before_the_journal_lists_them(tmp_path, monkeypatch):
    order = []
    original = durable.write_file
    monkeypatch.setattr(durable, "write_file", lambda path, write: (original(path, write), order.append(path.name)))
    append = durable.append
    monkeypatch.setattr(durable, "append", lambda path, line: (append(path, line), order.append(path.name)))
    problem().mine(DEEP, tmp_path / "out")
    shards = [f"{table}-0000{n}.parquet" for n in range(3) for table in ("negatives", "candidates")]
    first, second, third = ([*shards[2 * n : 2 * n + 2], "journal.jsonl"] for n in range(3))
    joined = ["negatives.parquet", "candidates.parquet", "items.parquet", "stats.json", "manifest.json"]
    assert order == ["identity.json", *first, *second, *third, *joined]
    assert pq.read_metadata(tmp_path / "out" / "items.parquet").num_rows == 90
