"""Do mined negatives make a better model? NFCorpus, CoSQA and CLINC150; an adapter behind MiniLM, and static vectors.

    FOILS_DATA=… python benchmarks/training_text.py [JOB…] [--vectors FOLDER] [--out docs/training-text.json]

Fixed before the run:

- Arms: negatives of the batch only, or beside them 8 per anchor by uniform, naive-top-k or nv-retriever from MiniLM's
  vectors, of which four are drawn per pair and epoch. nv-retriever measures against the best-scored positive on
  NFCorpus (``reference: max``): with the default, min, nothing is left for nearly all of its anchors.
- Defaults of ``foils train``, but for the numbers of epochs in JOBS, which are cut for time and equal for all arms.
  The adapter keeps the epoch that is best on dev, the encoder as it is among them; static vectors train to the end.
- Five seeds: order of the pairs, draws, first vectors.
- Metrics on test: nDCG@10, on CoSQA also MRR@10; on CLINC150 Recall@1 (= accuracy) and MRR over the 150 labels.
- Paired differences to in-batch only and to uniform, intervals of 95 % over seeds and queries, one by one, not
  corrected for their number. The smallest effect of interest is 0.01 of each metric. A difference is called

      better              its interval is above 0, and it is estimated at 0.01 or more; worse: the mirror image
      none above 0.01     its interval lies between −0.01 and 0.01
      inconclusive        all else

Jobs:

    nfcorpus         grades as in BEIR (the weakest, "same topic", is left out and counted); half of the training
                     queries, by hash, with all their pairs: what is known to be positive is never a negative
    nfcorpus-sparse  a tenth of the training pairs of all queries, by hash; the others are hidden, and counted
    cosqa            the 279 training queries with a positive
    clinc150         utterances and the names of their intents, without out-of-scope utterances
    clinc150-masks   the same, every training pair with its own copy of the label, as a plain list of pairs has it;
                     in-batch negatives with and without the mask of exact duplicates, a fixed number of epochs

Needs the extra ``minilm``. Prints the tables as Markdown, puts them into the page, and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from training_text_jobs import IN_BATCH, JOBS, MASKED, UNIFORM, Job, Task

import foils
from foils._cache import cache_folder
from foils.collection import Collection
from foils.encoders import encode_collection, open_encoder
from foils.evaluating import Interval, bootstrap_mean, bootstrap_ratio, evaluate_vectors, paired_difference
from foils.mining import mine
from foils.training import AdapterSettings, MinedNegatives, StaticSettings, fit_adapter, fit_static
from foils.training.batches import batches
from foils.training.pool import Pool, usable_examples
from foils.training.settings import NegativesMode

SEEDS, NEGATIVES, EFFECT, ROUNDS = 5, 8, 0.01, 2000
BASE = "MiniLM as it is"
KINDS = ("adapter", "static")
NAMES = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "recall@1": "Recall@1", "mrr": "MRR"}
RATES = ("secret_in_mined", "secret_in_batches")
COUNTED_BATCHES = 10
"""Of the first epoch of an adapter's training: what is among their cells is counted."""

Floats = Any  # float32[N, d] or float64[Q]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB", help=f"of {', '.join(JOBS)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("docs/training-text.json"), help="beside it lies the page")
    parser.add_argument("--vectors", type=Path, help="folder of DATA.q.npy and DATA.c.npy, instead of encoding")
    options = parser.parse_args()
    if unknown := set(options.jobs) - set(JOBS):
        parser.error(f"there is no job {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    report = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for name in options.jobs or JOBS:
        report[name] = measure(name, JOBS[name], options.vectors)
        options.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        table = markdown(report[name], JOBS[name].metrics)
        sys.stdout.write(f"{name}\n\n{table}\n\n")
        into_page(options.out.with_suffix(".md"), name, table)


def measure(name: str, job: Job, vectors: Path | None) -> dict[str, Any]:
    """Train every arm of both kinds with every seed, and compare."""
    task = job.task(foils.load(job.data))
    frozen = encoded(job.data, task.data, vectors)
    began = time.process_time()
    base = evaluate_vectors(task.data, *frozen, metrics=job.metrics).values
    rows = [row_of(job, "", BASE, [base], {})]
    mined = {arm: mined_for(task, arm, frozen) for arm in task.arms}
    for kind in KINDS:
        found: dict[str, list[dict[str, Floats]]] = {}
        for arm in task.arms:
            runs = [trained(job, task, arm, kind, mined[arm].negatives(seed), frozen, seed) for seed in range(SEEDS)]
            found[arm] = [values for values, _ in runs]
            others = {name: found[name] for name in job.against if name in found and name != arm}
            rows.append(row_of(job, kind, arm, found[arm], others | {BASE: [base] * SEEDS}))
            rows[-1]["epochs_kept"] = [kept for _, kept in runs]
            sys.stderr.write(f"{name} {kind} {arm} {time.process_time() - began:.0f} s: {shortly(rows[-1])}\n")
    negatives = [of_negatives(task, arm, mined[arm]) for arm in task.arms]
    facts = facts_of(job, task) | {"cpu_seconds": time.process_time() - began}
    return {"facts": facts, "models": rows, "negatives": negatives}


def encoded(name: str, data: Collection, vectors: Path | None) -> tuple[Floats, Floats]:
    """Encode with MiniLM through the cache, or read what was encoded before."""
    if vectors is not None and (vectors / f"{name}.q.npy").exists():
        return np.load(vectors / f"{name}.q.npy"), np.load(vectors / f"{name}.c.npy")
    return encode_collection(open_encoder("minilm", precision="float32"), data, cache=cache_folder())


# Mining and training


@dataclass(frozen=True, eq=False)
class Mined:
    """What was mined for an arm: once, or per seed where it is drawn.

    Attributes:
        rows: anchors and items; empty where nothing is mined.
        stats: of the first.
    """

    rows: tuple[MinedNegatives, ...]
    stats: Mapping[str, Any]

    def negatives(self, seed: int) -> MinedNegatives | None:
        """Give those of a seed."""
        return self.rows[seed % len(self.rows)] if self.rows else None


def mined_for(task: Task, arm: str, frozen: tuple[Floats, Floats]) -> Mined:
    """Mine with MiniLM's vectors; only uniform negatives depend on the seed."""
    data, recipe, settings = task.arms[arm].data, task.arms[arm].recipe, task.arms[arm].settings
    if recipe is None:
        return Mined((), {})
    named = {} if recipe == UNIFORM else {"query_vectors": frozen[0], "item_vectors": frozen[1]}
    seeds = range(SEEDS if recipe == UNIFORM else 1)
    found = [mine(data, recipe, negatives=NEGATIVES, seed=seed, settings=settings, **named) for seed in seeds]
    return Mined(tuple(MinedNegatives(*one.rows(data)) for one in found), found[0].stats)


def trained(
    job: Job, task: Task, arm: str, kind: str, mined: MinedNegatives | None, frozen: tuple[Floats, Floats], seed: int
) -> tuple[dict[str, Floats], int]:
    """Train, and give what each test query got, and the epoch that was kept."""
    data = task.arms[arm].data
    mode: NegativesMode = "in_batch" if mined is None else "both"
    if kind == "adapter":
        settings = AdapterSettings(epochs=job.epochs[kind], patience=job.patience, negatives=mode)
        items = frozen[1][task.item_rows]
        fitted = fit_adapter(data, frozen[0], items, mined=mined, settings=settings, seed=seed)
        vectors, kept = (fitted.adapter.queries(frozen[0]), items), fitted.best
    else:
        bags, kept = task.arms[arm].bags, job.epochs[kind]
        encoder = fit_static(
            data, mined=mined, settings=StaticSettings(epochs=kept, negatives=mode), seed=seed, bags=bags
        )
        vectors = encoder.pool(bags.anchors), encoder.pool(bags.items)
    found = evaluate_vectors(task.data, vectors[0], vectors[1][: len(task.data.items)], metrics=job.metrics)
    return found.values, kept


# Counting and summing up


def of_negatives(task: Task, arm: str, mined: Mined) -> dict[str, Any]:
    """Say what an arm's negatives are: how many are short, and how many are secret positives."""
    counted = [cells(task, arm, mined.negatives(seed), seed) for seed in range(SEEDS)]
    row: dict[str, Any] = {"negatives": arm, "columns": float(np.mean([columns for columns, *_ in counted]))}
    if mined.rows:
        units = mined.stats["units"]
        row |= {"short": mined.stats["short_units"] / units, "empty": mined.stats["empty_units"] / units}
    if task.secret is not None:
        row["secret_in_batches"] = per_1000([secret for _, secret, _ in counted], [every for *_, every in counted])
        if mined.rows:
            hits = [task.secret.contains(one.anchors, one.items).sum(axis=1) for one in mined.rows]
            row["secret_in_mined"] = per_1000(hits, [(one.items >= 0).sum(axis=1) for one in mined.rows])
    return row


def cells(task: Task, arm: str, mined: MinedNegatives | None, seed: int) -> tuple[float, Floats, Floats]:
    """Give columns per batch, and per anchor its secret positives and all its negatives, in an adapter's batches."""
    data = task.arms[arm].data
    positives, filled = data.positives(), ~data.items.empty
    pool = Pool.of(usable_examples(positives, ~data.anchors.empty, filled, "train"), positives, mined, filled)
    settings = AdapterSettings(negatives="in_batch" if mined is None else "both")
    columns, secret, every = [], np.zeros(len(data.anchors)), np.zeros(len(data.anchors))
    for batch in islice(batches(pool, settings, seed, 0), COUNTED_BATCHES):
        negative = np.ones((len(batch.anchors), len(batch.items)), bool)
        negative[batch.masked] = False
        negative[np.arange(len(batch.anchors)), batch.targets] = False
        columns.append(len(batch.items))
        every += np.bincount(batch.anchors, negative.sum(axis=1), len(every))
        if task.secret is not None:
            found = task.secret.contains(batch.anchors, np.broadcast_to(batch.items, negative.shape)) & negative
            secret += np.bincount(batch.anchors, found.sum(axis=1), len(secret))
    return float(np.mean(columns)), secret, every


def per_1000(hits: list[Floats], drawn: list[Floats]) -> list[float]:
    """Give a rate per 1,000 with its interval over seeds and anchors."""
    return interval(bootstrap_ratio(1000 * np.array(hits, float), np.array(drawn, float), rounds=ROUNDS))


def facts_of(job: Job, task: Task) -> dict[str, Any]:
    """Count what is trained and tested on."""
    judged, positives = task.data.judgements.select(("test",)), task.data.positives()
    relevant = judged.items[judged.grades > 0]
    return {
        "items": len(task.data.items),
        "train_anchors": int((positives.degrees > 0).sum()),
        "train_pairs": len(positives.examples()),
        "test_anchors": len(np.unique(judged.anchors[judged.grades > 0])),
        "test_positives_known_from_train": float(np.isin(relevant, positives.items).mean()),
        "trusted_negatives_of_train_anchors": int(task.data.trusted_negatives().degrees[positives.degrees > 0].sum()),
        "epochs": dict(job.epochs),
    }


def row_of(
    job: Job, kind: str, arm: str, values: list[dict[str, Floats]], others: Mapping[str, list[dict[str, Floats]]]
) -> dict[str, Any]:
    """Sum up an arm, with its paired differences to others."""
    row: dict[str, Any] = {"model": kind, "negatives": arm, "seeds": len(values), "metrics": {}}
    for metric in job.metrics:
        table = np.array([one[metric] for one in values])
        part: dict[str, Any] = {"mean": float(table.mean()), "by_seed": table.mean(axis=1).tolist()}
        if not others:
            part["interval"] = interval(bootstrap_mean(table[0], rounds=ROUNDS))
        for name, other in others.items():
            paired = paired_difference(table, np.array([one[metric] for one in other]), rounds=ROUNDS)
            part[f"minus {name}"] = interval(paired.interval)
        row["metrics"][metric] = part
    return row


def interval(found: Interval) -> list[float]:
    """Give estimate, low and high."""
    return [found.estimate, found.low, found.high]


# Tables


def verdict(estimate: float, low: float, high: float) -> str:
    """Put a difference into words; see the module."""
    if low > 0 and estimate >= EFFECT:
        return "better"
    if high < 0 and estimate <= -EFFECT:
        return "worse"
    return f"none above {EFFECT}" if low > -EFFECT and high < EFFECT else "inconclusive"


def markdown(report: dict[str, Any], metrics: tuple[str, ...]) -> str:
    """Make the two tables of a job."""
    rows = report["models"]
    against = [name for name in (IN_BATCH, UNIFORM, MASKED) if any(name == row["negatives"] for row in rows)]
    heads = ["model", "negatives"]
    for metric in metrics:
        heads += [NAMES[metric], *(f"{NAMES[metric]} minus {name}" for name in against)]
    heads += [f"{NAMES[metrics[0]]} minus {BASE}", "epoch kept"]
    return f"{table(heads, [model_cells(row, metrics, against) for row in rows])}\n\n{negatives_table(report)}"


def model_cells(row: dict[str, Any], metrics: tuple[str, ...], against: list[str]) -> list[str]:
    """Show an arm."""
    line = [row["model"], row["negatives"]]
    for metric in metrics:
        part = row["metrics"][metric]
        line += [f"{part['mean']:.3f}", *(difference(part, name) for name in against)]
    kept = row.get("epochs_kept")
    return [*line, difference(row["metrics"][metrics[0]], BASE), "" if kept is None else f"{np.mean(kept):.1f}"]


def negatives_table(report: dict[str, Any]) -> str:
    """Say what the negatives were."""
    heads = ["negatives", "columns of an adapter's batch", "short of 8", "none at all"]
    heads += ["hidden per 1,000 mined", "hidden per 1,000 in the batches"]
    lines = []
    for row in report["negatives"]:
        shares = [f"{row[name]:.1%}" if name in row else "" for name in ("short", "empty")]
        rates = [f"{Interval(*row[name]):.1f}" if name in row else "" for name in RATES]
        lines.append([row["negatives"], f"{row['columns']:.0f}", *shares, *rates])
    filled = [column for column in range(len(heads)) if any(line[column] for line in lines)]
    return table([heads[column] for column in filled], [[line[column] for column in filled] for line in lines])


def difference(part: dict[str, Any], against: str) -> str:
    """Show a difference with its interval and verdict."""
    found = part.get(f"minus {against}")
    return "" if found is None else f"{Interval(*found)} {verdict(*found)}"


def table(heads: list[str], lines: list[list[str]]) -> str:
    """Write a table of Markdown."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def shortly(row: dict[str, Any]) -> str:
    """Say an arm's means on one line."""
    return ", ".join(f"{metric} {part['mean']:.4f}" for metric, part in row["metrics"].items())


def into_page(page: Path, name: str, tables: str) -> None:
    """Replace what stands between the marks of a job, where the page has them."""
    if not page.exists():
        return
    marks = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- /measured -->)", re.DOTALL)
    text = page.read_text(encoding="utf-8")
    page.write_text(marks.sub(lambda found: f"{found[1]}{tables}\n{found[2]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
