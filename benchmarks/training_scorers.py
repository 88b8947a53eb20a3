"""Do scorers of false negatives make a better model? SciFact, NFCorpus, cranfield; an adapter, and static vectors.

    FOILS_DATA=… python benchmarks/training_scorers.py [DATA…] [--vectors FOLDER] [--out docs/training-scorers.json]
    FOILS_DATA=… python benchmarks/training_scorers.py [DATA…] --judge     # of scores and weights, without training

Fixed before the run:

- Data: scifact as it is; nfcorpus with a tenth of its training pairs, by hash; cranfield with one positive per training
  query, by hash. What is not shown is hidden: no positive in training, and counted. Dev and test are whole.
- Arms: negatives of the batch only, or beside them 8 per anchor, mined from MiniLM's vectors, four of which are drawn
  per pair and epoch; see ARMS. ``soft`` and ``cet`` have the very negatives of naive-top-k, and weigh them.
- ``soft`` counts each negative by 1 − p, p from a stacker of both scores, fitted to LABELS of the mined pairs, drawn at
  random and answered by what is hidden; on SciFact nothing is hidden, so there is no such arm. ``cet`` needs no labels.
- Defaults of ``foils train``, but for the numbers of epochs in JOBS, equal for all arms. The adapter keeps the epoch
  that is best on dev, MiniLM as it is among them; static vectors train to the end.
- Five seeds: order of the pairs, draws, first vectors. nDCG@10 of the test queries; paired differences to in-batch only
  and to naive-top-k, 95 % intervals over seeds and queries, one by one. The smallest effect of interest is 0.01; the
  verdicts are those of training_text.py.

Beside the arms: the AUC of both scores over the candidates of the training queries, what is hidden as truth; and what
``cet`` makes of the negatives, told nothing, and told the share of the positives that is hidden.

Needs the extra ``minilm``. Prints the tables as Markdown, puts them into the page, and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scorers import auc
from training_text import BASE, difference, encoded, interval, into_page, per_1000, shortly, table
from training_text_jobs import IN_BATCH, NAIVE, Task, in_train, pairs_at, secret_of, sparse_nfcorpus

import foils
from foils import _array
from foils.calibrating import calibrate
from foils.collection import Collection
from foils.evaluating import Interval, evaluate_vectors, paired_difference
from foils.mining import Mined, mine
from foils.records import find
from foils.training import AdapterSettings, MinedNegatives, StaticSettings, bag_collection, fit_adapter, fit_static
from foils.weights import CET, Soft, Weight, effective_sample_size

SEEDS, NEGATIVES, LABELS, METRIC, ROUNDS = 5, 8, 400, "ndcg@10", 2000
KINDS = ("adapter", "static")
SCORER, GIVEN_UP = "graph_cleaner", 0.2
"""The scorer without a model of its own that told hidden positives best in the data whose truth is known, and the share
of naive-top-k's negatives that it rejects: those that it puts highest over all anchors."""
SCORED = f"source: {{dense: {{k: 40}}}}\nscorers: [{{{SCORER}: {{}}}}]\nsampler: {{top_k: {{column: dense}}}}\n"
"""naive-top-k, and what the scorer says of its candidates."""


@dataclass(frozen=True)
class Arm:
    """Negatives to train with.

    Attributes:
        recipe: name or text of it; None = nothing is mined.
        settings: of the recipe.
        weights: how much the negatives count.
        given_up: share of the negatives that the scorer rejects; deeper ones take their place.
    """

    recipe: str | None
    settings: tuple[str, ...] = ()
    weights: Weight | None = None
    given_up: float = 0.0


ARMS: Mapping[str, Arm] = {
    IN_BATCH: Arm(None),
    NAIVE: Arm(NAIVE),
    "nv-retriever-margin": Arm("nv-retriever-margin", ("rules.absolute_margin.reference=max",)),
    SCORER: Arm(SCORED, given_up=GIVEN_UP),
    "soft": Arm(SCORED, weights=Soft()),
    "cet": Arm(SCORED, weights=CET()),
}
AGAINST = (IN_BATCH, NAIVE)


@dataclass(frozen=True)
class Job:
    """A data set, what is shown of it, and how long is trained."""

    task: Any
    epochs: Mapping[str, int]


def one_positive(data: Collection) -> Task:
    """Show one positive per training query, and hide the others."""
    judged = data.judgements
    ours = np.flatnonzero(in_train(judged) & (judged.grades > 0))
    noise = _array.counter_uniform(_array.Key(0, "benchmark.shown", 0), judged.anchors[ours], judged.items[ours])
    order = ours[np.lexsort((noise, judged.anchors[ours]))]
    hidden = order[np.diff(judged.anchors[order], prepend=-1) == 0]
    kept = np.setdiff1d(np.arange(len(judged)), hidden)
    shown = replace(data, judgements=pairs_at(judged, kept))
    return Task(shown, {}, secret_of(shown, pairs_at(judged, hidden)))


JOBS: Mapping[str, Job] = {
    "scifact": Job(lambda data: Task(data, {}), {"adapter": 20, "static": 5}),
    "nfcorpus": Job(sparse_nfcorpus, {"adapter": 4, "static": 3}),
    "cranfield": Job(one_positive, {"adapter": 20, "static": 5}),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="*", metavar="DATA", help=f"of {', '.join(JOBS)}; default: all")
    parser.add_argument("--out", type=Path, default=Path("docs/training-scorers.json"), help="beside it lies the page")
    parser.add_argument("--vectors", type=Path, help="folder of DATA.q.npy and DATA.c.npy, instead of encoding")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--judge", action="store_true", help="judge scores and weights anew; keep what was trained")
    options = parser.parse_args()
    report = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    for name in options.data or JOBS:
        task = JOBS[name].task(foils.load(name))
        frozen = encoded(name, task.data, options.vectors)
        if not options.judge:
            report[name] = measured(name, task, JOBS[name].epochs, frozen, options.seeds)
        report[name]["judged"] = judge(task, frozen)
        options.out.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        found = markdown(report[name])
        sys.stdout.write(f"{name}\n\n{found}\n\n")
        into_page(options.out.with_suffix(".md"), name, found)


def measured(name: str, task: Task, epochs: Mapping[str, int], frozen: tuple[Any, Any], seeds: int) -> dict[str, Any]:
    """Train every arm of both kinds with every seed, and compare."""
    began = time.process_time()
    base = evaluate_vectors(task.data, *frozen, metrics=[METRIC]).values[METRIC]
    rows = [{"model": "", "negatives": BASE, "metrics": {METRIC: {"mean": float(base.mean())}}}]
    mined, facts = negatives_of(task, frozen)
    bags = bag_collection(task.data)
    for kind in KINDS:
        found: dict[str, Any] = {}
        for arm, negatives in mined.items():
            runs = [trained(task.data, kind, epochs[kind], negatives, frozen, bags, seed) for seed in range(seeds)]
            found[arm] = np.array([values for values, _ in runs])
            others = {one: found[one] for one in AGAINST if one in found and one != arm}
            rows.append(row_of(kind, arm, found[arm], others | {BASE: np.array([base] * seeds)}))
            rows[-1]["epochs_kept"] = [kept for _, kept in runs]
            sys.stderr.write(f"{name} {kind} {arm} {time.process_time() - began:.0f} s: {shortly(rows[-1])}\n")
    judged = task.data.judgements.select(("test",))
    about = {
        "train_pairs": len(task.data.positives().examples()),
        "test_anchors": len(np.unique(judged.anchors[judged.grades > 0])),
        "seeds": seeds,
        "cpu_seconds": time.process_time() - began,
    }
    return {"facts": about, "models": rows, "negatives": facts}


# Mining


@dataclass(frozen=True, eq=False)
class Answers:
    """Labels of pairs that were drawn at random, as ``calibrate`` takes them."""

    anchor_ids: pa.Array
    item_ids: pa.Array
    labels: Any
    pi: Any


def negatives_of(task: Task, frozen: tuple[Any, Any]) -> tuple[dict[str, MinedNegatives | None], list[dict[str, Any]]]:
    """Mine for every arm that can be had, and say what its negatives are."""
    mined: dict[str, MinedNegatives | None] = {}
    facts, results = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, arm in ARMS.items():
            if isinstance(arm.weights, Soft) and task.secret is None:
                continue
            mined[name] = None
            if arm.recipe is not None:
                if arm.recipe not in results:  # three arms differ in what is made of the same scores
                    results[arm.recipe] = mined_by(task.data, arm, frozen, Path(folder))
                result = results[arm.recipe]
                result = without_suspects(result, arm.given_up) if arm.given_up else result
                mined[name], calibration = weighed(task, result, arm)
                facts.append(of_negatives(task, name, result, mined[name]) | calibration)
    return mined, facts


def mined_by(data: Collection, arm: Arm, frozen: tuple[Any, Any], folder: Path) -> Mined:
    """Mine with MiniLM's vectors."""
    recipe = str(arm.recipe)
    if "\n" in recipe:
        (folder / "scored.yaml").write_text(recipe, encoding="utf-8")
        recipe = str(folder / "scored.yaml")
    return mine(
        data, recipe, negatives=NEGATIVES, query_vectors=frozen[0], item_vectors=frozen[1], settings=arm.settings
    )


def without_suspects(result: Mined, share: float) -> Mined:
    """Reject what the scorer puts at or above the quantile of the negatives that leaves so many out."""
    lists = result.to("labeled-list", columns="id", scores=SCORER)["scores"].to_pylist()
    drawn = np.concatenate([scores[1:] for scores in lists])  # the first is the positive's
    threshold = float(np.nanquantile(drawn, 1 - share))
    return result.rethreshold([f"rules=[{{max_score: {{threshold: {threshold}, column: {SCORER}}}}}]"])


def weighed(task: Task, result: Mined, arm: Arm) -> tuple[MinedNegatives, dict[str, Any]]:
    """Weigh the negatives; for soft weights, calibrate first."""
    rows = result.rows(task.data)
    if arm.weights is None:
        return MinedNegatives(*rows), {}
    if not isinstance(arm.weights, Soft):
        return MinedNegatives(*rows, result.log_weights(arm.weights)), {}
    fitted = calibrate(result, answers(task, *rows), method="stacker", measure="both", reference="max")
    judged = result.rethreshold([fitted.setting()])
    error = None if fitted.after is None else fitted.after.calibration_error
    return MinedNegatives(*rows, judged.log_weights(arm.weights)), {"calibration_error": error}


def answers(task: Task, anchors: Any, items: Any) -> Answers:
    """Draw LABELS of the mined pairs, and answer by what is hidden."""
    rows, places = np.nonzero(items >= 0)
    pairs = anchors[rows], items[rows, places]
    noise = _array.counter_uniform(_array.Key(0, "benchmark.labels", 0), *pairs)
    drawn = np.argsort(noise, kind="stable")[:LABELS]
    pairs = pairs[0][drawn], pairs[1][drawn]
    ids = [side.ids.take(pa.array(at)) for side, at in zip((task.data.anchors, task.data.items), pairs, strict=True)]
    hidden = task.secret.contains(*pairs).astype(np.int8)
    return Answers(*ids, hidden, np.full(len(drawn), len(drawn) / len(rows)))


def of_negatives(task: Task, name: str, result: Mined, rows: MinedNegatives) -> dict[str, Any]:
    """Say how many are short, how many are hidden positives, and what part of the weight these have."""
    present, units = rows.items >= 0, result.stats["units"]
    weights = np.where(present, 1.0 if rows.log_weights is None else np.exp(rows.log_weights.astype(float)), 0.0)
    row: dict[str, Any] = {"negatives": name, "short": result.stats["short_units"] / units}
    row |= {"mean_weight": float(weights[present].mean())}
    row |= {"effective": effective_sample_size(weights[present]) / int(present.sum())}
    if task.secret is not None:
        hits = task.secret.contains(rows.anchors, rows.items)
        row["hidden"] = per_1000([hits.sum(axis=1)], [present.sum(axis=1)])
        row["hidden_weight"] = 1000 * float(weights[hits].sum() / weights.sum())
    return row


# Judging


def judge(task: Task, frozen: tuple[Any, Any]) -> dict[str, Any] | None:
    """Say how well scores tell hidden positives, and what ``cet`` makes of them; None where nothing is hidden."""
    if task.secret is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        result = mined_by(task.data, ARMS["cet"], frozen, Path(folder))
    rows = result.rows(task.data)
    negatives = MinedNegatives(*rows)
    hits = task.secret.contains(negatives.anchors, negatives.items)
    shown, hidden = task.data.positives().relation, task.secret
    missed = len(hidden.items) / (len(hidden.items) + len(shown.items))
    told = {"nothing": CET(), "the miss rate": CET(label_miss_rate=missed)}
    return {
        "auc": aucs(task, result),
        "miss_rate": missed,
        "cet": {name: weighed_by(result, weight, hits, negatives.items >= 0) for name, weight in told.items()},
    }


def aucs(task: Task, result: Mined) -> dict[str, float]:
    """Give the chance that a hidden positive is scored above another candidate, by score."""
    table = result.result.candidates()
    lengths = np.array([len(items) for items in table["items"].to_pylist()])
    ids = result.result.names.items.take(pa.array(table["items"].combine_chunks().flatten()))
    anchors = np.repeat(find(table["unit_id"].combine_chunks(), task.data.anchors.ids), lengths)
    truth = task.secret.contains(anchors, find(ids, task.data.items.ids))
    scores = {name: table[f"score.{name}"].combine_chunks().flatten().to_numpy() for name in ("dense", SCORER)}
    return {name: auc(values, truth) for name, values in scores.items()}


def weighed_by(result: Mined, weight: CET, hits: Any, present: Any) -> dict[str, float]:
    """Say what share of the positives a fit takes for missed, and how much negatives count."""
    weights = np.where(present, np.exp(result.log_weights(weight).astype(float)), 0.0)
    return {
        "miss_rate_found": weight.fit(list(result.result.blocks())).label_miss_rate,
        "hidden": float(weights[hits & present].mean()),
        "others": float(weights[~hits & present].mean()),
        "hidden_weight": 1000 * float(weights[hits & present].sum() / weights.sum()),
    }


# Training


def trained(
    data: Collection, kind: str, epochs: int, mined: MinedNegatives | None, frozen: Any, bags: Any, seed: int
) -> tuple[Any, int]:
    """Train, and give what each test query got, and the epoch that was kept."""
    mode: Any = "in_batch" if mined is None else "both"
    if kind == "adapter":
        settings = AdapterSettings(epochs=epochs, negatives=mode)
        fitted = fit_adapter(data, *frozen, mined=mined, settings=settings, seed=seed)
        vectors, kept = (fitted.adapter.queries(frozen[0]), frozen[1]), fitted.best
    else:
        encoder = fit_static(
            data, mined=mined, settings=StaticSettings(epochs=epochs, negatives=mode), seed=seed, bags=bags
        )
        vectors, kept = (encoder.pool(bags.anchors), encoder.pool(bags.items)), epochs
    return evaluate_vectors(data, *vectors, metrics=[METRIC]).values[METRIC], kept


def row_of(kind: str, arm: str, values: Any, others: Mapping[str, Any]) -> dict[str, Any]:
    """Sum up an arm, with its paired differences to others."""
    part: dict[str, Any] = {"mean": float(values.mean()), "by_seed": values.mean(axis=1).tolist()}
    for name, other in others.items():
        part[f"minus {name}"] = interval(paired_difference(values, other, rounds=ROUNDS).interval)
    return {"model": kind, "negatives": arm, "seeds": len(values), "metrics": {METRIC: part}}


# Tables


def markdown(report: dict[str, Any]) -> str:
    """Make the two tables of a data set."""
    heads = ["model", "negatives", "nDCG@10", *(f"minus {name}" for name in (*AGAINST, BASE)), "epoch kept"]
    lines = []
    for row in report["models"]:
        part, kept = row["metrics"][METRIC], row.get("epochs_kept")
        cells = [difference(part, name) for name in (*AGAINST, BASE)]
        shown = "" if kept is None else f"{np.mean(kept):.1f}"
        lines.append([row["model"], row["negatives"], f"{part['mean']:.3f}", *cells, shown])
    heads_of = [
        "negatives",
        "short of 8",
        "mean weight",
        "effective share",
        "hidden per 1,000",
        "hidden per 1,000 of the weight",
    ]
    of = []
    for row in report["negatives"]:
        cells = [f"{row['short']:.1%}", f"{row['mean_weight']:.2f}", f"{row['effective']:.2f}"]
        hidden = [f"{Interval(*row['hidden']):.0f}", f"{row['hidden_weight']:.0f}"] if "hidden" in row else ["", ""]
        of.append([row["negatives"], *cells, *hidden])
    filled = [column for column in range(len(heads_of)) if any(line[column] for line in of)]
    second = table([heads_of[column] for column in filled], [[line[column] for column in filled] for line in of])
    return f"{table(heads, lines)}\n\n{second}"


if __name__ == "__main__":
    main()
