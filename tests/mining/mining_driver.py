"""Kill a mining run at one fault point after the other, and run it again undisturbed; one line of JSON per point.

Usage: mining_driver.py SCENARIO FOLDER FIRST STEP [COUNT]

There is a fault point before each write, line added, fsync, rename, delete and new folder, so the one after it is that
of the next operation; one amid each write; and one at the end. A killed process also loses what it did not fsync.
SCENARIO is ``new``, ``fresh`` (over the result of another seed) or ``deepen``. Each run is a fork, which saves its
imports.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mining_problem import Problem, file_bytes, finished_shards, problem

from foils import _durable as durable
from foils.errors import FolderError
from foils.mining import Mined, prepare
from foils.mining.folder import Folder
from foils.mining.settle import Search

KILLED = 137
SHARDS = ["00000", "00001", "00002"]
RECIPE = Path(__file__).with_name("deep.yaml")


class Faults:
    """Count fault points and die at one of them."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.passed = fatal, 0
        self.unsynced: set[Path] = set()
        self.added: dict[Path, int] = {}
        original = durable.write_file
        durable.write_file = lambda path, write: original(path, self._faulty_write(write))
        durable.append = self._faulty_append
        durable.sync = self._faulty("sync", self._synced)  # waiting for the disk proves nothing here
        durable.rename = self._faulty("rename", self._renamed(durable.rename))
        durable.remove = self._faulty("remove", durable.remove)
        durable.make_folder = self._faulty("make_folder", durable.make_folder)

    def point(self, what: str) -> None:
        """Die if this is the fatal point."""
        if self.passed == self.fatal:
            for path in self.unsynced:
                path.write_bytes(b"")
            for path, size in self.added.items():
                os.truncate(path, size)
            say(what)
            os._exit(KILLED)
        self.passed += 1

    def _faulty(self, name: str, original: Callable[..., Any]) -> Callable[..., None]:
        def faulty(*paths: Path) -> None:
            self.point(f"{name} {paths[0].name}")
            original(*paths)

        return faulty

    def _faulty_write(self, write: Callable[[Path], object]) -> Callable[[Path], object]:
        def faulty(partial: Path) -> None:
            self.point(f"write {partial.name}")
            write(partial)
            if self.passed == self.fatal:
                os.truncate(partial, partial.stat().st_size // 2)
            self.point(f"amid write {partial.name}")
            self.unsynced.add(partial)

        return faulty

    def _faulty_append(self, path: Path, line: bytes) -> None:
        self.point(f"append {path.name}")
        whole = path.read_bytes() if path.exists() else b""
        path.write_bytes(whole + line[: len(line) // 2])
        self.point(f"amid append {path.name}")  # what came to the disk by itself: a torn line
        path.write_bytes(whole + line)
        self.added[path] = len(whole)
        durable.sync(path)
        if not whole:
            durable.sync(path.parent)

    def _synced(self, path: Path) -> None:
        self.unsynced.discard(path)
        self.added.pop(path, None)

    def _renamed(self, original: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def rename(source: Path, target: Path) -> None:
            original(source, target)
            if source in self.unsynced:
                self.unsynced ^= {source, target}

        return rename


def this_problem() -> Problem:
    """Give a problem of three shards."""
    prepare.SHARD_UNITS = 8
    return problem(anchors=20, items=40)


def lay(scenario: str, base: Path) -> None:
    """Make what the scenario starts from; that also does, before any fork, what is done once in a process."""
    this_problem().mine(RECIPE)
    if scenario == "deepen":
        tight = this_problem().mine(RECIPE, base / "tight", settings=["rules.absolute_margin.margin=0"])
        assert tight.rethreshold(["rules.absolute_margin.margin=3"], base / "rejudged").needs_deeper
    if scenario == "fresh":
        this_problem().mine(RECIPE, base / "old", seed=1)


def mine(scenario: str, base: Path, fatal: int) -> dict[str, Any]:
    """Do what the scenario says, and tell what was done."""
    this, out = this_problem(), base / "out"
    written: list[str] = []
    searched: list[int] = []
    _spy(Folder, "write_shard", lambda folder, name, *rest: written.append(name))
    _spy(Search, "candidates", lambda search, rows, depth: searched.append(len(rows)))
    rejudged = this.open(base / "rejudged") if scenario == "deepen" else None
    faults = Faults(fatal)
    done: Mined = rejudged.deepen(out) if rejudged else this.mine(RECIPE, out, fresh=scenario == "fresh")
    faults.point("end")
    return {
        "written": written,
        "searched": sum(searched),
        "bytes": file_bytes(done.path),
        "left": sorted(str(path.relative_to(out)) for path in out.rglob("*")),
        "units": done.stats["units"],
    }


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _spy(holder: type, name: str, note: Callable[..., object]) -> None:
    original = getattr(holder, name)

    def spied(*arguments: Any, **named: Any) -> Any:
        note(*arguments, **named)
        return original(*arguments, **named)

    setattr(holder, name, spied)


def in_child(task: Callable[..., Any], *arguments: Any) -> tuple[int, str]:
    """Run in a forked process: exit code, and the last line that it printed."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        os.dup2(writer, 1)
        try:
            say(json.dumps(task(*arguments)))
        except BaseException as error:  # the parent must hear of it, whatever it is
            say(f"{type(error).__name__}: {error}")
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        said = lines.read().splitlines()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, said[-1] if said else ""


def opened(out: Path) -> str:
    """Open what a killed run left, as a user may."""
    try:
        mined = Mined.open(out)
    except FolderError:
        return "refused"
    return f"{mined.negatives.num_rows} {mined.result.candidates().num_rows} {mined.stats['units']}"


def finished(out: Path) -> tuple[bool, list[str]]:
    """Read what is finished: all, or which shards."""
    if not (out / "manifest.json").is_file():
        return False, finished_shards(out)
    manifest = json.loads((out / "manifest.json").read_text())
    return manifest["complete"], SHARDS if manifest["complete"] else []


def main(scenario: str, folder: str, first: str, step: str, count: str = "1000") -> None:
    """Go through the fault points first, first + step, … until one lies beyond the end, or ``count`` are done."""
    base = Path(folder)
    lay(scenario, base)
    for fatal in range(int(first), int(first) + int(step) * int(count), int(step)):
        if scenario == "fresh":
            shutil.copytree(base / "old", base / "out")
        code, point = in_child(mine, scenario, base, fatal)
        complete, shards = finished(base / "out")
        _, seen = in_child(opened, base / "out")
        again, result = in_child(mine, scenario, base, -1)
        line = {"n": fatal, "code": code, "point": point, "complete": complete, "finished": shards, "opened": seen}
        say(json.dumps({**line, "again": again, "result": json.loads(result) if again == 0 else result}))
        shutil.rmtree(base / "out")
        if code != KILLED:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
