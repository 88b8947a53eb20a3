"""BM25: what an index costs, and how many queries a CPU second answers.

    python benchmarks/run.py lexical [--quick]

Documents of about 60 words: a third of each from the 200 words of its topic, the others from a Zipf law over 50,000.
Topical queries hold 8 words of a topic, as questions do; the others 8 words of a document, common ones included. All
contenders hold the same words with the same formula; foils and bm25s get them as numbers, unless a row says otherwise.
What cuts texts into words is left out on both sides. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import bm25s
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import rank_bm25
import scipy.sparse as sp
from bm25s.tokenization import Tokenized
from harness import Aim, Contender, Table, at_least, compare, save, single_thread

from foils.positives import Relation
from foils.search import LexicalIndex
from foils.search.lexical import WordCounts, word_counts
from foils.search.postings import Postings

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]

K1, B, METHOD = 0.9, 0.4, "lucene"
K = 100
VOCABULARY, TOPICS, TOPIC_WORDS = 50_000, 500, 200
WORDS, QUERY_WORDS = 60, 8
RAREST_STOP_WORD = 25
"""Words more common than this rank belong to no topic."""
EXCLUDED = 20
"""Known positives of a query, in the row that has some."""
CHECKED = 100
OURS, STRINGS, NUMBERS, CSC = "foils", "bm25s, from strings", "bm25s, from numbers", "bm25s, from numbers, SciPy"
COMPILED, PLAIN, BARRED = "foils, compiled", "foils, NumPy", f"foils, compiled, {EXCLUDED} items excluded per query"
PEER, PEER_PLAIN = "bm25s, Numba", "bm25s, NumPy"
PAIR, PEER_PAIR = "foils, compiled, 2 threads", "bm25s, Numba, 2 threads"
ROWS, RANK = "SciPy, sum of rows", "rank_bm25"


@dataclass(frozen=True)
class Case:
    """A size, and how many queries each speed of contender gets."""

    items: int
    fast: int = 2000
    slow: int = 200
    slowest: int = 4
    rounds: int = 5


CASE, LARGE = Case(100_000), Case(1_000_000, fast=500, slow=5, slowest=0, rounds=3)
QUICK = Case(10_000, fast=300, slow=20, slowest=1, rounds=2)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents as numbers of words: int32[T] and int64[N + 1]; queries of either kind, int32[Q, QUERY_WORDS]."""

    numbers: Int32
    indptr: Int64
    queries: Mapping[str, Int32]


def main() -> None:
    """Measure indexing, then both kinds of queries; then topical queries in ten times as many items."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    case = QUICK if options.quick else CASE
    with single_thread():
        corpus = made(case)
        indexed = compare(
            f"BM25 index of {case.items:,} items of {WORDS} words", "items", list(indexers(corpus, case)),
            reference=STRINGS, rounds=min(case.rounds, 3),
        )  # fmt: skip
        asked = [searched(corpus, case, kind) for kind in corpus.queries]
        if not options.quick:
            asked.append(searched(made(LARGE), LARGE, "topical"))
    save("lexical", [indexed, *asked], {"aims": judged(indexed, asked[0])})


def judged(indexed: Table, asked: Table) -> list[Aim]:
    """Compare with the bars."""
    return [
        at_least("indexing from numbers: times bm25s from strings", 8, indexed.ratio(OURS, STRINGS)),
        at_least("topical queries, compiled: times bm25s on Numba", 0.9, asked.ratio(COMPILED, PEER)),
        at_least("topical queries, 2 threads: times bm25s on 1, by wall clock", 1.6, asked.wall_ratio(PAIR, PEER)),
        at_least("topical queries, no compiler: times bm25s on NumPy", 1, asked.ratio(PLAIN, PEER_PLAIN)),
    ]


def made(case: Case) -> Corpus:
    """Make documents and queries."""
    noise = np.random.default_rng(0)
    lengths = np.maximum(noise.poisson(WORDS, case.items), QUERY_WORDS)
    indptr = np.append(0, np.cumsum(lengths))
    ranks = noise.uniform(np.log(RAREST_STOP_WORD), np.log(VOCABULARY), (TOPICS, TOPIC_WORDS))
    topics = np.exp(ranks).astype(np.int32)
    numbers = zipf(noise, VOCABULARY, int(indptr[-1]))
    topical = np.flatnonzero(noise.random(len(numbers)) < 1 / 3)
    topic = np.repeat(noise.integers(0, TOPICS, case.items), lengths)[topical]
    numbers[topical] = topics[topic, zipf(noise, TOPIC_WORDS, len(topical))]
    asked = zipf(noise, TOPIC_WORDS, case.fast * QUERY_WORDS).reshape(case.fast, QUERY_WORDS)
    starts = indptr[noise.integers(0, case.items, case.fast)][:, None]
    queries = {
        "topical": topics[noise.integers(0, TOPICS, (case.fast, 1)), asked],
        "common": numbers[starts + np.arange(QUERY_WORDS)],
    }
    return Corpus(numbers, indptr, queries)


def zipf(noise: np.random.Generator, size: int, count: int) -> Int32:
    """Draw numbers below ``size``, the r-th with a probability of 1/r."""
    law = np.cumsum(1 / np.arange(1, size + 1))
    return np.searchsorted(law / law[-1], noise.random(count)).clip(max=size - 1).astype(np.int32)


def indexers(corpus: Corpus, case: Case) -> Iterable[Contender]:
    """Set up what builds an index."""
    names = [f"w{number}" for number in range(VOCABULARY)]
    lists = [part.tolist() for part in np.split(corpus.numbers, corpus.indptr[1:-1])]
    texts = [[names[number] for number in part] for part in lists]
    known = {name: number for number, name in enumerate(names)}
    runs: dict[str, Callable[[], object]] = {
        OURS: lambda: postings_of(corpus),
        STRINGS: lambda: peer().index(texts, show_progress=False),
        NUMBERS: lambda: peer().index(Tokenized(lists, known), show_progress=False),
        CSC: lambda: peer(csc_backend="scipy").index(Tokenized(lists, known), show_progress=False),
        RANK: lambda: rank_bm25.BM25Okapi(texts, k1=K1, b=B),
    }
    return [Contender(name, run, case.items) for name, run in runs.items()]


def postings_of(corpus: Corpus) -> Postings:
    """Index with foils."""
    return Postings.of(corpus.numbers, corpus.indptr, VOCABULARY, k1=K1, b=B, method=METHOD)


def peer(**fields: Any) -> bm25s.BM25:
    """Give bm25s the same formula."""
    return bm25s.BM25(k1=K1, b=B, method=METHOD, **fields)


def searched(corpus: Corpus, case: Case, kind: str) -> Table:
    """Measure one kind of queries."""
    postings, queries = postings_of(corpus), corpus.queries[kind]
    index = LexicalIndex(pa.array([], pa.large_string()), postings)
    counts = word_counts(queries.ravel(), np.arange(0, queries.size + 1, QUERY_WORDS), postings)
    runs = own(index, counts, case) | peers(postings, queries, case)
    if case.slowest:
        ranked = rank_bm25.BM25Okapi([part.tolist() for part in np.split(corpus.numbers, corpus.indptr[1:-1])])
        few = queries[: case.slowest].tolist()  # numbers serve it as words
        runs[RANK] = (lambda: [best_of(ranked.get_scores(words)) for words in few], case.slowest)
    truth = index.search(counts.take(np.arange(CHECKED)), K, Relation.empty(CHECKED))[1]
    theirs = peers(postings, queries[:CHECKED], case)[PEER][0]()
    notes = {
        PEER: f"scores within {np.abs(np.nan_to_num(truth) - np.sort(theirs.scores)[:, ::-1]).max():.0e} of foils'"
    }  # type: ignore[attr-defined]
    touched = float(postings.degrees[queries].sum(axis=1).mean())
    return compare(
        f"Top {K} of {case.items:,} items by BM25, {kind} queries of {QUERY_WORDS} words ({touched:,.0f} postings)",
        "queries", [Contender(name, run, n) for name, (run, n) in runs.items()],
        rounds=case.rounds, reference=PEER, notes=notes,
    )  # fmt: skip


def own(index: LexicalIndex, counts: WordCounts, case: Case) -> dict[str, tuple[Callable[[], object], int]]:
    """Set up our own searches, each with its number of queries."""
    noise = np.random.default_rng(1)
    every, few = len(counts), min(case.slow * 4, len(counts))
    rows = np.repeat(np.arange(every), EXCLUDED)
    excluded = Relation.from_pairs(rows, noise.integers(0, case.items, len(rows)), every)
    some = counts.take(np.arange(few))

    def plain() -> object:
        with patch("foils._compiled.is_available", lambda: False):
            return index.search(some, K, Relation.empty(few))

    def half(start: int) -> object:
        part = counts.take(np.arange(start, every, 2))
        return index.search(part, K, Relation.empty(len(part)))

    def pair() -> object:
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(half, range(2)))

    return {
        COMPILED: (lambda: index.search(counts, K, Relation.empty(every)), every),
        BARRED: (lambda: index.search(counts, K, excluded), every),
        PAIR: (pair, every),
        PLAIN: (plain, few),
    }


def peers(postings: Postings, queries: Int32, case: Case) -> dict[str, tuple[Callable[[], Any], int]]:
    """Set up other people's searches over the same arrays."""
    built = {
        "data": postings.data,
        "indices": postings.indices,
        "indptr": postings.indptr.astype(np.int32),
        "num_docs": postings.n_items,
    }
    lists = queries.tolist()

    def answer(backend: str, n: int, threads: int) -> Any:
        index = peer(backend=backend)
        index.scores, index.vocab_dict = built, {str(number): number for number in range(VOCABULARY)}
        index.unique_token_ids_set, index.nonoccurrence_array = set(range(VOCABULARY)), None
        return lambda: index.retrieve(lists[:n], k=K, show_progress=False, n_threads=threads, backend_selection=backend)

    by_item = sp.csr_array(
        sp.csr_array((postings.data, postings.indices, postings.indptr), shape=(VOCABULARY, postings.n_items))
    )

    def summed() -> object:
        return [best_of(np.asarray(by_item[words].sum(axis=0)).ravel()) for words in queries[: case.slow]]

    return {
        PEER: (answer("numba", len(lists), 1), len(lists)),
        PEER_PAIR: (answer("numba", len(lists), 2), len(lists)),
        PEER_PLAIN: (answer("numpy", case.slow, 0), case.slow),
        ROWS: (summed, case.slow),
    }


def best_of(scores: npt.NDArray[Any]) -> Int64:
    """Give the rows of the best, highest first."""
    rows = np.argpartition(scores, -K)[-K:]
    return rows[np.argsort(-scores[rows])]


if __name__ == "__main__":
    main()
