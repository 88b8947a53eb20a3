"""``foils eval``."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from foils.cli.console import progress, say, say_json
from foils.cli.options import Data, Json, Split, encode, read
from foils.collection import Collection
from foils.evaluating import METRICS, Evaluation, bootstrap_mean, evaluate_vectors, paired_difference

Metrics = Annotated[
    list[str], Parameter(name="--metric", negative=(), help="Such as ndcg@10, mrr@10, recall@100, map. May be repeated.")
]


def evaluate(
    data: Data,
    /,
    *,
    model: Annotated[str, Parameter(help="Folder of a static encoder, or minilm.")],
    against: Annotated[str | None, Parameter(help="Another model; the differences are tested in pairs.")] = None,
    split: Split = "test",
    metric: Metrics | None = None,
    json: Json = False,
) -> None:
    """Rank the whole corpus for every query of a split, and give each metric with its 95 % interval.

    Examples:
        foils eval scifact --model models/a

        foils eval scifact --model models/a --against models/b --metric ndcg@10 --metric recall@100

    Equal scores count by their expected value over random orders.
    """
    collection = read(data)
    names = metric or list(METRICS)
    ours = _evaluation(collection, model, split, names)
    theirs = None if against is None else _evaluation(collection, against, split, names)
    results = {
        name: {"model": bootstrap_mean(ours.values[name])}
        | ({} if theirs is None else {"difference": paired_difference(ours.values[name], theirs.values[name])})
        for name in ours.values
    }
    if json:
        say_json({"split": split, "queries": len(ours.anchors), "model": model, "against": against, "metrics": results})
        return
    lines = [f"{len(ours.anchors):,} queries of {split}, {len(collection.items):,} items"]
    for name, found in results.items():
        difference = f"   difference to {against}: {found['difference']}" if theirs is not None else ""
        lines.append(f"{name:<12} {found['model']:.4f}{difference}")
    say("\n".join(lines))


def _evaluation(collection: Collection, model: str, split: str, metrics: list[str]) -> Evaluation:
    anchors, items = encode(model, collection)
    with progress("ranking") as report:
        return evaluate_vectors(collection, anchors, items, split=split, metrics=metrics, progress=report)
