"""Exact top-k on one thread: how much of a bare matrix product is left when the best k of every query are kept.

    python benchmarks/run.py search [--quick]

Unit vectors around planted centres. ``limit:`` rows multiply queries and items block by block and keep nothing, in the
best of five block shapes; nothing that looks at all scores can be faster than the product it rests on. Ratios are to
the best float32 product of this machine, process and setting. Slow peers get fewer queries; ratios are per query. What
an index holds besides the vectors (a bfloat16 copy) is made before the clock starts and not in the peaks.
Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt
import planted
import torch
from harness import Aim, Contender, Table, at_least, compare, save, single_thread
from ours import EXACT, NUMPY, SCREENED, rough_for, screening, searchers
from products import BF16, FP32, products
from sentence_transformers.util import semantic_search
from usearch.index import MetricKind
from usearch.index import search as usearch_search

from foils.search import Vectors

Float32 = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
Search = Callable[[Float32, int], Ids]
"""Queries and k → int64[Q, k]."""

CHECKED = 200
"""Queries whose ids are compared with FAISS's."""
FAISS, TOPK = "faiss IndexFlatIP", "torch mm + topk"


@dataclass(frozen=True)
class Case:
    """A size, and how many queries the slower ones get (0 = left out)."""

    items: int
    dim: int
    k: int
    queries: int
    topk: int = 0
    argpartition: int = 0
    semantic: int = 0
    usearch: int = 0
    rounds: int = 5

    @property
    def title(self) -> str:
        """Say what is compared."""
        return f"Top {self.k:,} of {self.items:,} items, d = {self.dim}, one thread"


CASES = (
    Case(100_000, 384, 100, 1024, topk=1024, argpartition=500, semantic=500, usearch=32),
    Case(500_000, 384, 100, 600, topk=300, argpartition=100, semantic=100),
)
OTHERS = (
    Case(100_000, 64, 100, 1024, rounds=3),
    Case(100_000, 768, 100, 512, rounds=3),
    Case(100_000, 1024, 100, 512, rounds=3),
    Case(100_000, 384, 10, 1024, rounds=3),
    Case(100_000, 384, 1000, 512, rounds=3),
)
QUICK = (
    Case(20_000, 384, 100, 256, topk=256, argpartition=100, semantic=100, usearch=8, rounds=2),
    Case(20_000, 64, 10, 256, rounds=2),
)


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    tables, aims, lines = [], [], []
    with single_thread():
        for case in QUICK if options.quick else CASES + OTHERS:
            table, remarks = measured(case)
            tables.append(table)
            aims += judged(case, table)
            lines += remarks
    save("search", tables, {"aims": aims, "lines": lines})


def measured(case: Case) -> tuple[Table, list[str]]:
    """Measure one size: its table, and what the screened mode told of itself."""
    items, queries = planted.matrix(case.items, case.dim, 1), planted.matrix(case.queries, case.dim, 2)
    vectors = Vectors(items, "dot")
    rough = rough_for(vectors, queries, case.k)
    ours = searchers(vectors, rough, case.k)
    searches = {name: (search, case.queries) for name, search in ours.items()} | peers(items, case)
    contenders = list(products(items, queries))
    contenders += [
        Contender(name, lambda search=search, n=n: search(queries[:n], case.k), n)  # type: ignore[misc]
        for name, (search, n) in searches.items()
    ]
    truth = searches[FAISS][0](queries[:CHECKED], case.k)
    notes = {
        name: agreement(search(queries[: min(n, CHECKED)], case.k), truth) for name, (search, n) in searches.items()
    }
    notes.pop(FAISS)
    table = compare(case.title, "queries", contenders, rounds=case.rounds, reference=FP32, notes=notes)
    if rough is None:
        return table, []
    share = table.ratio(SCREENED, BF16)
    told = f"{share.median:.2f} [{share.low:.2f}, {share.high:.2f}] of the bfloat16 product"
    return table, [f"{case.title}, screened: {told}, {screening(rough, queries, case.k)}."]


def peers(items: Float32, case: Case) -> dict[str, tuple[Search, int]]:
    """Set up other people's searches, each with its number of queries."""
    index = faiss.IndexFlatIP(case.dim)
    index.add(items)
    tensor = torch.from_numpy(items)

    def by_topk(queries: Float32, k: int) -> Ids:
        found = [torch.topk(torch.mm(part, tensor.T), k).indices for part in torch.from_numpy(queries).split(1000)]
        return torch.cat(found).numpy()

    def by_argpartition(queries: Float32, k: int) -> Ids:
        return np.concatenate([partitioned(queries[at : at + 250] @ items.T, k) for at in range(0, len(queries), 250)])

    def by_semantic_search(queries: Float32, k: int) -> Ids:
        found = semantic_search(torch.from_numpy(queries), tensor, top_k=k, score_function=dot)
        return np.array([[hit["corpus_id"] for hit in hits] for hits in found], np.int64)

    def by_usearch(queries: Float32, k: int) -> Ids:
        found = usearch_search(items, queries, k, MetricKind.IP, exact=True, threads=1)
        return found.keys.astype(np.int64)

    everyone: dict[str, tuple[Search, int]] = {
        FAISS: (lambda queries, k: index.search(queries, k)[1], case.queries),
        TOPK: (by_topk, case.topk),
        "numpy argpartition": (by_argpartition, case.argpartition),
        "sentence_transformers semantic_search": (by_semantic_search, case.semantic),
        "usearch exact": (by_usearch, case.usearch),
    }
    return {name: (search, n) for name, (search, n) in everyone.items() if n}


def partitioned(scores: Float32, k: int) -> Ids:
    """Give the columns of the k highest scores of every row, highest first."""
    columns = np.argpartition(scores, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(scores, columns, axis=1), axis=1)
    return np.take_along_axis(columns, order, axis=1)


def dot(queries: torch.Tensor, items: torch.Tensor) -> torch.Tensor:
    """All inner products."""
    return queries @ items.T


def agreement(found: Ids, truth: Ids) -> str:
    """Say which share of FAISS's ids was found, and in how many rows the order is the same too."""
    truth = truth[: len(found)]
    shared = np.mean([np.isin(own, other).mean() for own, other in zip(truth, found, strict=True)])
    return f"recall {shared:.4f}, {(found == truth).all(axis=1).mean():.0%} of rows in FAISS's order"


def judged(case: Case, table: Table) -> list[Aim]:
    """Compare with the bars, where there are any."""
    if case not in CASES:
        return []
    exact, screened = (0.85, 0.70) if case.items <= 100_000 else (0.92, 0.85)
    bars = (
        (EXACT, table.reference, exact, "of the best float32 product"),
        (EXACT, FAISS, 0.95, "times FAISS IndexFlatIP"),
        (SCREENED, TOPK, 4, "times torch mm + topk"),
        (SCREENED, BF16, screened, "of the bfloat16 product"),
        (NUMPY, TOPK, 1, "times torch mm + topk"),
    )
    names = {row.name for row in table.rows}
    return [
        at_least(f"{name}, {case.items:,} items: {what}", bar, table.ratio(name, to))
        for name, to, bar, what in bars
        if {name, to} <= names
    ]


if __name__ == "__main__":
    main()
