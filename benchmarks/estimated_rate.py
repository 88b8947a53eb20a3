"""Does a measured rate hold on real data whose truth is known, and what is a scorer worth that guides the draw?

    FOILS_DATA=… python benchmarks/estimated_rate.py [DATA…] [--vectors FOLDER] [--out docs/estimated-rate.json]

Fixed before the run: the data sets of scorers_data.py whose positives are hidden in part (the first of its seeds), 8
negatives per anchor by ``naive-top-k`` from MiniLM's vectors, and the population that ``foils review`` would draw from:
anchors, bands of ranks, scores of the negatives and of the known positives. Of each population 200 pairs are drawn, for
20 seeds and for each guide: none, the cosine, ``graph_cleaner``. Drawn pairs are labelled by the truth. An interval is
of 95 %, for the rate of these very pairs. Its width is compared with that of the same seeds without a guide.

Added after the first run: 400 seeds, the 20 among them, because 20 intervals cannot tell 95 % from 85 %;
and tatoeba_laser.

Needs the extra ``minilm``. Vectors are kept in a temporary folder, or in --cache. Prints the table as Markdown, puts it
into docs/measured-rate.md, and writes all numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scorers import auc, encoding, into_page
from scorers_data import Encode, Problem, problems

from foils._array import Key
from foils.estimating import Population, draw_design, estimate_rate
from foils.labelling import Negatives, negatives_of
from foils.mining import mine
from foils.positives import Relation
from foils.records import find

DATA = ("cranfield", "cisi", "nfcorpus", "dbpedia_entity_v2", "tldr_pages", "tatoeba_laser")
NEGATIVES, LABELS, SEEDS, MORE = 8, 200, 20, 400
GUIDES: Mapping[str, str | None] = {"none": None, "cosine": "dense", "graph_cleaner": "graph_cleaner"}
"""The column of scores that guides the draw, by what the table calls it."""
SETTINGS = (f"source.dense.k={NEGATIVES}", f"source.dense.max_depth={NEGATIVES}", "scorers=[{graph_cleaner: {}}]")
PAGE = "measured-rate.md"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="*", default=list(DATA), help=f"of {', '.join(DATA)}")
    parser.add_argument("--out", type=Path, default=Path("docs/estimated-rate.json"), help=f"beside it lies {PAGE}")
    parser.add_argument("--vectors", type=Path, help="folder of {data}.q.npy and {data}.c.npy of whole data sets")
    parser.add_argument("--cache", type=Path, help="where vectors are kept; default: a temporary folder")
    options = parser.parse_args()
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        encode = encoding(options.vectors, options.cache or Path(folder))
        for name in options.data:
            results[name] = measured(name, encode)
            sys.stderr.write(f"{name}\n")
    options.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    text = table(results)
    sys.stdout.write(f"{text}\n")
    into_page(options.out.with_name(PAGE), "real data", text)


def measured(name: str, encode: Encode) -> dict[str, Any]:
    """Estimate the rate of one data set by every guide, over the seeds."""
    problem = next(problems(name, Path(os.environ["FOILS_DATA"]), encode))
    queries, items = problem.vectors
    mined = mine(
        problem.shown, "naive-top-k", negatives=NEGATIVES, query_vectors=queries, item_vectors=items, cache=False,
        settings=SETTINGS,
    )  # fmt: skip
    guides, truth, anchors = {}, np.zeros(0, bool), 0
    for guide, column in GUIDES.items():
        negatives = negatives_of(mined, column)
        inside, truth = truth_of(negatives, problem)
        population = part_of(negatives.population, inside)
        if column is None:
            population = replace(population, scores=None, known=None)
        anchors = len(np.unique(population.anchors))
        guides[guide] = estimated(population, truth)
    return {"anchors": anchors, "pairs": len(truth), "rate": float(truth.mean()), "guides": guides}


def truth_of(negatives: Negatives, problem: Problem) -> tuple[Any, Any]:
    """Say which negatives are of an anchor whose truth is known, bool[N], and which of these are positives."""
    shown = problem.shown
    anchors, items = find(negatives.anchor_ids, shown.anchors.ids), find(negatives.item_ids, shown.items.ids)
    inside = np.isin(anchors, problem.anchors)
    hidden = Relation.from_pairs(problem.anchors[problem.labels], problem.items[problem.labels], len(shown.anchors))
    return inside, hidden.contains(anchors[inside], items[inside])


def part_of(whole: Population, inside: Any) -> Population:
    """Keep some pairs; what is known of the scorer stays."""
    scores = None if whole.scores is None else whole.scores[inside]
    return Population(whole.anchors[inside], whole.bands[inside], scores, whole.known)


def estimated(population: Population, truth: Any) -> dict[str, Any]:
    """Draw, label and estimate, once per seed; keep the first ones, and sums of both."""
    runs = []
    for seed in range(MORE):
        design = draw_design(population, LABELS, Key(seed, "benchmark.estimated_rate", 0))
        rate = estimate_rate(population, design, truth[design.order].astype(np.int8), target="file")
        runs.append({"estimate": rate.estimate, "low": rate.low, "high": rate.high, "positives": rate.positives})
    scores = population.scores
    return {
        "auc": None if scores is None else auc(scores, truth),
        "auc_assumed": population.evidence,
        "first_seeds": runs[:SEEDS],
        "first": summary(runs[:SEEDS], truth.mean()),
        "more": summary(runs, truth.mean()),
    }


def table(results: Mapping[str, Any]) -> str:
    """Make the table of all data sets."""
    lines = [
        "| data | true rate | guide | its AUC (assumed) | mean estimate | standard deviation | hold the truth "
        "| mean width | beside no guide | positives labelled | 400 seeds: hold the truth | standard deviation "
        "| width beside no guide |",
        "|---" * 13 + "|",
    ]
    for name in DATA:
        if name in results:
            lines += rows(name, results[name])
    return "\n".join(lines)


def rows(name: str, result: Mapping[str, Any]) -> list[str]:
    """Make the rows of one data set."""
    made, plain = [], result["guides"]["none"]
    about = [f"{name}: {result['anchors']:,} anchors, {result['pairs']:,} pairs", f"{result['rate']:.1%}"]
    for guide in GUIDES:
        found = result["guides"][guide]
        first, more, none = found["first"], found["more"], guide == "none"
        cells = [
            *(about if none else ["", ""]),
            guide,
            "–" if none else f"{found['auc']:.2f} ({found['auc_assumed']:.2f})",
            f"{first['mean']:.1%}",
            f"{first['deviation']:.1%}",
            f"{first['covered']} of {SEEDS}",
            f"{first['width']:.1%}",
            "–" if none else f"× {first['width'] / plain['first']['width']:.2f}",
            f"{first['positives']:.0f}",
            f"{more['covered'] / MORE:.1%}",
            f"{more['deviation']:.1%}",
            "–" if none else f"× {more['width'] / plain['more']['width']:.2f}",
        ]
        made.append(f"| {' | '.join(cells)} |")
    return made


def summary(runs: Sequence[Mapping[str, float]], truth: float) -> dict[str, float]:
    """Sum up the seeds of one guide."""
    estimates, lows, highs, positives = (
        np.array([run[key] for run in runs]) for key in ("estimate", "low", "high", "positives")
    )
    return {
        "mean": float(estimates.mean()),
        "deviation": float(estimates.std(ddof=1)),
        "covered": int(((lows <= truth) & (truth <= highs)).sum()),
        "width": float((highs - lows).mean()),
        "positives": float(positives.mean()),
    }


if __name__ == "__main__":
    main()
