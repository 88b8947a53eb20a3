"""``foils eval``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from foils.cli.console import note, progress, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, read, require_positives
from foils.cli.options import Json, Model, Whole
from foils.cli.reranking import rerank as reranked
from foils.cli.systems import VECTORS, System, check_system
from foils.cli.vectors import (
    Cache,
    CorpusPrompt,
    CorpusVectors,
    NoCache,
    PrecisionOf,
    QueryPrompt,
    QueryVectors,
    choose_cache,
)
from foils.collection import Collection
from foils.evaluating import (
    METRICS,
    Evaluation,
    Rankings,
    bootstrap_mean,
    depth_of,
    paired_difference,
    rank_vectors,
)
from foils.evaluating.metrics import Metric
from foils.evaluating.significance import Interval, PairedDifference
from foils.mining.encoded import memo_of
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.search import Similarity

LEVEL, INTERVAL = 0.95, "95 % interval"

Metrics = Annotated[
    list[str],
    Parameter(
        name="--metric",
        negative=(),
        help=f"Such as ndcg@10, mrr@10, recall@100, map. May be repeated. [default: {', '.join(METRICS)}]",
    ),
]

Excluded = Annotated[
    list[str],
    Parameter(
        negative=(),
        help="Split whose positives a query's ranking leaves out: what a user has clicked, known triples. "
        "May be repeated.",
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
    model: Model | None = None,
    query_vectors: QueryVectors | None = None,
    corpus_vectors: CorpusVectors | None = None,
    against: Annotated[
        str | None, Parameter(help=f"Another model, compared query by query; {VECTORS!r} = the files without --model.")
    ] = None,
    rerank: Annotated[
        str | None, Parameter(help="Cross-encoder that orders the best items of --model anew: a folder or hub name.")
    ] = None,
    depth: Annotated[Whole, Parameter(help="Items that --rerank scores.", validator=Number(gte=1))] = 100,
    split: Split = "test",
    named: Columns = AS_THEY_ARE,
    exclude: Excluded | None = None,
    similarity: Annotated[
        Similarity, Parameter(help="How vectors are compared; matrix factorisation is ranked by dot.")
    ] = "cosine",
    metric: Metrics | None = None,
    query_prompt: QueryPrompt | None = None,
    corpus_prompt: CorpusPrompt | None = None,
    precision: PrecisionOf = "auto",
    cache: Cache | None = None,
    no_cache: NoCache = False,
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

        foils eval scifact --model models/adapter --against vectors \
          --query-vectors q.npy --corpus-vectors c.npy

        foils eval clicks --query-vectors users.npy --corpus-vectors items.npy \
          --similarity dot --exclude train

        foils eval scifact --model minilm --rerank models/reranker \
          --against minilm
    """
    names = list(dict.fromkeys(str(Metric.parse(name)) for name in metric or METRICS))
    kept = choose_cache(cache, no_cache=no_cache)
    files = query_vectors, corpus_vectors
    system = check_system(
        model, *files, query_prompt=query_prompt, corpus_prompt=corpus_prompt, precision=precision, cache=kept
    )
    other = None if against is None else check_system(against, *files, precision=precision, cache=kept)
    reranker = None if rerank is None else CrossEncoderModel.open(rerank, None, memo_of(kept))
    collection = read(data, named)
    require_positives(collection, split, least=2, why=", and an interval needs 2")
    left_out = tuple(exclude or ())
    collection.judgements.select(left_out)  # are there such splits?
    if kept is not None and query_vectors is None:
        note(f"vectors are kept in {kept}; what is there is not encoded again")
    ranked = _Ranked(collection, split, left_out, similarity)
    rankings = ranked.by(system, max(depth_of(names), 0 if reranker is None else depth))
    if reranker is not None:
        rankings = reranked(collection, rankings, reranker, depth, kept)
    ours = rankings.evaluate(names)
    theirs = None if other is None else ranked.by(other, depth_of(names)).evaluate(names)
    lines = {name: _line(ours, theirs, name) for name in names}
    name = system.name if rerank is None else f"{system.name}, the first {depth} reranked by {rerank}"
    facts = {"split": split, "queries": len(ours.anchors), "items": len(collection.items)}
    facts |= {"excluded": list(left_out), "similarity": similarity}
    if json:
        metrics = {name: line.data() for name, line in lines.items()}
        say_json({**facts, "model": name, "against": against, "level": LEVEL, "metrics": metrics})
        return
    head = ["metric", "model", f"[{INTERVAL}]"]
    if against is not None:
        head += ["against", f"difference [{INTERVAL}]", "p"]
    without = f", without the positives of {', '.join(left_out)}" if left_out else ""
    say(
        f"{len(ours.anchors):,} queries of {split}, {len(collection.items):,} items{without}, by {similarity}\n"
        f"model:   {name}\n" + ("" if against is None else f"against: {against}\n")
    )
    say(_table([head, *([name, *line.cells()] for name, line in lines.items())]))


@dataclass(frozen=True)
class _Ranked:
    """What is ranked, and how vectors are compared."""

    collection: Collection
    split: str
    exclude: tuple[str, ...]
    similarity: Similarity

    def by(self, system: System, depth: int) -> Rankings:
        """Rank by what a system gives."""
        anchors, items = system.vectors(self.collection)
        with progress("ranking") as report:
            return rank_vectors(
                self.collection, anchors, items, depth=depth, split=self.split, exclude=self.exclude,
                similarity=self.similarity, progress=report,
            )  # fmt: skip


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
