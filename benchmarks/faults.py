"""Kill, starve and damage mining runs, and count what goes wrong.

    python benchmarks/faults.py [--quick]

Small runs in processes of their own (forks of this one, which saves their imports), over several recipes, block sizes
and numbers of threads. After each fault the same run is started again; it must end in the bytes of an undisturbed one,
and must not settle a shard again that the journal lists.

    fault points   killed before and amid each write, sync, rename and delete; what was not synced is lost
    SIGKILL        at a random moment, up to four times per folder
    SIGTERM        the same by another signal, as a batch system sends it
    disk full      a file system of a random size (where this process may mount one, else a limit on file sizes)
    damage         a bit flipped, a file cut or deleted: shards, lines of the journal, finished tables; and shards
                   damaged after they were checked, just before they are joined

A fault is *wrong* if the last run fails or its tables differ, *lost* if a listed shard was made again without being
damaged, *unnoticed* if damage was not named in a warning or an error.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # a forked process must not inherit a pool of threads

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults_runs import (
    ANCHORS,
    DONE,
    RECIPES,
    REFUSED,
    STOPPED,
    TABLES,
    Case,
    digests,
    finish,
    harm,
    limit_files,
    listed,
    small_disk,
    start,
)
from harness import CONSOLE, Aim, is_quick, save

from foils.errors import FolderError
from foils.mining import Mined, folder
from foils.mining import prepare as preparing

HERE = Path(__file__).resolve().parent
DRIVER = HERE.parent / "tests" / "mining" / "mining_driver.py"
SHARD_UNITS = 16
BLOCKS, THREADS = (None, 7, 64), (1, 2, 3)
KILLS, TERMS, FULL, DAMAGES = (204, 20, 22, 40) if not is_quick() else (10, 2, 3, 7)
KILLS_PER_FOLDER = 4
POINTS = {"new": (1, 1000), "fresh": (5, 1000), "deepen": (7, 1000)} if not is_quick() else {"new": (17, 3)}
"""Scenario → every how many fault points, and how many at most."""


@dataclass
class Tally:
    """What happened by one kind of fault."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unnoticed: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def words(self) -> str:
        """Say it in a line."""
        counts = f"{len(self.wrong)} wrong results, {len(self.lost)} lost shards, {len(self.unnoticed)} unnoticed"
        return f"{self.faults} faults: {counts} ({self.seconds:.0f} s)"


@dataclass
class Campaign:
    """The place where runs are made, what they must give, and how long they take undisturbed."""

    base: Path
    rng: random.Random
    wanted: dict[str, dict[str, str]]
    seconds: dict[str, float]

    def case(self) -> Case:
        """Choose a run."""
        return Case(self.rng.choice(list(RECIPES)), self.rng.choice(BLOCKS), self.rng.choice(THREADS))

    def check(self, case: Case, out: Path, tally: Tally, what: str) -> list[str]:
        """Go on undisturbed, and compare; give what the run said."""
        code, said = finish(start(case, out, self.base))
        if code != DONE or digests(out) != self.wanted[case.recipe]:
            tally.wrong.append(f"{what}: exit code {code}, {said}")
        return said


def fault_points(_: Campaign, tally: Tally) -> None:
    """Go through the deterministic fault points; what is begun afresh is meant to make all shards again."""
    for scenario, (step, count) in POINTS.items():
        with tempfile.TemporaryDirectory(prefix="foils-points-") as base:
            command = [sys.executable, str(DRIVER), scenario, base, "0", str(step), str(count)]
            environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
            done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        entries = [json.loads(line) for line in done.stdout.splitlines()]
        results = [entry["result"] for entry in entries if entry["again"] == 0]
        whole = results[-1]["bytes"] if results else None
        for entry in entries:
            if entry["code"] != 137:
                continue
            tally.faults += 1
            what = f"{scenario} {entry['n']} {entry['point']}"
            if entry["again"] or entry["result"]["bytes"] != whole:
                tally.wrong.append(what)
            elif (
                scenario != "fresh"
                and not entry["complete"]
                and set(entry["finished"]) & set(entry["result"]["written"])
            ):
                tally.lost.append(what)
            if (entry["opened"] == '"refused"') == entry["complete"]:
                tally.wrong.append(f"{what}: opening gave {entry['opened']}")


def signals(campaign: Campaign, tally: Tally, number: int, count: int) -> None:
    """Stop runs at random moments, again and again in one folder, and let the last one end."""
    while tally.faults < count:
        case, out = campaign.case(), campaign.base / "out"
        shutil.rmtree(out, ignore_errors=True)
        for attempt in range(campaign.rng.randint(1, KILLS_PER_FOLDER)):
            what = f"{signal.Signals(number).name} {attempt} of {case}"
            before = listed(out)
            seconds = campaign.rng.uniform(0, campaign.seconds[case.recipe])
            code, _ = finish(start(case, out, campaign.base), seconds, number)
            after = listed(out)
            tally.lost += [f"{what}: {name}" for name in before if after and after.get(name) != before[name]]
            if code == DONE:
                break
            tally.faults += 1
            if not (out / "manifest.json").is_file():
                with contextlib.suppress(FolderError):
                    Mined.open(out)
                    tally.wrong.append(f"{what}: an unfinished folder was opened")
        campaign.check(case, out, tally, f"after {signal.Signals(number).name}, {case}")


def full_disks(campaign: Campaign, tally: Tally) -> None:
    """Let the disk be too small, then large enough."""
    while tally.faults < FULL:
        case = campaign.case()
        kilobytes = campaign.rng.randint(8, 400)
        with small_disk(campaign.base, kilobytes) as disk:
            out = (disk or campaign.base) / "out"
            shutil.rmtree(out, ignore_errors=True)
            limit = None if disk else lambda size=kilobytes: limit_files(size * 100)
            code, said = finish(start(case, out, campaign.base, limit))
            before = listed(out)
            if code == DONE:
                continue
            tally.faults += 1
            what = f"{kilobytes} kB for {case}"
            if code != REFUSED or not any("free some space" in line or "File too large" in line for line in said):
                tally.unnoticed.append(f"{what}: exit code {code}, {said}")
            if disk:
                subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
            names = spied(case, out, campaign)
            tally.lost += [f"{what}: {name}" for name in before if name in names]
            if digests(out) != campaign.wanted[case.recipe]:
                tally.wrong.append(what)


def spied(case: Case, out: Path, campaign: Campaign) -> list[str]:
    """Go on undisturbed, and give the shards that were written."""
    notes = campaign.base / "written"
    notes.write_text("")

    def spy() -> None:
        original = folder.Folder.write_shard

        def write_shard(self: folder.Folder, name: str, *rest: Any) -> Any:
            with notes.open("a") as file:
                file.write(f"{name}\n")
            return original(self, name, *rest)

        folder.Folder.write_shard = write_shard

    finish(start(case, out, campaign.base, spy))
    return notes.read_text().split()


def stopped_before_the_end(case: Case, out: Path, campaign: Campaign) -> None:
    """Leave a run with all its shards, just before they are joined."""

    def stop() -> None:
        folder.Folder.join = lambda *_: os._exit(STOPPED)

    finish(start(case, out, campaign.base, stop))


def damages(campaign: Campaign, tally: Tally) -> None:
    """Damage what a run left, or what it is about to join, or its finished tables."""
    kinds = [damaged_shard, damaged_line, damaged_table, damaged_before_the_join]
    for number in range(DAMAGES):
        case, out = campaign.case(), campaign.base / "out"
        shutil.rmtree(out, ignore_errors=True)
        tally.faults += 1
        kinds[0 if number % 2 else number // 2 % len(kinds)](case, out, campaign, tally)


def damaged_shard(case: Case, out: Path, campaign: Campaign, tally: Tally) -> None:
    """Damage a shard between two runs: it is named, made again, and no other is."""
    stopped_before_the_end(case, out, campaign)
    path = campaign.rng.choice(sorted((out / "shards").iterdir()))
    how = campaign.rng.choice(["flipped", "cut", "deleted"])
    harm(path, how, campaign.rng)
    code, said = finish(start(case, out, campaign.base))
    expect(case, out, campaign, tally, f"{path.name} {how}", code, noticed=path.name in " ".join(said))


def damaged_line(case: Case, out: Path, campaign: Campaign, tally: Tally) -> None:
    """Flip a bit amid the journal."""
    stopped_before_the_end(case, out, campaign)
    harm(out / "journal.jsonl", "flipped", campaign.rng)
    code, said = finish(start(case, out, campaign.base))
    # Without its line break, the last line is a torn one, which a kill leaves and nobody is told of.
    noticed = "journal.jsonl: line" in " ".join(said) or not said
    expect(case, out, campaign, tally, "a line of the journal", code, noticed=noticed)


def damaged_table(case: Case, out: Path, campaign: Campaign, tally: Tally) -> None:
    """Damage a finished table: the same command names it and makes it again."""
    finish(start(case, out, campaign.base))
    path = out / campaign.rng.choice(TABLES[:3])
    harm(path, "flipped", campaign.rng)
    code, said = finish(start(case, out, campaign.base))
    expect(case, out, campaign, tally, f"finished {path.name}", code, noticed=path.name in " ".join(said))


def damaged_before_the_join(case: Case, out: Path, campaign: Campaign, tally: Tally) -> None:
    """Damage a shard that was checked already: joining names it, and the next run makes it again."""
    chosen, how = campaign.rng.randrange(ANCHORS // SHARD_UNITS), campaign.rng.choice(["flipped", "cut"])
    name = f"candidates-{chosen:05d}.parquet"

    def meddle() -> None:
        original = folder.Folder.join

        def join(self: folder.Folder, *rest: Any) -> Any:
            harm(self.shards / name, how, random.Random(chosen))
            return original(self, *rest)

        folder.Folder.join = join

    code, said = finish(start(case, out, campaign.base, meddle))
    noticed = code == REFUSED and name in " ".join(said)
    code, _ = finish(start(case, out, campaign.base))
    expect(case, out, campaign, tally, f"{name} {how} before the join", code, noticed=noticed)


def expect(case: Case, out: Path, campaign: Campaign, tally: Tally, what: str, code: int, *, noticed: bool) -> None:
    """Enter how a run after damage went."""
    if code != DONE or digests(out) != campaign.wanted[case.recipe]:
        tally.wrong.append(f"{what}, {case}: exit code {code}")
    if not noticed:
        tally.unnoticed.append(f"{what}, {case}")


def undisturbed(base: Path) -> tuple[dict[str, dict[str, str]], dict[str, float]]:
    """Mine by each recipe without a fault; the first run is in this process, for what is done once in each."""
    wanted, seconds = {}, {}
    for recipe in RECIPES:
        case = Case(recipe, None, 2)
        case.mine(base / "first", fresh=True)
        shutil.rmtree(base / "out", ignore_errors=True)
        begun = time.monotonic()
        code, said = finish(start(case, base / "out", base))
        seconds[recipe] = time.monotonic() - begun
        wanted[recipe] = digests(base / "out")
        if code != DONE or wanted[recipe] != digests(base / "first"):
            raise RuntimeError(f"{recipe}: an undisturbed run is not reproduced: {code}, {said}")
    return wanted, seconds


def main() -> int:
    """Return the exit code: 1 if anything went wrong."""
    preparing.SHARD_UNITS = SHARD_UNITS
    kinds: dict[str, Callable[[Campaign, Tally], None]] = {
        "fault points": fault_points,
        "SIGKILL": lambda campaign, tally: signals(campaign, tally, signal.SIGKILL, KILLS),
        "SIGTERM": lambda campaign, tally: signals(campaign, tally, signal.SIGTERM, TERMS),
        "disk full": full_disks,
        "damage": damages,
    }
    tallies: dict[str, Tally] = {}
    with tempfile.TemporaryDirectory(prefix="foils-faults-") as base:
        campaign = Campaign(Path(base), random.Random(0), *undisturbed(Path(base)))
        for kind, inflict in kinds.items():
            tally = tallies[kind] = Tally()
            begun = time.monotonic()
            inflict(campaign, tally)
            tally.seconds = time.monotonic() - begun
            CONSOLE.print(f"{kind:>12}  {tally.words()}")
            for line in (*tally.wrong, *tally.lost, *tally.unnoticed):
                CONSOLE.print(f"              {line}", markup=False)
    failed = sum(len(tally.wrong) + len(tally.lost) + len(tally.unnoticed) for tally in tallies.values())
    bars = {"SIGKILL": 200, "disk full": 20, "damage": 20}
    aims = [
        Aim(
            f"{kind}: wrong results, lost shards, damage unnoticed",
            f"0 of ≥ {bars.get(kind, 1)}",
            f"{len(tally.wrong)}, {len(tally.lost)}, {len(tally.unnoticed)} of {tally.faults}",
            not (tally.wrong or tally.lost or tally.unnoticed) and tally.faults >= bars.get(kind, 1),
        )
        for kind, tally in tallies.items()
    ]
    cases = f"{len(RECIPES)} recipes ({', '.join(RECIPES)}), blocks of {BLOCKS}, {THREADS} threads"
    save("faults", [], {"aims": aims, "lines": [f"{cases}; shards of {SHARD_UNITS} units"]})
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
