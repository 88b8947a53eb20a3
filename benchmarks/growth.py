"""How time and memory of foils.mine grow with anchors and with items; and a million passages.

    python benchmarks/run.py growth [--quick]                        # docs/speed/growth.json, five sizes each way
    python benchmarks/run.py growth --million [--scratch FOLDER]     # docs/speed/million.json, 100,000 × 1,000,000
    python benchmarks/growth.py --plot                               # docs/speed/growth.svg, of the numbers saved

Recipe nv-retriever (8 negatives from a window of 100), all cores, vectors of 384 dimensions in memory-mapped files and
no texts. Memory is the anonymous memory of the process at its peak: what mining takes, Python and its libraries. Each
size has a process of its own, and runs three times for its time and three times for its memory; both are medians. All
are searched by float32 products: a rounded copy, which is made where a search is long enough, would bend the lines. No
size has less than eight shards, so that as many are under way as ever are. The million's vectors are float16 (845 MB of
files), its budget is 1 GB, it is searched in whatever way is fastest, and it runs once. The share of the product is the
time that the fastest float32 product of NumPy or PyTorch would take for all scores, measured right before on one
thread, over the CPU time of the run.
Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import planted
from growth_plot import draw
from harness import CONSOLE, Aim, is_quick, peak_of, save, single_thread, timed
from products import best_rate

import foils

DIM, NEGATIVES = 384, 8
THREADS = os.cpu_count() or 1
ANCHORS = [(anchors, 12_500) for anchors in (8_000, 16_000, 32_000, 64_000, 128_000)]
ITEMS = [(8_000, items) for items in (12_500, 25_000, 50_000, 100_000, 200_000)]
QUICK = [(250, 4_000), (500, 4_000), (500, 8_000)]
BUDGET = 128_000_000
MILLION = (100_000, 1_000_000)
MILLION_QUICK = (2_000, 20_000)
MILLION_BUDGET = 1_000_000_000
MILLION_BOUND = 2_000_000_000
"""Bytes of anonymous memory that the million may take."""
RUNS = 3
STEEPEST = 1.1
"""Exponent of time that still counts as linear."""
LEAN = 200
"""Bytes of memory per anchor or item that still count as flat: names, positives, the rows to write."""


def main() -> None:
    """Measure, draw, or be one of the processes that measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--plot", action="store_true")
    parser.add_argument("--scratch", type=Path, help="where vectors and results go; default: the system's")
    parser.add_argument("--point", nargs=4, metavar=("FOLDER", "BUDGET", "RUNS", "SHARE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.point:
        folder, budget, runs, share = options.point
        sys.stdout.write(json.dumps(point(Path(folder), int(budget), int(runs), with_share=share == "yes")) + "\n")
    elif options.plot:
        draw()
    elif options.million:
        million(options.scratch)
    else:
        growth(options.scratch)


def growth(scratch: Path | None) -> None:
    """Measure five sizes each way."""
    ways = {"": QUICK} if is_quick() else {"anchors": ANCHORS, "items": ITEMS}
    points = {
        size: measured(*size, "float32", BUDGET, RUNS, scratch)
        for size in dict.fromkeys(itertools.chain(*ways.values()))
    }
    if is_quick():
        save("growth", [], {})
        return
    aims = [aim for way, sizes in ways.items() for aim in judged(way, [points[size] for size in sizes])]
    rows = [
        [f"{p['anchors']:,}", f"{p['items']:,}", f"{p['wall_seconds']:.2f}", f"{p['cpu_seconds']:.2f}", megabytes(p)]
        for p in points.values()
    ]
    grid = {"head": ["anchors", "items", "wall s", "CPU s", "anonymous memory, MB"], "rows": rows}
    save("growth", [], {"points": list(points.values()), "aims": aims, "grids": [grid]})
    draw()


def judged(way: str, points: list[dict[str, Any]]) -> list[Aim]:
    """Judge growth along one way: the exponent of time, and bytes per anchor or item."""
    sizes, cpu, peaks = (
        np.array([point[key] for point in points], float) for key in (way, "cpu_seconds", "peak_bytes")
    )
    exponent = float(np.polyfit(np.log(sizes), np.log(cpu), 1)[0])
    slope = float(np.polyfit(sizes, peaks, 1)[0])
    return [
        Aim(f"exponent of CPU time in {way}", f"≤ {STEEPEST}", f"{exponent:.2f}", exponent <= STEEPEST),
        Aim(f"memory per further {way.removesuffix('s')}", f"≤ {LEAN} bytes", f"{slope:.0f} bytes", slope <= LEAN),
    ]


def million(scratch: Path | None) -> None:
    """Measure the large run."""
    size = MILLION_QUICK if is_quick() else MILLION
    found = measured(*size, "float16", MILLION_BUDGET, 1, scratch, with_share=True)
    total = found["peak_bytes"]
    what = f"{size[0]:,} anchors × {size[1]:,} items × {DIM}, float16"
    aim = Aim(f"{what}: anonymous memory", "< 2,000 MB", f"{total / 1e6:,.0f} MB", total < MILLION_BOUND)
    line = (
        f"{what}: {found['wall_seconds']:,.0f} s, {found['cpu_seconds']:,.0f} CPU s on {THREADS} threads, "
        f"{found['share']:.2f} of the product ({found['product'].removeprefix('limit: ')}), {total / 1e6:,.0f} MB."
    )
    CONSOLE.print(line)
    save("million", [], {"point": found, "aims": [aim], "lines": [line]})


def measured(
    anchors: int, items: int, dtype: str, budget: int, runs: int, scratch: Path | None, *, with_share: bool = False
) -> dict[str, Any]:
    """Make the vectors of one size, and measure it in a process of its own."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        write_vectors(folder, anchors, items, dtype)
        arguments = ["--point", str(folder), str(budget), str(runs), "yes" if with_share else "no"]
        command = [sys.executable, __file__, *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            answer = process.communicate()[0]
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        found = {"anchors": anchors, "items": items, **json.loads(answer.splitlines()[-1])}
    finally:
        shutil.rmtree(folder)
    CONSOLE.print(found)
    return found


def write_vectors(folder: Path, anchors: int, items: int, dtype: str) -> None:
    """Write vectors of items and anchors and the item of each anchor, block by block."""
    shapes = {"items": (items, DIM), "anchors": (anchors, DIM)}
    made = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=dtype, shape=shape)
        for name, shape in shapes.items()
    }
    for where, block in planted.blocks(items, DIM, 1):
        made["items"][where] = block
    positives = np.resize(np.random.default_rng(3).permutation(items), anchors)
    np.save(folder / "positives.npy", positives)
    for start in range(0, anchors, planted.BLOCK):
        part = positives[start : start + planted.BLOCK]
        made["anchors"][start : start + len(part)] = planted.queries(made["items"], part, 2 + start)
    for matrix in made.values():
        matrix.flush()


def point(folder: Path, budget: int, runs: int, *, with_share: bool) -> dict[str, Any]:
    """Measure one size in this process: seconds, memory, and the share of the product if asked for."""
    began = time.perf_counter()
    execution = foils.Execution(memory_bytes=budget, threads=THREADS, search="auto" if runs == 1 else "exact")

    def progress(done: int, total: int) -> None:
        if runs == 1:
            sys.stderr.write(f"\r{done:,} of {total:,} anchors, {time.perf_counter() - began:,.0f} s ")

    def mine() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as out:
            mined(folder, Path(out) / "run", execution, progress)

    found: dict[str, Any] = {}
    if with_share:
        found |= dict(zip(("product", "rate"), product_rate(folder), strict=True))
    if runs == 1:
        seconds: list[tuple[float, float]] = []
        peak = peak_in_all(lambda: seconds.append(timed(mine)))
    else:
        mine()
        seconds = [timed(mine) for _ in range(runs)]
        peak = int(np.median([peak_in_all(mine) for _ in range(runs)]))
    wall, cpu = (float(np.median(side)) for side in zip(*seconds, strict=True))
    if with_share:
        pairs = np.load(folder / "anchors.npy", mmap_mode="r").size * len(np.load(folder / "items.npy", mmap_mode="r"))
        found["share"] = pairs / found["rate"] / cpu
    return found | {"wall_seconds": wall, "cpu_seconds": cpu, "peak_bytes": peak}


def peak_in_all(run: Callable[[], object]) -> int:
    """Give this process's anonymous memory at the peak of a call, what is left over from earlier ones included."""
    return anonymous_bytes() + peak_of(run)


def mined(folder: Path, out: Path, execution: foils.Execution, progress: Any) -> None:
    """Mine from the files."""
    positives = np.load(folder / "positives.npy")
    pairs = np.stack([np.arange(len(positives)), positives], axis=1)
    items = len(np.load(folder / "items.npy", mmap_mode="r"))
    foils.mine(
        foils.Collection.from_arrays(pairs, anchors=len(positives), items=items),
        "nv-retriever",
        negatives=NEGATIVES,
        query_vectors=folder / "anchors.npy",
        item_vectors=folder / "items.npy",
        out=out,
        execution=execution,
        cache=False,
        progress=progress,
    )


def product_rate(folder: Path) -> tuple[str, float]:
    """Measure the bare product on a part of the vectors, on one thread."""
    items, anchors = (
        np.load(folder / f"{name}.npy", mmap_mode="r")[:rows].astype(np.float32)
        for name, rows in (("items", 65_536), ("anchors", 1024))
    )
    with single_thread():
        return best_rate(items, anchors)


def anonymous_bytes() -> int:
    """Give this process's anonymous memory (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def megabytes(point: dict[str, Any]) -> str:
    """Give the peak of a point."""
    return f"{point['peak_bytes'] / 1e6:,.0f}"


if __name__ == "__main__":
    main()
