"""Approximate search on one thread: what building an index costs, and after how many queries that pays.

    python benchmarks/run.py approximate [--quick]

Unit vectors around planted centres, which flatter lists: neighbours share a list. An index is searched at the first
setting in a row of doublings that finds 95 % of the 100 nearest; ours also scores what it finds canonically. Opening
ours includes measuring its recall. Needs the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import faiss
import numpy as np
import numpy.typing as npt
import planted
from harness import Contender, Table, compare, is_quick, save, single_thread, timed
from ours import EXACT, NUMPY, rough_for, searchers

from foils.collection import Collection
from foils.search import Blocks, Forbidden, Inputs, Vectors
from foils.search.inverted import InvertedIndex
from foils.sources import HNSW, IVF
from foils.sources.approximate import OpenApproximate

Float32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Search = Callable[[], Ids]

DIM, K = 384, 100
QUERIES, CHECKED = 512, 200
ENOUGH = 0.95
MORE = (64, 128, 256)
"""Lists looked through where fewer are not enough."""
MEMORY = 256 << 20


@dataclass(frozen=True, eq=False)
class Built:
    """An index: CPU seconds to build it, and searches of all queries by setting, from quick to thorough."""

    build: float
    searches: dict[str, Search]


def main() -> None:
    """Measure."""
    with single_thread():
        table, lines = measured(10_000 if is_quick() else 100_000)
    save("approximate", [table], {"lines": lines})


def measured(size: int) -> tuple[Table, list[str]]:
    """Build everything once, then compare searches at the first setting that finds enough."""
    items, queries = planted.matrix(size, DIM, 1), planted.matrix(QUERIES, DIM, 2)
    vectors = Vectors(items, "dot")
    every = searchers(vectors, rough_for(vectors, queries, K), K)
    exact = {name: search for name, search in every.items() if name != NUMPY}
    truth = exact[EXACT](queries[:CHECKED], K)
    contenders = [
        Contender(name, lambda search=search: search(queries, K), QUERIES)  # type: ignore[misc]
        for name, search in exact.items()
    ]
    notes, builds = dict.fromkeys(exact, "recall 1"), {}
    for name, built in indexes(items, queries):
        setting, recall = enough(built, truth)
        contenders.append(Contender(name, built.searches[setting], QUERIES))
        notes[name] = f"{setting}, recall {recall:.3f}, built in {built.build:.1f} CPU s"
        builds[name] = built.build
    title = f"Approximate top {K} of {size:,} items, d = {DIM}, one thread"
    table = compare(title, "queries", contenders, rounds=3, reference=EXACT, notes=notes)
    quickest = max(exact, key=lambda name: table.row(name).per_cpu_second)
    return table, [pays(table, name, quickest, build, size) for name, build in builds.items()]


def indexes(items: Float32, queries: Float32) -> Iterator[tuple[str, Built]]:
    """Build ours and FAISS's."""
    yield "foils ivf", our_lists(items, queries)
    yield "faiss IVF", their_lists(items, queries)
    yield "foils hnsw", our_graph(items, queries)
    yield "faiss HNSW", their_graph(items, queries)


def our_lists(items: Float32, queries: Float32) -> Built:
    """Our source ``ivf``; other numbers of probes look through the same lists."""
    source, build = opened(IVF(k=K), made(items, queries))
    index = source.index
    if not isinstance(index, InvertedIndex):
        raise TypeError(f"expected lists, not {type(index).__name__}")
    sources = {f"probes {probes}": replace(source, index=replace(index, probes=probes)) for probes in (32, *MORE)}
    return Built(build, {name: retrieval(one) for name, one in sources.items()})


def our_graph(items: Float32, queries: Float32) -> Built:
    """Our source ``hnsw``, at its default."""
    source, build = opened(HNSW(k=K), made(items, queries))
    return Built(build, {"default": retrieval(source)})


def opened(fields: IVF | HNSW, inputs: Inputs) -> tuple[OpenApproximate, float]:
    """Open a source: it, and CPU seconds."""
    made: list[OpenApproximate] = []
    _, seconds = timed(lambda: made.append(fields.open(inputs)))
    return made[0], seconds


def retrieval(source: OpenApproximate) -> Search:
    """Search for all queries."""
    units = source.inputs.positives.units()
    return lambda: source.retrieve(units, K).items


def made(items: Float32, queries: Float32) -> Inputs:
    """Make a run's inputs; the only known positives are of items that do not exist otherwise."""
    rows = len(queries)
    beside = np.concatenate([items, -items[:1]])
    data = Collection.from_arrays([(row, len(items)) for row in range(rows)], anchors=rows, items=len(beside))
    return Inputs(
        positives=data.positives(),
        trusted=data.trusted_negatives(),
        mineable=np.ones(len(beside), bool),
        matrices={"model": (queries, beside)},
        negatives=8,
        seed=0,
        blocks=Blocks.within(MEMORY, dim=DIM, depth=K),
        collection=data,
        forbidden=Forbidden.of(data.positives()),
    )


def their_lists(items: Float32, queries: Float32) -> Built:
    """FAISS's lists, as many as ours."""
    lists = round(4 * np.sqrt(len(items)))
    index = faiss.index_factory(DIM, f"IVF{lists},Flat", faiss.METRIC_INNER_PRODUCT)

    def build() -> None:
        index.train(items)
        index.add(items)

    def search(probes: int) -> Search:
        settings = faiss.SearchParametersIVF(nprobe=probes)
        return lambda: index.search(queries, K, params=settings)[1]

    _, seconds = timed(build)
    return Built(seconds, {f"probes {probes}": search(probes) for probes in (1, 2, 4, 8, 16, 32, *MORE)})


def their_graph(items: Float32, queries: Float32) -> Built:
    """FAISS's graph."""
    index = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 128

    def search(expansion: int) -> Search:
        settings = faiss.SearchParametersHNSW(efSearch=expansion)
        return lambda: index.search(queries, K, params=settings)[1]

    _, seconds = timed(lambda: index.add(items))
    return Built(seconds, {f"ef {expansion}": search(expansion) for expansion in (100, 200, 400)})


def enough(built: Built, truth: Ids) -> tuple[str, float]:
    """Find the first setting that finds enough, or the last, and its recall."""
    recalls: dict[str, float] = {}
    for setting, search in built.searches.items():
        found = search()[: len(truth)]
        recalls[setting] = float(np.mean([np.isin(own, other).mean() for own, other in zip(truth, found, strict=True)]))
        if recalls[setting] >= ENOUGH:
            break
    return next(reversed(recalls.items()))


def pays(table: Table, name: str, exact: str, build: float, items: int) -> str:
    """Say after how many queries an index has paid for itself."""
    saved = 1 / table.row(exact).per_cpu_second - 1 / table.row(name).per_cpu_second
    when = f"beats {exact} from {build / saved:,.0f} queries on" if saved > 0 else f"never beats {exact}"
    return f"{name}, {items:,} items: built in {build:.1f} CPU s, {when}."


if __name__ == "__main__":
    main()
