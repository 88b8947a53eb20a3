"""Mining hard negatives from vectors that are there: foils.mine beside sentence-transformers' mine_hard_negatives.

    python benchmarks/run.py mining [--quick]

Texts and vectors in, a table of training rows with texts out: 8 negatives per query from a window of 100 items, those
above 95 % of the positive's score left out, all cores in use. The peer gets a model that hands its vectors over without
any work, and the fastest of its output formats; foils reads the texts, checks and hashes the vectors, mines into a
folder on disk and reads its rows back. Ratios are to the peer's faster setting.

Rows are compared where the peer found all 8 within its window; where it did not, its rule leaves the query out, and
foils looks deeper. Choices between scores that float32 products cannot tell apart are counted by themselves. What is
outside the search is CPU time that no call of the search explains, of a run of its own; what of it is after the search
began with the run itself, when texts are read, vectors are checked and the way to search is chosen.
Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import numpy.typing as npt
import planted
import pyarrow as pa
import torch
from datasets import Dataset
from harness import CONSOLE, Aim, Contender, Table, at_least, compare, cpu_seconds, is_quick, save
from ours import SEARCH
from sentence_transformers.util import mine_hard_negatives

import foils

Float32 = npt.NDArray[np.float32]
DIM, NEGATIVES, WINDOW, MARGIN = 384, 8, 100, 0.05
SIZES = ((5_000, 50_000, 5), (20_000, 50_000, 3), (20_000, 200_000, 3))
"""Queries, items, rounds."""
QUICK = ((1_000, 5_000, 2),)
THREADS = os.cpu_count() or 1
MEMORY_PER_THREAD = 64_000_000
ROUNDING = 1e-6
"""Scores of unit vectors closer than this may change places in float32."""
OURS, PLAIN, FAISS = "foils.mine", "mine_hard_negatives, faiss_batch_size=1024", "mine_hard_negatives, use_faiss=True"
SETTINGS: dict[str, dict[str, Any]] = {
    PLAIN: {"use_faiss": False, "faiss_batch_size": 1024},
    FAISS: {"use_faiss": True},
}


@dataclass(frozen=True, eq=False)
class Problem:
    """Vectors, and the item that each query belongs to.

    Attributes:
        queries: float32[Q, DIM].
        items: float32[N, DIM].
        positives: int64[Q], item rows.
    """

    queries: Float32
    items: Float32
    positives: npt.NDArray[np.int64]

    @classmethod
    def made(cls, queries: int, items: int) -> Problem:
        """Make one; each query has a positive of its own."""
        vectors = planted.matrix(items, DIM, 1)
        positives = np.random.default_rng(3).permutation(items)[:queries]
        return cls(planted.queries(vectors, positives, 2), vectors, positives)

    def texts(self) -> tuple[list[str], list[str]]:
        """Give short texts, one per query and one per item."""
        return [f"query {row}" for row in range(len(self.queries))], [f"item {row}" for row in range(len(self.items))]


class Outside(NamedTuple):
    """CPU seconds of a run that are not spent in the search."""

    total: float
    after: float
    """Since the run began to settle units: rules, draws, tables, files, and reading them back."""


class Lookup:
    """A model with the interface of a SentenceTransformer that hands over vectors made beforehand."""

    device = torch.device("cpu")
    similarity_fn_name = "cosine"
    model_card_data = SimpleNamespace(base_model=None)

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def get_embedding_dimension(self) -> int:
        """Give the dimensions."""
        return DIM

    def encode_query(self, texts: list[str], **_: object) -> Float32:
        """Give all vectors of queries: they are asked for in their order."""
        return self.problem.queries

    def encode_document(self, texts: list[str], **_: object) -> Float32:
        """Give all vectors of items."""
        return self.problem.items

    def similarity(self, queries: object, items: object) -> torch.Tensor:
        """All inner products."""
        return torch.as_tensor(queries) @ torch.as_tensor(items).T

    def similarity_pairwise(self, queries: object, items: object) -> torch.Tensor:
        """Inner products of rows."""
        return (torch.as_tensor(queries) * torch.as_tensor(items)).sum(dim=1)


def main() -> None:
    """Measure all sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.parse_args()
    sizes = QUICK if is_quick() else SIZES
    tables, aims, lines, spent = [], [], [], []
    for place, (queries, items, rounds) in enumerate(sizes):
        problem = Problem.made(queries, items)
        title = f"{queries:,} queries × {items:,} items, d = {DIM}, {THREADS} threads"
        table, same, outside = measured(title, problem, rounds, warm_up=place == 0)
        tables.append(table)
        spent.append(outside.after)
        said = f"outside the search {outside.total:.2f} CPU s, {outside.after:.2f} of them after it"
        lines.append(f"{title}: {said}; {same[1]}.")
        if sizes is SIZES and place == len(SIZES) - 1:
            aims = [*judged(problem, table, same[0], outside.total), per_query(spent)]
    for line in lines:
        CONSOLE.print(line)
    save("mining", tables, {"aims": aims, "lines": lines})


def measured(title: str, problem: Problem, rounds: int, *, warm_up: bool) -> tuple[Table, tuple[float, str], Outside]:
    """Measure one size: its table, the share of equal rows, and CPU seconds outside the search."""
    queries, items = problem.texts()
    dataset = Dataset.from_dict({"query": queries, "answer": [items[row] for row in problem.positives]})
    found: dict[str, pa.Table | Dataset] = {}

    def ours() -> None:
        with fresh_folder() as folder:
            found[OURS] = mined(problem, queries, items, folder)

    def theirs(name: str) -> None:
        found[name] = mined_by_peer(problem, dataset, items, SETTINGS[name])

    contenders = [Contender(OURS, ours, len(queries))]
    contenders += [Contender(name, lambda name=name: theirs(name), len(queries)) for name in SETTINGS]  # type: ignore[misc]
    table = compare(title, "queries", contenders, rounds=rounds, reference=tuple(SETTINGS), warm_up=warm_up)
    return table, same_rows(problem, found[OURS], found[FAISS]), min(outside_search(ours) for _ in range(2))


def mined(problem: Problem, queries: list[str], items: list[str], folder: Path) -> pa.Table:
    """Mine with foils: texts and vectors in, training rows out."""
    pairs = np.stack([np.arange(len(queries)), problem.positives], axis=1)
    collection = foils.Collection.from_arrays(pairs, anchors=queries, items=items)
    execution = foils.Execution(memory_bytes=budget(problem), threads=THREADS)
    result = foils.mine(
        collection,
        "nv-retriever",
        negatives=NEGATIVES,
        query_vectors=problem.queries,
        item_vectors=problem.items,
        settings=[f"source.dense.k={WINDOW}", f"rules.relative_margin.margin={MARGIN}"],
        out=folder,
        execution=execution,
        cache=False,
    )
    return result.to("n-tuple", shortfall="drop")


def budget(problem: Problem) -> int:
    """Give what blocks, and a bfloat16 copy of the items, may take."""
    return MEMORY_PER_THREAD * THREADS + 2 * problem.items.size


def mined_by_peer(problem: Problem, dataset: Dataset, items: list[str], settings: dict[str, Any]) -> Dataset:
    """Mine with sentence-transformers, quietly."""
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        return mine_hard_negatives(
            dataset,
            Lookup(problem),  # type: ignore[arg-type]
            corpus=items,
            range_max=WINDOW,
            num_negatives=NEGATIVES,
            relative_margin=MARGIN,
            output_format="n-tuple",
            verbose=False,
            **settings,
        )


def same_rows(problem: Problem, ours: pa.Table, theirs: Dataset) -> tuple[float, str]:
    """Give the share of the peer's rows whose negatives ours has too, up to rounding, and say it."""
    names = [f"negative_{place}" for place in range(1, NEGATIVES + 1)]
    columns = [ours[name].to_pylist() for name in ("anchor", *names)]
    held = {query: set(negatives) for query, *negatives in zip(*columns, strict=True)}
    rows = list(zip(*(theirs[name] for name in ("query", *names)), strict=True))
    other = {query: held.get(query, set()) ^ set(negatives) for query, *negatives in rows}
    different = {query: texts for query, texts in other.items() if texts}
    wrong = sum(not is_rounding(problem, query, texts) for query, texts in different.items())
    same = 1 - wrong / max(len(rows), 1)
    return same, (
        f"of {len(rows):,} rows of mine_hard_negatives, {len(rows) - len(different):,} have the same negatives, "
        f"{len(different) - wrong:,} others whose scores are within {ROUNDING:.6f} of each other or of the margin, "
        f"{wrong:,} others; foils has {len(ours):,} rows"
    )


def is_rounding(problem: Problem, query: str, texts: set[str]) -> bool:
    """Say whether items that only one of the two chose have scores that float32 products cannot tell apart."""
    row, items = int(query.split()[1]), [int(text.split()[1]) for text in texts]
    vector = problem.queries[row].astype(np.float64)
    scores = problem.items[items].astype(np.float64) @ vector
    limit = (1 - MARGIN) * float(problem.items[problem.positives[row]].astype(np.float64) @ vector)
    sure = np.abs(scores - limit) > ROUNDING
    return bool(not sure.any() or np.ptp(scores[sure]) <= ROUNDING)


def outside_search(run: Any) -> Outside:
    """Give the CPU seconds of one call that are not spent in the search."""
    inside, began_run, lock = [0.0], [0.0], threading.Lock()
    module = import_module("foils.mining.mine")  # its name is that of its function
    search, whole_run = getattr(*SEARCH), module.run

    def noted(*arguments: Any, **named: Any) -> None:
        began_run[0] = cpu_seconds() - inside[0]
        whole_run(*arguments, **named)

    def clocked(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return search(*arguments, **named)
        finally:
            with lock:
                inside[0] += time.thread_time() - began

    with mock.patch.object(*SEARCH, clocked), mock.patch.object(module, "run", noted):
        began = cpu_seconds()
        run()
        ended = cpu_seconds()
    return Outside(ended - began - inside[0], ended - began_run[0] - inside[0])


@contextlib.contextmanager
def fresh_folder() -> Iterator[Path]:
    """Give a path where nothing is."""
    folder = Path(tempfile.mkdtemp())
    try:
        yield folder / "run"
    finally:
        shutil.rmtree(folder)


def judged(problem: Problem, table: Table, same: float, outside: float) -> list[Aim]:
    """Compare with the bars."""
    size = f"{len(problem.queries):,} × {len(problem.items):,}"
    better = min((PLAIN, FAISS), key=lambda name: table.row(name).wall_seconds)
    output = len(problem.queries) * (NEGATIVES + 2) * (len("query 12345") + 8)  # texts and where each begins
    bound = budget(problem) + output
    peak, share = table.row(OURS).peak_bytes or 0, outside / table.row(OURS).cpu_seconds
    return [
        at_least(f"{size}: wall-clock time of the peer's better setting over ours", 5, table.wall_ratio(OURS, better)),
        at_least(f"{size}: CPU time of the peer's better setting over ours", 4, table.ratio(OURS, table.reference)),
        Aim(f"{size}: rows with the same negatives, up to rounding", "≥ 99.99 %", f"{same:.3%}", same >= 0.9999),
        Aim(f"{size}: outside the search, share of CPU time", "≤ 15 %", f"{share:.1%}", share <= 0.15),
        Aim(
            f"{size}: peak memory; 64 MB per thread + 2 bytes per component of the corpus + output",
            f"≤ {bound / 1e6:.0f} MB", f"{peak / 1e6:.0f} MB", peak <= bound,
        ),
    ]  # fmt: skip


def per_query(spent: list[float]) -> Aim:
    """Give what a further query costs after the search: the first two sizes differ in queries alone."""
    each = (spent[1] - spent[0]) / (SIZES[1][0] - SIZES[0][0]) * 1e6
    return Aim("after the search, CPU time per further query", "≤ 20 µs", f"{each:.0f} µs", each <= 20)


if __name__ == "__main__":
    main()
