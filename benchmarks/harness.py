"""How every speed table is measured: contenders interleaved in one process, CPU seconds, paired ratios, peak memory.

    table = compare("Top 100 of 100,000", "queries", contenders, reference="faiss IndexFlatIP")
    save("search", [table], {})

Each contender runs once to warm up. Then every round runs each of them once, in an order that rotates from round to
round, and the ratio to the reference is taken within a round: what disturbs the machine for longer than a round
disturbs both sides of a ratio. The ratio given is the median over rounds of

    (work / CPU seconds) of the contender  /  (work / CPU seconds) of the reference

with a 95 % percentile bootstrap interval over rounds, its seed fixed; of five rounds that is the least and the largest
ratio seen. CPU seconds are those of all threads of the process, and of child processes that have ended. Memory is
looked at in a pass of its own, by another process, because code that holds the interpreter's lock would stop a thread.

Numbers go to ``docs/speed/NAME.json``, one entry per setting of the BLAS (see ``setting``), and ``make tables`` makes
docs/speed.md of them. With ``--quick`` on the command line nothing is saved.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import rich.table
import threadpoolctl
from hardware import machine, setting
from rich.console import Console

__all__ = [
    "CONSOLE",
    "Aim",
    "Contender",
    "Ratio",
    "Row",
    "Table",
    "at_least",
    "compare",
    "cpu_seconds",
    "is_quick",
    "machine",
    "peak_of",
    "save",
    "setting",
    "single_thread",
    "timed",
]

CONSOLE = Console(width=None if sys.stdout.isatty() else 160)
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "speed"
Seconds = tuple[float, float]
"""Wall-clock and CPU seconds of one call."""
RESAMPLES = 9_999
CONFIDENCE = 0.95
WATCH = """
import os, select, sys, time

def anonymous(process):
    own, children = 0, []
    try:
        with open(f"/proc/{process}/status") as lines:
            own = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)
        for task in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{task}/children") as listed:
                children += listed.read().split()
    except OSError:
        pass  # it ended while it was looked at, or the kernel does not tell children
    return own + sum(anonymous(child) for child in children if int(child) != os.getpid())

first = peak = anonymous(sys.argv[1])
print("watching", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    peak = max(peak, anonymous(sys.argv[1]))
print(peak - first)
"""
"""Looks at a process and its children 200 times a second, until its standard input ends; needs Linux."""


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a table.

    Attributes:
        name: how the table calls it.
        run: does the work once.
        work: how much that is, in the table's unit.
    """

    name: str
    run: Callable[[], object]
    work: float


class Ratio(msgspec.Struct, frozen=True):
    """A median of paired ratios with its interval."""

    median: float
    low: float
    high: float


class Row(msgspec.Struct, frozen=True):
    """What was measured of one contender.

    Attributes:
        name: of the contender.
        work: done by one call, in the table's unit.
        wall: seconds of each round.
        cpu: CPU seconds of each round.
        wall_seconds: their median.
        cpu_seconds: their median.
        per_cpu_second: work done in a CPU second.
        ratio: how much of the reference's work per CPU second that is.
        peak_bytes: anonymous memory that one call took beyond what stood before; None = not measured.
        note: anything that a reader should know, such as a recall.
    """

    name: str
    work: float
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    wall_seconds: float
    cpu_seconds: float
    per_cpu_second: float
    ratio: Ratio
    peak_bytes: int | None = None
    note: str = ""


class Table(msgspec.Struct, frozen=True):
    """One table.

    Attributes:
        title: what is compared.
        unit: of the work: queries, texts, samples.
        reference: name of the contender that ratios are to.
        rounds: how often each contender ran.
        load: the machine's load average of one minute, before and after; above 1 others were at work too.
        rows: one per contender, as given.
    """

    title: str
    unit: str
    reference: str
    rounds: int
    load: tuple[float, float]
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """Give the row of a contender."""
        return next(row for row in self.rows if row.name == name)

    def ratio(self, name: str, to: str) -> Ratio:
        """Give the ratio of one contender's work per CPU second to another's."""
        own, other = self.row(name), self.row(to)
        return paired_ratio(own.cpu, other.cpu, own.work / other.work)

    def wall_ratio(self, name: str, to: str) -> Ratio:
        """Give the same of wall-clock seconds."""
        own, other = self.row(name), self.row(to)
        return paired_ratio(own.wall, other.wall, own.work / other.work)


class Aim(msgspec.Struct, frozen=True):
    """A bar, and what was reached; given to ``save`` as ``{"aims": [aim, …]}``, it becomes a line of docs/speed.md.

    Attributes:
        what: what was measured.
        bar: the bar in words, for instance ``≥ 0.85``.
        reached: what was reached, in words.
        met: whether that is enough.
    """

    what: str
    bar: str
    reached: str
    met: bool


def at_least(what: str, bar: float, reached: Ratio) -> Aim:
    """Compare a ratio's median with a lower bar."""
    return Aim(
        what, f"≥ {bar:g}", f"{reached.median:.2f} [{reached.low:.2f}, {reached.high:.2f}]", reached.median >= bar
    )


def compare(
    title: str,
    unit: str,
    contenders: Sequence[Contender],
    *,
    rounds: int = 5,
    reference: str | Sequence[str],
    notes: Mapping[str, str] | None = None,
    warm_up: bool = True,
    with_memory: bool = True,
) -> Table:
    """Measure contenders side by side, and print the table.

    Args:
        title: what is compared.
        unit: of ``Contender.work``.
        contenders: in the order of the rows.
        rounds: how often each runs.
        reference: name of the contender that ratios are to; of several, the one that turns out fastest.
        notes: contender → what a reader should know.
        warm_up: run each once before the rounds.
        with_memory: look at memory too, in a further call of each.

    Raises:
        ValueError: there is no contender of the reference's name.
    """
    references = [reference] if isinstance(reference, str) else list(reference)
    if unknown := set(references) - {contender.name for contender in contenders}:
        raise ValueError(f"no contender is called {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    CONSOLE.print(f"{title}: {len(contenders)} contenders, {rounds} rounds")  # no spinner: its thread would take time
    for contender in contenders if warm_up else ():
        contender.run()
    gc.collect()
    gc.freeze()  # collecting before each call then looks at little; else it takes longer than many a call
    seconds = interleaved(contenders, rounds)
    peaks = {contender.name: peak_of(contender.run) if with_memory else None for contender in contenders}
    gc.unfreeze()
    chosen = fastest(contenders, seconds, references)
    rows = (made_row(contender, seconds[contender.name], seconds[chosen.name], chosen.work) for contender in contenders)
    told = notes or {}
    full = tuple(msgspec.structs.replace(row, peak_bytes=peaks[row.name], note=told.get(row.name, "")) for row in rows)
    table = Table(title, unit, chosen.name, rounds, (load, os.getloadavg()[0]), full)
    show(table)
    return table


def interleaved(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Seconds]]:
    """Run each once per round, beginning each round with the next of them; give their seconds by name."""
    seconds: dict[str, list[Seconds]] = {contender.name: [] for contender in contenders}
    for number in range(rounds):
        for place in range(len(contenders)):
            contender = contenders[(number + place) % len(contenders)]
            seconds[contender.name].append(timed(contender.run))
    return seconds


def timed(run: Callable[[], object]) -> Seconds:
    """Give the wall-clock and the CPU seconds of one call."""
    gc.collect()
    cpu, wall = cpu_seconds(), time.perf_counter()
    run()
    return round(time.perf_counter() - wall, 6), max(round(cpu_seconds() - cpu, 6), 1e-6)


def cpu_seconds() -> float:
    """Give the CPU seconds of all threads so far, and of children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def peak_of(run: Callable[[], object]) -> int | None:
    """Give how much anonymous memory one call takes beyond what stands before, children included; None = unknown."""
    if sys.platform != "linux":
        return None
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    ctypes.CDLL(None).malloc_trim(0)
    command = [sys.executable, "-S", "-c", WATCH, str(os.getpid())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watcher:
        said, told = watcher.stdin, watcher.stdout
        if said is None or told is None or told.readline() != "watching\n":
            raise RuntimeError("the process that looks at memory did not start")
        run()
        said.close()
        return int(told.read())


def fastest(
    contenders: Sequence[Contender], seconds: Mapping[str, Sequence[Seconds]], names: Sequence[str]
) -> Contender:
    """Find the one of these names that does the most work in a CPU second."""
    candidates = [contender for contender in contenders if contender.name in names]
    return max(candidates, key=lambda one: one.work / float(np.median([cpu for _, cpu in seconds[one.name]])))


def made_row(
    contender: Contender, seconds: Sequence[Seconds], reference: Sequence[Seconds], reference_work: float
) -> Row:
    """Take medians."""
    wall, cpu = (tuple(side) for side in zip(*seconds, strict=True))
    median = float(np.median(cpu))
    ratio = paired_ratio(cpu, [other for _, other in reference], contender.work / reference_work)
    per_second = contender.work / median
    return Row(contender.name, contender.work, wall, cpu, float(np.median(wall)), median, per_second, ratio)


def paired_ratio(own: Sequence[float], reference: Sequence[float], work: float = 1.0) -> Ratio:
    """Give the median over rounds of reference / own seconds, times the ratio of work, with its bootstrap interval."""
    ratios = work * np.asarray(reference, np.float64) / np.asarray(own, np.float64)
    draws = np.random.default_rng(0).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    medians = np.median(ratios[draws], axis=1)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return Ratio(float(np.median(ratios)), float(low), float(high))


def show(table: Table) -> None:
    """Print a table."""
    head = ("contender", "wall s", "CPU s", f"{table.unit} per CPU s", f"ratio to {table.reference}", "peak MB", "note")
    shown = rich.table.Table(*head, title=f"{table.title} (load {table.load[0]:.1f} → {table.load[1]:.1f})")
    for row in table.rows:
        shown.add_row(
            row.name,
            f"{row.wall_seconds:.3f}",
            f"{row.cpu_seconds:.3f}",
            f"{row.per_cpu_second:,.4g}",
            f"{row.ratio.median:.2f} [{row.ratio.low:.2f}, {row.ratio.high:.2f}]",
            "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:,.0f}",
            row.note,
        )
    CONSOLE.print(shown)


@contextmanager
def single_thread() -> Iterator[None]:
    """Let NumPy, FAISS, PyTorch and whatever else is loaded compute on one thread; load them before."""
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 1
    with threadpoolctl.threadpool_limits(1):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(threads)


def is_quick() -> bool:
    """Say whether the command line asks for a short try with small sizes."""
    return "--quick" in sys.argv[1:]


def save(name: str, tables: Sequence[Table], facts: Mapping[str, Any]) -> None:
    """Put this process's results into docs/speed/NAME.json, in place of earlier ones of the same setting of the BLAS.

    Args:
        name: of the benchmark.
        tables: as ``compare`` gave them.
        facts: further findings, JSON-ready; docs/speed.md shows ``aims`` (see ``Aim``) and ``lines`` (sentences).
    """
    if is_quick():
        CONSOLE.print("Not saved: --quick.")
        return
    path = FOLDER / f"{name}.json"
    before = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    after = merged(before, setting(), {"machine": machine(), "tables": list(tables), "facts": dict(facts)})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(after), indent=1) + b"\n")
    CONSOLE.print(f"Saved in docs/speed/{path.name}: {setting()}")


def merged(before: Mapping[str, Any], key: str, results: Mapping[str, Any]) -> dict[str, Any]:
    """Replace one setting's results and keep the others, in the order of their names."""
    settings = {**before.get("settings", {}), key: results}
    return {"settings": dict(sorted(settings.items()))}
