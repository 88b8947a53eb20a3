"""How many hidden positives does each recipe hand to training as negatives? SciFact and NFCorpus, MiniLM vectors.

    FOILS_DATA=… python benchmarks/hidden_positives.py [--out docs/hidden-positives.json]

Two measurements per data set, fixed before the run:

1. all known positives given: shortfall and hardness, searched to depth 100 only and deepened to 1,000;
2. on anchors with several positives one is kept, drawn per seed, and the rest are hidden; what is mined and hidden is a
   false negative. With a single positive the references min, mean and max are the same.

Needs the extra ``minilm``. Prints the tables as Markdown and writes all numbers as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import foils
from foils import _array
from foils._cache import cache_folder
from foils.collection import Collection
from foils.encoders import encode_collection, open_encoder
from foils.evaluating import bootstrap_ratio
from foils.mining import Mined, mine
from foils.positives import Judgements, Relation

DATA = ("scifact", "nfcorpus")
SEEDS = 5
NEGATIVES = 8
METHODS = {
    "naive-top-k": ("naive-top-k", ()),
    "nv-retriever, reference min": ("nv-retriever", ()),
    "nv-retriever, reference mean": ("nv-retriever", ("rules.relative_margin.reference=mean",)),
    "nv-retriever, reference max": ("nv-retriever", ("rules.relative_margin.reference=max",)),
    "simans": ("simans", ()),
}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs/hidden-positives.json"))
    parser.add_argument("--vectors", type=Path, help="folder of {data}.q.npy and {data}.c.npy, instead of encoding")
    options = parser.parse_args()
    rows = [row for name in DATA for row in measure(name, options.vectors)]
    options.out.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(rows) + "\n")


def measure(name: str, vectors: Path | None) -> Iterator[dict[str, Any]]:
    """Give one row per method."""
    collection = foils.load(name)
    queries, items = encoded(name, collection, vectors)
    for method, (recipe, settings) in METHODS.items():
        common = {"negatives": NEGATIVES, "query_vectors": queries, "item_vectors": items}
        depth_100 = mine(
            collection, recipe, **common, settings=(*settings, "source.dense.max_depth=100")
        )  # fmt: skip
        deepened = mine(collection, recipe, **common, settings=settings)
        hits, drawn = [], []
        for seed in range(SEEDS):
            shown, hidden = with_one_positive(collection, seed)
            mined = mine(
                shown,
                recipe,
                negatives=NEGATIVES,
                query_vectors=queries,
                item_vectors=items,
                settings=settings,
                seed=seed,
            )
            counted = count_hidden(mined, shown, hidden)
            hits.append(counted[0])
            drawn.append(counted[1])
        interval = bootstrap_ratio(1000 * np.array(hits, float), np.array(drawn, float))
        yield {
            "data": name,
            "method": method,
            "anchors": depth_100.stats["units"],
            "empty_at_100": depth_100.stats["empty_units"] / depth_100.stats["units"],
            "short_at_100": depth_100.stats["short_units"] / depth_100.stats["units"],
            "short_deepened": deepened.stats["short_units"] / deepened.stats["units"],
            "hardness": deepened.stats["hardness"]["mean_negative_minus_positive"],
            "anchors_with_hidden": len(hits[0]),
            "hidden_per_1000": [interval.estimate, interval.low, interval.high],
        }


def encoded(name: str, collection: Collection, vectors: Path | None) -> tuple[Any, Any]:
    """Encode with MiniLM, or read what was encoded before."""
    if vectors is not None:
        return np.load(vectors / f"{name}.q.npy"), np.load(vectors / f"{name}.c.npy")
    return encode_collection(open_encoder("minilm", precision="float32"), collection, cache=cache_folder())


def with_one_positive(collection: Collection, seed: int) -> tuple[Collection, Judgements]:
    """Keep one drawn positive of every train anchor that has several, and no other anchor; give what was hidden."""
    judged = collection.judgements.select(("train",))
    positive = judged.grades > 0
    several = np.bincount(judged.anchors[positive], minlength=len(collection.anchors)) > 1
    at = np.flatnonzero(positive & several[judged.anchors])
    noise = _array.counter_uniform(_array.Key(seed, "benchmark.kept", 0), judged.anchors[at], judged.items[at])
    order = np.lexsort((noise, judged.anchors[at]))
    first = np.ones(len(at), bool)
    first[1:] = np.diff(judged.anchors[at][order]) > 0
    kept, hidden = at[order[first]], at[order[~first]]
    return replace(collection, judgements=_pairs(judged, kept)), _pairs(judged, hidden)


def _pairs(judged: Judgements, at: Any) -> Judgements:
    return Judgements(judged.anchors[at], judged.items[at], judged.grades[at], judged.splits[at], judged.split_names)


def count_hidden(mined: Mined, shown: Collection, hidden: Judgements) -> tuple[Any, Any]:
    """Count hidden positives among the negatives, and negatives, per anchor."""
    anchors, items = mined.rows(shown)
    secret = Relation.from_pairs(hidden.anchors, hidden.items, len(shown.anchors))
    return secret.contains(anchors, items).sum(axis=1), (items >= 0).sum(axis=1)


def markdown(rows: list[dict[str, Any]]) -> str:
    """Make the table of docs/hidden-positives.md."""
    lines = [
        "| data | method | anchors with nothing at depth 100 | short at 100 | short after deepening to 1,000 "
        "| hardness (s⁻ − s⁺) | hidden positives per 1,000 negatives |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        estimate, low, high = row["hidden_per_1000"]
        lines.append(
            f"| {row['data']} | {row['method']} | {row['empty_at_100']:.1%} | {row['short_at_100']:.1%} "
            f"| {row['short_deepened']:.1%} | {row['hardness']:+.3f} | {estimate:.1f} [{low:.1f}, {high:.1f}] |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
