"""``foils eval``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from foils.cli.console import progress, say, say_json
from foils.cli.options import Data, Json, Model, Split, encode, read, require_positives
from foils.collection import Collection
from foils.encoders import Encoder, open_encoder
from foils.evaluating import METRICS, Evaluation, bootstrap_mean, evaluate_vectors, paired_difference
from foils.evaluating.metrics import Metric
from foils.evaluating.significance import Interval, PairedDifference

LEVEL, INTERVAL = 0.95, "95 % interval"

Metrics = Annotated[
    list[str],
    Parameter(
        name="--metric",
        negative=(),
        help=f"Such as ndcg@10, mrr@10, recall@100, map. May be repeated. [default: {', '.join(METRICS)}]",
    ),
]


@dataclass(frozen=True)
class Line:
    """What was found for one metric; the last two where there is a model to compare with."""

    model: Interval
    against: float | None = None
    difference: PairedDifference | None = None

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        if self.difference is None:
            return {"model": self.model}
        interval, p_value = self.difference.interval, self.difference.p_value
        difference = {"estimate": interval.estimate, "low": interval.low, "high": interval.high, "p_value": p_value}
        return {"model": self.model, "against": self.against, "difference": difference}

    def cells(self) -> list[str]:
        """Give it as cells of the table."""
        cells = [*f"{self.model:.4f}".split(" ", 1)]
        if self.difference is None or self.against is None:
            return cells
        p_value = self.difference.p_value
        return [*cells, f"{self.against:.4f}", str(self.difference.interval), f"{p_value:.2g}" if p_value < 1 else "1"]


def evaluate(
    data: Data,
    /,
    *,
    model: Model,
    against: Annotated[str | None, Parameter(help="Another model, compared query by query.")] = None,
    split: Split = "test",
    metric: Metrics | None = None,
    json: Json = False,
) -> None:
    r"""Rank the whole corpus for the queries of a split, and measure the rankings.

    Each mean comes with its 95 % interval, by bootstrap over the queries. Two
    models are compared in pairs, by bootstrap and by randomisation test. Equal
    scores count by their expected value over random orders.

    Examples:
        foils eval scifact --model models/a

        foils eval scifact --model models/a --against models/in-batch \
          --metric ndcg@10 --metric recall@100
    """
    names = list(dict.fromkeys(str(Metric.parse(name)) for name in metric or METRICS))
    encoder = open_encoder(model)
    other = None if against is None else open_encoder(against)
    collection = read(data)
    require_positives(collection, split, least=2, why=", and an interval needs 2")
    ours = _evaluation(collection, encoder, split, names)
    theirs = None if other is None else _evaluation(collection, other, split, names)
    lines = {name: _line(ours, theirs, name) for name in names}
    facts = {"split": split, "queries": len(ours.anchors), "items": len(collection.items)}
    if json:
        metrics = {name: line.data() for name, line in lines.items()}
        say_json({**facts, "model": model, "against": against, "level": LEVEL, "metrics": metrics})
        return
    head = ["metric", "model", f"[{INTERVAL}]"]
    if against is not None:
        head += ["against", f"difference [{INTERVAL}]", "p"]
    say(
        f"{len(ours.anchors):,} queries of {split}, {len(collection.items):,} items\n"
        f"model:   {model}\n" + ("" if against is None else f"against: {against}\n")
    )
    say(_table([head, *([name, *line.cells()] for name, line in lines.items())]))


def _evaluation(collection: Collection, encoder: Encoder, split: str, metrics: list[str]) -> Evaluation:
    anchors, items = encode(encoder, collection)
    with progress("ranking") as report:
        return evaluate_vectors(collection, anchors, items, split=split, metrics=metrics, progress=report)


def _line(ours: Evaluation, theirs: Evaluation | None, name: str) -> Line:
    model = bootstrap_mean(ours.values[name], level=LEVEL)
    if theirs is None:
        return Line(model)
    values = ours.values[name], theirs.values[name]
    return Line(model, theirs.means()[name], paired_difference(*values, level=LEVEL))


def _table(rows: list[list[str]]) -> str:
    """Set cells in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
