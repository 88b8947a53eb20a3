"""Small mining runs in processes of their own, for faults.py: start them, stop them, and look at what they left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import foils
from foils.errors import FoilsError
from foils.mining import Execution, Mined, journal

TABLES = ("negatives.parquet", "candidates.parquet", "items.parquet", "identity.json")
ANCHORS, ITEMS, DIM = 400, 300, 8
RECIPES: dict[str, tuple[str, ...]] = {
    "uniform": (),
    "naive-top-k": (),
    "nv-retriever": ("source.dense.k=12", "rules.relative_margin.margin=0.4"),  # several depths
    "bm25": (),
    "hybrid": (),
    "simans": (),
}
DONE, REFUSED, STOPPED = 0, 2, 143
LONGEST_SECONDS = 120


@dataclass(frozen=True)
class Case:
    """A run: its recipe and how it is carried out, which changes no byte."""

    recipe: str
    block: int | None
    threads: int

    def mine(self, out: Path, *, fresh: bool = False) -> Mined:
        """Mine into a folder, or go on there."""
        execution = Execution(block=self.block, threads=self.threads)
        return foils.mine(
            DATA, self.recipe, negatives=4, settings=RECIPES[self.recipe], out=out, execution=execution, fresh=fresh,
            query_vectors=QUERIES, item_vectors=CORPUS, cache=False,
        )  # fmt: skip


def problem() -> tuple[foils.Collection, Any, Any]:
    """Make anchors and items with words in common, and vectors."""
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(200)]
    texts = [" ".join(rng.choice(words, 8)) for _ in range(ANCHORS + ITEMS)]
    pairs = [(anchor, int(item)) for anchor in range(ANCHORS) for item in rng.choice(ITEMS, 2, replace=False)]
    data = foils.Collection.from_arrays(pairs, anchors=texts[:ANCHORS], items=texts[ANCHORS:])
    corpus = rng.standard_normal((ITEMS, DIM)).astype(np.float32)
    queries = rng.standard_normal((ANCHORS, DIM)).astype(np.float32)
    for anchor, item in pairs:
        queries[anchor] += corpus[item]
    return data, queries, corpus


DATA, QUERIES, CORPUS = problem()


def start(case: Case, out: Path, base: Path, before: Callable[[], object] | None = None) -> tuple[int, Path]:
    """Fork a process that mines; give its number, and the file where it will say how it went."""
    said = base / "said.json"
    said.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        _work(case, out, said, before)
    return child, said


def _work(case: Case, out: Path, said: Path, before: Callable[[], object] | None) -> NoReturn:
    """Mine in a forked process, which ends here."""
    code, heard = 1, []
    signal.signal(signal.SIGTERM, _stop)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if before is not None:
                before()
            try:
                case.mine(out)
                code = DONE
            except FoilsError as error:
                code, heard = REFUSED, [str(error)]
            except KeyboardInterrupt:
                code = STOPPED
        heard += [str(warning.message) for warning in caught]
    except BaseException as error:  # the parent must hear of it, whatever it is
        heard += [f"{type(error).__name__}: {error}"]
    with contextlib.suppress(OSError):
        said.write_text(json.dumps(heard))
    os._exit(code)


def _stop(number: int, frame: object) -> None:
    """Do what the command line does on SIGTERM."""
    raise KeyboardInterrupt


def finish(
    run: tuple[int, Path], seconds: float = LONGEST_SECONDS, number: int = signal.SIGKILL
) -> tuple[int, list[str]]:
    """Wait for a process, and send it a signal if it takes longer; give its exit code and what it said."""
    child, said = run
    ends = time.monotonic() + seconds
    done = 0
    while not done and time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
    if not done:
        os.kill(child, number)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), json.loads(said.read_text()) if said.exists() else []


def digests(out: Path) -> dict[str, str]:
    """Hash what equal runs have in common."""
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in TABLES if (out / name).is_file()}


def listed(out: Path) -> dict[str, int]:
    """Give when each shard that the journal lists was written; nothing once they are joined."""
    if not (out / "shards").is_dir():
        return {}
    shards, _ = journal.read(out / "journal.jsonl")
    files = [(shard.name, out / "shards" / f"negatives-{shard.name}.parquet") for shard in shards]
    return {name: path.stat().st_mtime_ns for name, path in files if path.is_file()}


@contextlib.contextmanager
def small_disk(base: Path, kilobytes: int) -> Iterator[Path | None]:
    """Mount a file system of this size; None where that is not allowed."""
    disk = base / "disk"
    disk.mkdir(exist_ok=True)
    options = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(options, capture_output=True, check=False).returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def limit_files(size: int) -> None:
    """Refuse files of more bytes than this, in this process."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def harm(path: Path, how: str, rng: random.Random) -> None:
    """Flip a bit of a file, cut it, or delete it."""
    content = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "cut":
        os.truncate(path, rng.randrange(len(content)))
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
