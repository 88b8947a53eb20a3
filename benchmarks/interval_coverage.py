"""Does the interval of a measured rate hold the truth as often as it says? A simulation.

    python benchmarks/interval_coverage.py [--repetitions 4000] [--processes 2] [--seed 0] [--quick]
    python benchmarks/interval_coverage.py --only 1,0.1,0.7 --only 20,0.03,0.9 --seed 1

A world is a population of pairs whose labels and scores are drawn: anchors with 1, 5 or 20 candidates, whose
probability of a positive differs by anchor (beta, correlation 0.2 within an anchor), and a binormal scorer of a given
AUC whose noise is shared within an anchor in part. Its candidates are ranked by that score, and stand in the bands of
ranks that ``foils review`` makes. Of each world 400 pairs are drawn by a design; the first 100, 200 and all 400 labels
are used as they are, and the looks of the design by one who stops at the first narrow interval.

Two more tables: an interval that takes labels of one anchor for independent; and how many plain labels the scorer is
worth, what a useless one costs, and what one costs that tells known positives well and these pairs not at all. Writes
docs/measured-rate.json and docs/measured-rate.md. ``--quick`` takes half a minute; ``--only`` looks closer at some
worlds, such as with another seed. Neither writes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri
from scipy.stats import norm

from foils._array import Key
from foils.estimating import Population, draw_design
from foils.estimating.moments import Sample, Target, fit, sample_of
from foils.estimating.rate import interval_of
from foils.labelling.population import FIRST_RANKS

DOCS = Path(__file__).resolve().parents[1] / "docs"
RATES, AUCS, CANDIDATES, SIZES = (0.005, 0.03, 0.1, 0.4), (0.5, 0.7, 0.9, 1.0), (1, 5, 20), (100, 200, 400)
TARGETS: tuple[Target, ...] = ("file", "recipe")
STOP_KEYS = ("target", "candidates", "rate", "auc", "labels")
PAIRS, CORRELATION, SHARED_NOISE, KNOWN = 2000, 0.2, 0.3, 200
NARROW = {0.005: 0.03, 0.03: 0.05, 0.1: 0.1, 0.4: 0.2}
"""Width at which labelling stops, by rate: some stop early, some late, some never."""
LEAST, MOST, FEW = 0.935, 0.975, 10
FIRST, EVERY = "first narrow", "every look"
"""Coverage at the first narrow interval, where one stops; and of all looks together."""
WORTH_PAIRS, WORTH_TIMES, WORTH_SHARE = 10_000, (1.0, 1.6, 2.0, 2.5, 3.0), 4
"""Of each fourth repetition the worth is measured: one takes as long as several others."""
GOOD = 0.9
"""AUC of the scorer whose worth is measured, and which the praised one shows on known positives."""
LEAST_WORTH, MOST_COST = 1.6, 1.05
PARTS = 4


class World(NamedTuple):
    """What a population is drawn from."""

    candidates: int
    rate: float
    auc: float
    pairs: int = PAIRS
    correlation: float = CORRELATION

    def draw(self, rng: np.random.Generator) -> tuple[Population, np.ndarray]:
        """Draw a population and the truth of its pairs."""
        count = self.pairs // self.candidates
        anchors = np.repeat(np.arange(count), self.candidates)
        alone, spread = self.candidates == 1, 1 / self.correlation - 1
        chance = np.full(count, self.rate) if alone else rng.beta(self.rate * spread, (1 - self.rate) * spread, count)
        truth = (rng.random(len(anchors)) < chance[anchors]).astype(np.float64)
        shared = 0.0 if alone else SHARED_NOISE
        noise = np.sqrt(shared) * rng.normal(size=count)[anchors] + np.sqrt(1 - shared) * rng.normal(size=len(anchors))
        scores = distance_of(self.auc) * truth + noise
        known = distance_of(self.auc) + rng.normal(size=KNOWN)
        return Population(anchors, self.bands(scores), scores, known), truth

    def bands(self, scores: np.ndarray) -> np.ndarray:
        """Give the band of each pair's rank among the candidates of its anchor, int64[pairs]."""
        ranks = np.argsort(np.argsort(-scores.reshape(-1, self.candidates), axis=1), axis=1) + 1
        return np.searchsorted(FIRST_RANKS, ranks.ravel(), side="right") - 1


def distance_of(auc: float) -> float:
    """Give the distance between the scores of positives and of negatives."""
    return min(np.sqrt(2) * float(ndtri(min(auc, 1 - 1e-15))), 12.0)


class Counted(NamedTuple):
    """Sums over repetitions of one cell."""

    covered: int
    above: int
    below: int
    width: float
    positives: float


def cell(task: tuple[World, int, int]) -> dict[tuple[str, Any], list[Counted]]:
    """Simulate one world; Counted of each repetition by (target, size) and by (target, how one stops)."""
    world, repetitions, seed = task
    rng = np.random.default_rng([seed, *(round(1000 * number) for number in world)])
    found: dict[tuple[str, Any], list[Counted]] = {}
    for repetition in range(repetitions):
        population, truth = world.draw(rng)
        design = draw_design(population, max(SIZES), Key(seed, "coverage", repetition))
        labels = truth[design.order]
        truths: dict[Target, float] = {"file": float(truth.mean()), "recipe": world.rate}
        for m in SIZES:
            sample = sample_of(population, design.order[:m], design.pi[:m] * (m / len(labels)), start=design.start)
            for target, interval in intervals(sample, labels[:m], 0.95).items():
                found.setdefault((target, m), []).append(count(interval, truths[target], labels[:m]))
        stopped, everywhere = stop(population, design, labels, world.rate, truths)
        for target in TARGETS:
            found.setdefault((target, FIRST), []).append(stopped[target])
            found.setdefault((target, EVERY), []).append(everywhere[target])
    return found


def stop(population, design, labels, rate, truths):
    """Look at the pre-set numbers of labels: what stands where one stops, and whether every look holds the truth."""
    level = 1 - 0.05 / len(design.looks)
    stopped: dict[str, Counted] = {}
    every: dict[str, Counted] = {}
    for m in design.looks:
        sample = sample_of(population, design.order[:m], design.pi[:m] * (m / len(labels)), start=design.start)
        for target, interval in intervals(sample, labels[:m], level).items():
            now = count(interval, truths[target], labels[:m])
            if target not in stopped or stopped[target].width > NARROW[rate]:
                stopped[target] = now
            if target not in every or every[target].covered:
                every[target] = now
    return stopped, every


def intervals(sample: Sample, labels: np.ndarray, level: float) -> dict[Target, tuple[float, float]]:
    """Give the intervals of both targets."""
    fitted = fit(sample, labels)
    return {target: interval_of(sample, fitted, labels, target, level) for target in TARGETS}


def count(interval: tuple[float, float], truth: float, labels: np.ndarray) -> Counted:
    """Tell how an interval did."""
    low, high = interval
    above, below = truth > high + 1e-12, truth < low - 1e-12
    return Counted(int(not (above or below)), int(above), int(below), high - low, float(labels.sum()))


def clustered(task: tuple[World, int, int]) -> dict[str, float]:
    """Compare the interval of a recipe with one that takes each label for its own anchor."""
    world, repetitions, seed = task
    rng = np.random.default_rng([seed, 77, *(round(1000 * number) for number in world)])
    hits, widths = np.zeros(2), np.zeros(2)
    n = world.pairs // 2
    for repetition in range(repetitions):
        population, truth = world.draw(rng)
        design = draw_design(population, n, Key(seed, "clustered", repetition))
        labels = truth[design.order]
        alone = Population(np.arange(population.size), population.bands, population.scores, population.known)
        for at, held in enumerate((population, alone)):
            sample = sample_of(held, design.order, design.pi, start=design.start)
            low, high = interval_of(sample, fit(sample, labels), labels, "recipe", 0.95)
            hits[at] += low <= world.rate <= high
            widths[at] += high - low
    facts = dict(rate=world.rate, anchors=world.pairs // world.candidates, labels=n)
    names = ("clustered", "ignoring")
    return facts | {
        f"{what}_{name}": float(sums[at] / repetitions)
        for what, sums in (("coverage", hits), ("width", widths))
        for at, name in enumerate(names)
    }


def worth(task: tuple[float, int, int, int]) -> dict[str, float]:
    """Say how many times as many plain labels give the width that a good scorer gives; and what useless ones cost."""
    rate, n, repetitions, seed = task
    rng = np.random.default_rng([seed, 78, round(1000 * rate), n])
    guided: dict[str, list[float]] = {"good": [], "useless": [], "praised": []}
    plain = []
    for repetition in range(repetitions):
        key = Key(seed, "worth", repetition)
        good, found = World(5, rate, GOOD, WORTH_PAIRS).draw(rng)
        useless, truth = World(5, rate, 0.5, WORTH_PAIRS).draw(rng)
        praised = replace(useless, known=distance_of(GOOD) + rng.normal(size=KNOWN))
        guided["good"].append(width(good, found, n, key))
        guided["useless"].append(width(useless, truth, n, key))
        guided["praised"].append(width(praised, truth, n, key))
        blind = Population(useless.anchors, np.zeros(useless.size, np.int64))
        plain.append([width(blind, truth, round(n * times), key) for times in WORTH_TIMES])
    by_times, wide = np.mean(plain, axis=0), {name: float(np.mean(widths)) for name, widths in guided.items()}
    times = np.exp(np.interp(-np.log(wide["good"]), -np.log(by_times), np.log(WORTH_TIMES)))
    return dict(
        rate=rate,
        labels=n,
        repetitions=repetitions,
        worth=float(times),
        ideal=ideal(rate, GOOD),
        width=wide["good"],
        plain_width=float(by_times[0]),
        width_of_1_6_times=float(by_times[1]),
        useless=float(wide["useless"] / by_times[0]),
        praised=float(wide["praised"] / by_times[0]),
    )


def width(population: Population, truth: np.ndarray, n: int, key: Key) -> float:
    """Give the width of the interval for the file from n labels."""
    design = draw_design(population, n, key)
    labels = truth[design.order]
    sample = sample_of(population, design.order, design.pi, start=design.start)
    low, high = interval_of(sample, fit(sample, labels), labels, "file", 0.95)
    return high - low


def ideal(rate: float, auc: float) -> float:
    """Give the worth if p were known: V of plain labels over that of Neyman's allocation, (Σ √p(1−p))²."""
    distance = np.sqrt(2) * ndtri(auc)
    z = np.linspace(-8, 8 + distance, 20_001)
    density = (1 - rate) * norm.pdf(z) + rate * norm.pdf(z - distance)
    p = rate * norm.pdf(z - distance) / density
    return float(rate * (1 - rate) / np.trapezoid(np.sqrt(p * (1 - p)) * density, z) ** 2)


def gathered(worlds: Iterable[World], parts: Iterable[dict[tuple[str, Any], list[Counted]]]) -> list[dict[str, Any]]:
    """Average the repetitions of all parts of each cell."""
    held: dict[tuple[Any, ...], list[Counted]] = {}
    for world, part in zip(worlds, parts, strict=True):
        for (target, size), counted in part.items():
            held.setdefault((target, size, world), []).extend(counted)
    rows = []
    for (target, size, world), counted in held.items():
        covered, above, below, wide, positives = np.mean(counted, axis=0).tolist()
        rows.append(
            dict(
                target=target,
                labels=size,
                candidates=world.candidates,
                rate=world.rate,
                auc=world.auc,
                coverage=covered,
                missed_above=above,
                missed_below=below,
                width=wide,
                positives=positives,
                repetitions=len(counted),
            )
        )
    return rows


def fails(row: dict[str, Any]) -> bool:
    """Tell whether a cell misses its bar; all looks together have none."""
    if row["labels"] == EVERY:
        return False
    too_wide = isinstance(row["labels"], int) and row["positives"] >= FEW and row["coverage"] > MOST
    return bool(row["coverage"] < LEAST or too_wide)


def markdown(facts: dict[str, Any]) -> str:
    """Write the page's tables."""
    lines = []
    for target in TARGETS:
        lines += [f"\n### Target: {target}\n"]
        lines += ["| candidates per anchor | rate | AUC | " + " | ".join(f"{m} labels" for m in SIZES) + " |"]
        lines += ["|---|---|---|" + "---|" * len(SIZES)]
        rows = {(r["candidates"], r["rate"], r["auc"], r["labels"]): r for r in facts["cells"] if r["target"] == target}
        for k, rate, auc in itertools.product(CANDIDATES, RATES, AUCS):
            shown = [shown_cell(rows[k, rate, auc, m]) for m in SIZES]
            lines += [f"| {k} | {rate:.1%} | {auc} | " + " | ".join(shown) + " |"]
    lines += ["\n### Stopping at looks\n"]
    lines += ["| target | candidates per anchor | rate | AUC | at the first narrow interval | at every look |"]
    lines += ["|---|---|---|---|---|---|"]
    stops = {tuple(r[name] for name in STOP_KEYS): r for r in facts["cells"] if isinstance(r["labels"], str)}
    for target, k, rate, auc in itertools.product(TARGETS, CANDIDATES, RATES, AUCS):
        shown = [shown_stop(stops[target, k, rate, auc, how]) for how in (FIRST, EVERY)]
        lines += [f"| {target} | {k} | {rate:.1%} | {auc} | " + " | ".join(shown) + " |"]
    lines += ["\n### Labels of one anchor taken for independent\n"]
    lines += ["| rate | anchors | labels | by anchor | taken for independent |", "|---|---|---|---|---|"]
    lines += [
        f"| {r['rate']:.0%} | {r['anchors']} | {r['labels']} | {r['coverage_clustered']:.1%} | "
        f"{r['coverage_ignoring']:.1%} |"
        for r in facts["clustered"]
    ]
    lines += ["\n### Worth of the scorer\n"]
    lines += [f"{facts['worth'][0]['repetitions']:,} repetitions of each row, {WORTH_PAIRS:,} pairs, 5 per anchor.\n"]
    lines += ["| rate | labels | worth at AUC 0.9 | ideal | width with a useless scorer | praised but useless |"]
    lines += ["|---|---|---|---|---|---|"]
    lines += [
        f"| {r['rate']:.0%} | {r['labels']} | {shown_worth(r['worth'])} | {r['ideal']:.2f} × | "
        f"{shown_cost(r['useless'])} | {shown_cost(r['praised'])} |"
        for r in facts["worth"]
    ]
    return "\n".join(lines) + "\n"


def bold(shown: str, *, missed: bool) -> str:
    """Make what misses its bar bold."""
    return f"**{shown}**" if missed else shown


def shown_worth(times: float) -> str:
    """Show how many times as many plain labels a scorer is worth."""
    return bold(f"{times:.2f} ×", missed=times < LEAST_WORTH)


def shown_cost(ratio: float) -> str:
    """Show a width beside that of plain labels."""
    return bold(f"{ratio - 1:+.1%}", missed=ratio > MOST_COST)


def shown_stop(row: dict[str, Any]) -> str:
    """Show the coverage of one who stops."""
    return bold(f"{row['coverage']:.1%}", missed=fails(row))


def shown_cell(row: dict[str, Any]) -> str:
    """Show a coverage; bold where it misses its bar, in brackets where few positives are expected."""
    shown = bold(f"{row['coverage']:.1%}", missed=fails(row))
    return shown if row["positives"] >= FEW else f"({shown})"


def shown_row(row: dict[str, Any]) -> str:
    """Show one cell in a line, with the standard error of its coverage."""
    error = (row["coverage"] * (1 - row["coverage"]) / row["repetitions"]) ** 0.5
    return (
        f"{row['candidates']:>2} candidates, rate {row['rate']:.1%}, AUC {row['auc']}, {row['target']}, "
        f"{row['labels']}: {row['coverage']:.2%} ± {error:.2%}, above {row['missed_above']:.2%}, below "
        f"{row['missed_below']:.2%}, width {row['width']:.4f}, {row['positives']:.1f} positives"
        f"{', misses its bar' if fails(row) else ''}\n"
    )


def world_of(text: str) -> World:
    """Read a world such as ``20,0.03,0.9``."""
    candidates, rate, auc = text.split(",")
    return World(int(candidates), float(rate), float(auc))


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", type=world_of, action="append", metavar="CANDIDATES,RATE,AUC")
    options = parser.parse_args()
    repetitions = 24 if options.quick else options.repetitions
    start = time.perf_counter()
    worlds = options.only or list(itertools.starmap(World, grid()))
    parts = [(world, part) for part in range(PARTS) for world in worlds]
    with multiprocessing.Pool(options.processes) as pool:
        each = [(world, repetitions // PARTS, PARTS * options.seed + part) for world, part in parts]
        cells = gathered((world for world, _ in parts), pool.imap(cell, each))
        if options.only:
            sys.stdout.write("".join(shown_row(row) for row in cells))
            return
        few = [World(20, rate, 0.7, 20 * anchors, 0.3) for anchors in (20, 40) for rate in (0.1, 0.4)]
        ignoring = pool.map(clustered, [(world, repetitions, options.seed) for world in few], chunksize=1)
        cases = [(rate, n, max(repetitions // WORTH_SHARE, 4), options.seed) for rate in RATES[1:] for n in SIZES]
        worths = pool.map(worth, cases, chunksize=1)
    facts = dict(repetitions=repetitions, seed=options.seed, cells=cells, clustered=ignoring, worth=worths)
    page = markdown(facts)
    sys.stdout.write(f"{page}\n{summary(facts)}\n{time.perf_counter() - start:.0f} s\n")
    if not options.quick:
        write(facts, page)


MARK, END = "<!-- made by benchmarks/interval_coverage.py -->", "<!-- end of the simulation -->"


def grid() -> Iterable[tuple[int, float, float]]:
    """Give candidates, rate and AUC of each world."""
    return itertools.product(CANDIDATES, RATES, AUCS)


def write(facts: dict[str, Any], page: str) -> None:
    """Write the numbers, and the tables into their place on the page."""
    (DOCS / "measured-rate.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = (DOCS / "measured-rate.md").read_text(encoding="utf-8")
    head, _, made = text.partition(MARK)
    rest = made.partition(END)[2]
    (DOCS / "measured-rate.md").write_text(f"{head}{MARK}\n\n{summary(facts)}\n{page}\n{END}{rest}", encoding="utf-8")


def summary(facts: dict[str, Any]) -> str:
    """Say in a few sentences what came out, and name the cells that miss."""
    fixed = [row for row in facts["cells"] if isinstance(row["labels"], int)]
    many = [row for row in fixed if row["positives"] >= FEW]
    narrow, looks = ([row for row in facts["cells"] if row["labels"] == how] for how in (FIRST, EVERY))
    low, top, first, every = (
        f"{pick(row['coverage'] for row in rows):.1%}"
        for pick, rows in ((min, fixed), (max, many), (min, narrow), (min, looks))
    )
    bad = [row for row in facts["cells"] if fails(row)]
    named = "; ".join(
        f"{row['target']}, {row['candidates']} per anchor, rate {row['rate']:.1%}, AUC {row['auc']}, "
        f"{row['labels']}{' labels' if isinstance(row['labels'], int) else ''}: {row['coverage']:.1%}"
        for row in bad
    )
    least, useless, praised = (
        pick(row[name] for row in facts["worth"]) for pick, name in ((min, "worth"), (max, "useless"), (max, "praised"))
    )
    return (
        f"{facts['repetitions']:,} repetitions of each world. Of {len(fixed)} cells the least coverage is {low}; the "
        f"largest where at least {FEW} positives are found on average is {top}; the least at the first narrow interval "
        f"is {first}, and that of all looks together {every}. Cells that miss their bar: {len(bad)}"
        f"{f' ({named})' if bad else ''}. A scorer of AUC {GOOD} is worth at least {least:.2f} × as many plain labels; "
        f"a useless one makes the interval at most {useless - 1:.1%} wider, a praised one {praised - 1:.1%}."
    )


if __name__ == "__main__":
    main()
