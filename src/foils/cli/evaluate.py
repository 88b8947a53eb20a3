"""``foils eval``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from foils.cli.console import note, progress, say, say_json
from foils.cli.data import AS_THEY_ARE, Columns, Data, Split, read, require_positives
from foils.cli.evaluated import LEVEL, Found, Line
from foils.cli.options import Json, Whole
from foils.cli.reranking import rerank as reranked
from foils.cli.systems import VECTORS, System, check_system
from foils.cli.vectors import NOWHERE, Cache, NoCache, VectorsOf, choose_cache
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
from foils.mining.encoded import memo_of
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.search import Similarity

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


def evaluate(
    data: Data,
    /,
    *,
    vectors: VectorsOf = NOWHERE,
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
    system = check_system(vectors, kept)
    of_other = replace(vectors, model=against, query_prompt=None, corpus_prompt=None)
    other = None if against is None else check_system(of_other, kept)
    reranker = None if rerank is None else CrossEncoderModel.open(rerank, None, memo_of(kept))
    collection = read(data, named)
    require_positives(collection, split, least=2, why=", and an interval needs 2")
    left_out = tuple(exclude or ())
    collection.judgements.select(left_out)  # are there such splits?
    if kept is not None and vectors.query_vectors is None:
        note(f"vectors are kept in {kept}; what is there is not encoded again")
    ranked = _Ranked(collection, split, left_out, similarity)
    rankings = ranked.by(system, max(depth_of(names), 0 if reranker is None else depth))
    if reranker is not None:
        rankings = reranked(collection, rankings, reranker, depth, kept)
    ours = rankings.evaluate(names)
    theirs = None if other is None else ranked.by(other, depth_of(names)).evaluate(names)
    lines = {name: _line(ours, theirs, name) for name in names}
    name = system.name if rerank is None else f"{system.name}, the first {depth} reranked by {rerank}"
    found = Found(
        split=split, queries=len(ours.anchors), items=len(collection.items), exclude=left_out, similarity=similarity,
        model=name, against=against, lines=lines,
    )  # fmt: skip
    if json:
        say_json(found.data())
    else:
        say(found.text())


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
