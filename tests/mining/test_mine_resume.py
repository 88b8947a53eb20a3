"""A run that is killed, wherever, is finished by the next run with the same bytes, and finished shards are kept."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mining_problem import file_bytes, finished_shards, problem

from foils.errors import FolderError
from foils.mining import Execution, Mined

HERE = Path(__file__).parent
DEEP = HERE / "deep.yaml"
COMPLETE = [
    ".foils.lock",
    "candidates.parquet",
    "identity.json",
    "items.parquet",
    "manifest.json",
    "negatives.parquet",
    "stats.json",
]
SHARDS = ["00000", "00001", "00002"]
KILLS_PER_FOLDER, FOLDERS = 5, 4
LONGEST_SECONDS = 0.3
PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from mining_problem import problem
from foils.mining import prepare
prepare.SHARD_UNITS = 8
this = problem(anchors=400, items=300, dim=8)
print("ready", flush=True)
this.mine(sys.argv[2], sys.argv[3])
print("done", flush=True)
"""


@pytest.fixture
def shards_of_8(monkeypatch):
    """As the processes have it."""
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 8)


def killed_at(folder: Path, *arguments: object) -> list[dict]:
    """Run the driver: one entry per fault point."""
    command = [sys.executable, HERE / "mining_driver.py", arguments[0], folder, *map(str, arguments[1:])]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet())
    return [json.loads(line) for line in done.stdout.splitlines()]


def quiet() -> dict[str, str]:
    """One thread per product, as a forked process must not inherit a pool of them."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def check(entry: dict, wanted: dict[str, str]) -> None:
    """Check what a run left that was killed, and what the next one gave."""
    assert entry["opened"] == ('"18 18 18"' if entry["complete"] else '"refused"'), entry
    assert entry["again"] == 0, entry
    assert entry["result"]["bytes"] == wanted, entry
    assert entry["result"]["left"] == COMPLETE, entry


@pytest.mark.usefixtures("shards_of_8")
@pytest.mark.parametrize("first", range(4))
def test_killed_at_each_fault_point_a_run_is_finished_by_the_next(tmp_path, first):
    wanted = file_bytes(problem(anchors=20, items=40).mine(DEEP, tmp_path / "whole").path)
    entries = killed_at(tmp_path, "new", first, 4)
    assert len(entries) > 20
    assert [entry["code"] for entry in entries] == [137] * (len(entries) - 1) + [0]
    for entry in entries:
        check(entry, wanted)
        left = [] if entry["complete"] else [name for name in SHARDS if name not in entry["finished"]]
        assert entry["result"]["written"] == left, entry
        if not left:
            assert entry["result"]["searched"] == 0, entry
    assert any(entry["complete"] for entry in entries)
    assert {len(entry["finished"]) for entry in entries} == {0, 1, 2, 3}


@pytest.mark.usefixtures("shards_of_8")
@pytest.mark.parametrize(("first", "step", "count"), [(0, 1, 16), (24, 13, 6)])
def test_killed_while_discarding_another_result_a_run_is_finished_by_the_next(tmp_path, first, step, count):
    wanted = file_bytes(problem(anchors=20, items=40).mine(DEEP, tmp_path / "whole").path)
    entries = killed_at(tmp_path, "fresh", first, step, count)
    assert entries, "nothing was killed"
    for entry in entries:
        check(entry, wanted)


@pytest.mark.usefixtures("shards_of_8")
def test_killed_while_searching_deeper_a_run_is_finished_by_the_next(tmp_path):
    wanted = file_bytes(problem(anchors=20, items=40).mine(DEEP, tmp_path / "whole").path)
    entries = killed_at(tmp_path, "deepen", 3, 11)
    assert len(entries) > 6
    for entry in entries:
        check(entry, wanted)


def start(recipe: Path, out: Path) -> subprocess.Popen:
    """Start mining in a process and wait until it is about to begin."""
    command = [sys.executable, "-c", PROCESS, str(HERE), str(recipe), str(out)]
    # Where the tests themselves run in the background, SIGINT may be ignored, and children would inherit that.
    heeding = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet(), **heeding
    )
    if process.stdout.readline() != "ready\n":
        pytest.fail(process.communicate()[1])
    return process


def stop(process: subprocess.Popen, number: signal.Signals, seconds: float) -> int:
    """Send a signal after a while, unless the process ends before."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
    process.communicate()
    return process.returncode


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory) -> dict[str, str]:
    """Digests of an undisturbed run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert stop(start(DEEP, out), signal.SIGKILL, 120) == 0
    return file_bytes(out)


@pytest.mark.parametrize("seed", range(FOLDERS))
def test_killed_at_random_a_run_is_finished_by_the_next(tmp_path, whole_run, seed):
    out, rng = tmp_path / "out", random.Random(seed)
    manifest, kills = out / "manifest.json", 0
    while kills < KILLS_PER_FOLDER:
        if stop(start(DEEP, out), signal.SIGKILL, rng.uniform(0, LONGEST_SECONDS)) == 0:
            assert file_bytes(out) == whole_run  # it was quicker
            shutil.rmtree(out)
            continue
        kills += 1
        if not manifest.is_file() or not json.loads(manifest.read_text())["complete"]:
            with pytest.raises(FolderError):
                Mined.open(out)
    assert stop(start(DEEP, out), signal.SIGKILL, 120) == 0
    assert file_bytes(out) == whole_run
    assert sorted(path.name for path in out.iterdir()) == COMPLETE


def test_an_interrupted_process_leaves_a_folder_that_can_be_resumed(tmp_path, whole_run):
    out = tmp_path / "out"
    process = start(DEEP, out)
    while not finished_shards(out):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert re.search(r"KeyboardInterrupt\nkept: \d+ of \d+ units$", complaint.rstrip())
    with pytest.raises(FolderError, match="not finished"):
        Mined.open(out)
    assert stop(start(DEEP, out), signal.SIGKILL, 120) == 0
    assert file_bytes(out) == whole_run


def test_an_interrupt_while_a_shard_is_computed_keeps_the_shards_before_it(tmp_path):
    this, out, wanted = problem(), tmp_path / "out", problem().mine(DEEP, tmp_path / "whole")

    def interrupt(done: int, total: int) -> None:
        if done > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        this.mine(DEEP, out, progress=interrupt)
    assert finished_shards(out) == ["00000"]
    assert not list(out.rglob("*.part"))
    seen = []
    this.mine(DEEP, out, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (16, 36)
    assert seen[-1] == (36, 36)
    assert file_bytes(out) == file_bytes(wanted.path)


def test_what_was_counted_and_spent_before_an_interrupt_is_not_lost(tmp_path):
    this, out, whole = problem(), tmp_path / "out", problem().mine(DEEP)

    def interrupt(done: int, total: int) -> None:
        if done > 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        this.mine(DEEP, out, progress=interrupt)
    lines = (out / "journal.jsonl").read_text().splitlines()
    spent = sum(json.loads(line)["shard"]["effort"]["wall_seconds"] for line in lines)
    mined = this.mine(DEEP, out)
    effort = {"wall_seconds", "cpu_seconds", "peak_anonymous_bytes", "source"}  # a source counts since the last start
    assert mined.stats["wall_seconds"] > spent > 0
    same = [{name: value for name, value in run.stats.items() if name not in effort} for run in (mined, whole)]
    assert repr(same[0]) == repr(same[1])  # whole numbers stay whole numbers


def test_a_finished_run_is_taken_as_it_is(tmp_path, monkeypatch):
    this, out = problem(), tmp_path / "out"
    first = this.mine(DEEP, out)
    times = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != ".foils.lock"}
    monkeypatch.setattr("foils.mining.settle.Search.candidates", None)
    again = this.mine(DEEP, out)
    assert again.stats == first.stats
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name != ".foils.lock"} == times
    assert not (out / "shards").exists()


def test_a_resumed_run_may_choose_its_memory_and_threads_anew(tmp_path):
    this, out = problem(), tmp_path / "out"

    def interrupt(done: int, total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        this.mine(DEEP, out, progress=interrupt, execution=Execution(block=3, threads=1))
    this.mine(DEEP, out, execution=Execution(memory_bytes=16 << 20, threads=2))
    assert file_bytes(out) == file_bytes(this.mine(DEEP, tmp_path / "whole").path)
