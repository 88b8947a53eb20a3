"""Time and memory of foils.compat.mine_hard_negatives beside sentence-transformers', on vectors made beforehand.

    FOILS_DATA=… python benchmarks/compat_speed.py --vectors FOLDER [--data scifact] [--rounds 5]
    python benchmarks/compat_speed.py --random 20000

Both functions get the same data set, the same corpus and a model that looks its vectors up, so what is measured is the
search, the choice and the rows. They alternate in one process, on one thread; the ratio is that of the medians of CPU
time. Peak memory is how far one call, in a process of its own, raises the resident set. FOLDER holds {data}.q.npy and
{data}.c.npy, rows in the order of queries.jsonl and corpus.jsonl; ``--random N`` takes N random queries and texts.
Needs the extra ``train``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.util import mine_hard_negatives as original

import foils
from foils.compat import mine_hard_negatives as ours

MINERS = {"sentence-transformers": original, "foils": ours}
CASES: dict[str, dict[str, Any]] = {
    "top 3": {},
    "relative margin 0.05, 8 negatives, scores": {
        "relative_margin": 0.05,
        "num_negatives": 8,
        "output_scores": True,
        "range_max": 100,
    },
}
MEGABYTE = 1e6


class Table:
    """A model with the interface of a SentenceTransformer that looks its vectors up."""

    device = torch.device("cpu")
    similarity_fn_name = "cosine"
    model_card_data = SimpleNamespace(base_model=None)

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode_query(self, texts: list[str], **_: object) -> np.ndarray:
        """Look up."""
        return np.stack([self.vectors[text] for text in texts])

    encode_document = encode_query

    def similarity(self, queries: object, documents: object) -> torch.Tensor:
        """All inner products."""
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries: object, documents: object) -> torch.Tensor:
        """Inner products of rows."""
        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(dim=1)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="scifact")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--random", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--once", nargs=2, metavar=("MINER", "CASE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    problem = drawn(options.random) if options.random else read(options.data, options.vectors)
    if options.once:
        sys.stdout.write(f"{peak_of(MINERS[options.once[0]], problem, CASES[options.once[1]])}\n")
        return
    dataset, _, corpus = problem
    sys.stdout.write(
        f"{'random' if options.random else options.data}: {len(dataset):,} pairs, {len(corpus):,} texts\n\n"
    )
    sys.stdout.write("| case | | CPU s | wall s | peak MB | rows |\n|---|---|---|---|---|---|\n")
    for case, settings in CASES.items():
        times = alternate(problem, settings, options.rounds)
        for name, (cpu, wall, rows) in times.items():
            peak = separate(name, case)
            sys.stdout.write(f"| {case} | {name} | {cpu:.2f} | {wall:.2f} | {peak:.0f} | {rows:,} |\n")
        ratio = times["foils"][0] / times["sentence-transformers"][0]
        sys.stdout.write(f"| | foils / sentence-transformers | {ratio:.2f} | | | |\n")


def read(name: str, folder: Path) -> tuple[Dataset, Table, list[str]]:
    """Read pairs, model and corpus."""
    collection = foils.load(name)
    queries, texts = collection.anchors.full_texts(), collection.items.full_texts()
    pairs = collection.positives().examples()
    dataset = Dataset.from_dict(
        {"query": [queries[row] for row in pairs.anchors], "answer": [texts[row] for row in pairs.positives]}
    )
    sides = ((texts, "c"), (queries, "q"))
    vectors = {text: row for side, key in sides for text, row in zip(side, normalised(folder, name, key), strict=True)}
    return dataset, Table(vectors), texts


def drawn(n: int) -> tuple[Dataset, Table, list[str]]:
    """Draw n queries and n texts of 128 dimensions; each query has a text near it."""
    noise = np.random.default_rng(0)
    texts = noise.normal(size=(n, 128)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    queries = texts + 0.03 * noise.normal(size=texts.shape).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    names = (
        [f"text {row} {'of a length that passages have ' * 10}" for row in range(n)],
        [f"query {row}" for row in range(n)],
    )
    vectors = dict(zip(names[0], texts, strict=True)) | dict(zip(names[1], queries, strict=True))
    return Dataset.from_dict({"query": names[1], "answer": names[0]}), Table(vectors), names[0]


def normalised(folder: Path, name: str, side: str) -> np.ndarray:
    """Read vectors and bring them to length 1."""
    matrix = np.load(folder / f"{name}.{side}.npy").astype(np.float32)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def call(miner: Any, problem: tuple[Dataset, Table, list[str]], settings: dict[str, Any]) -> Any:
    """Mine once, quietly."""
    dataset, model, corpus = problem
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        warnings.simplefilter("ignore")
        return miner(dataset, model, corpus=corpus, verbose=False, **settings)


def alternate(problem: Any, settings: dict[str, Any], rounds: int) -> dict[str, tuple[float, float, int]]:
    """Give the medians of CPU and wall seconds, and the rows, by function; the first call of each is not counted."""
    cpu: dict[str, list[float]] = {name: [] for name in MINERS}
    wall: dict[str, list[float]] = {name: [] for name in MINERS}
    rows = {name: len(call(miner, problem, settings)) for name, miner in MINERS.items()}
    for _ in range(rounds):
        for name, miner in MINERS.items():
            began = time.process_time(), time.perf_counter()
            call(miner, problem, settings)
            cpu[name].append(time.process_time() - began[0])
            wall[name].append(time.perf_counter() - began[1])
    return {name: (float(np.median(cpu[name])), float(np.median(wall[name])), rows[name]) for name in MINERS}


def separate(miner: str, case: str) -> float:
    """Give the peak memory of one call in a process of its own, in megabytes."""
    command = [sys.executable, *sys.argv, "--once", miner, case]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak_of(miner: Any, problem: Any, settings: dict[str, Any]) -> float:
    """Give how far one call raises the resident set, in megabytes; what the data took is not counted."""
    small = drawn(64)
    call(miner, small, {"num_negatives": 1})  # imports and first allocations
    before, peak, done = resident(), 0.0, threading.Event()

    def look() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident())

    watch = threading.Thread(target=look)
    watch.start()
    call(miner, problem, settings)
    done.set()
    watch.join()
    return max(peak - before, 0.0)


def resident() -> float:
    """Give the resident set of this process in megabytes (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MEGABYTE


if __name__ == "__main__":
    main()
