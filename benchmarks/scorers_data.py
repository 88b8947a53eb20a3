"""Data whose truth is known, for benchmarks/scorers.py: what is shown to a scorer, and pairs that are judged in full.

    cranfield, cisi, nfcorpus, dbpedia_entity_v2   one known positive per query is kept, by seed, the others are hidden;
                                                   pairs that nobody judged count as negative
    tldr_pages, tatoeba_laser                      every item has an owner; items or anchors of the same text are hidden
                                                   positives, at most 20 an anchor (foils would exclude them all: the
                                                   texts are kept from it, and given to scorers that read texts)
    cosqa                                          half of the positives are shown; pairs are the other half, and those
                                                   that people judged wrong
    codex_s                                        (h, r, ?) → t; pairs are true and verified false triples

The pairs of all but the last two are the 20 nearest items of each anchor after its known positive: what naive mining
would use as negatives.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from hidden_positives import with_one_positive
from scipy.sparse.linalg import svds

from foils import _array
from foils._array import Key
from foils.collection import Collection
from foils.mining import mine
from foils.positives import Judgements, Relation
from foils.records import Records

NEGATIVES = 20
SEEDS = 3
MOST_ANCHORS = 500
"""Anchors of a data set, drawn by hash."""
DBPEDIA_ANCHORS = 150
OWNED_ITEMS = 6000
"""Items, each with its owner, of the data sets of duplicates."""
DUPLICATED_ANCHORS = 600
"""Anchors with a hidden duplicate whose negatives are looked at."""
MOST_COPIES = 20
"""Of an anchor; some descriptions, as "Display help", fit thousands of commands."""
CODEX_DIM = 64

Encode = Callable[[str, Collection], tuple[Any, Any]]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a scorer is shown, and pairs whose truth is known.

    Attributes:
        shown: with the known positives only, in one split.
        vectors: of its anchors and items.
        anchors: int64[P].
        items: int64[P].
        labels: bool[P], True for a positive that is not shown.
        mined: whether the pairs are mined negatives, of which some may be given up.
        texts: the same with texts, where the shown has none.
        weights: float64[P], how many pairs each stands for, where they are a sample; else 1.
    """

    shown: Collection
    vectors: tuple[Any, Any]
    anchors: Any
    items: Any
    labels: Any
    mined: bool
    texts: Collection | None = None
    weights: Any = 1.0


def problems(name: str, folder: Path, encode: Encode) -> Iterator[Problem]:
    """Make the problems of a data set, one per seed."""
    yield from MAKERS[name](name, folder / name, encode)


def hidden(most: int, name: str, path: Path, encode: Encode, *, pool: bool = False) -> Iterator[Problem]:
    """Keep one positive per anchor, and hide the others."""
    full = in_one_split(Collection.from_beir(path, normaliser="none"))
    right = full.judgements.grades > 0
    several = np.flatnonzero(np.bincount(full.judgements.anchors[right], minlength=len(full.anchors)) > 1)
    anchors = drawn(several, most, 0)
    items = np.arange(len(full.items))
    if pool:
        items = np.unique(full.judgements.items[np.isin(full.judgements.anchors, anchors)])
    whole, vectors = encode_part(name, full, anchors, items, encode)
    for seed in range(SEEDS):
        shown, secret = with_one_positive(whole, seed)
        truth = Relation.from_pairs(secret.anchors, secret.items, len(whole.anchors))
        yield of_mined(shown, vectors, truth)


def duplicated(name: str, path: Path, encode: Encode) -> Iterator[Problem]:
    """Let the copies of an anchor's positive, and of the anchor, be hidden positives."""
    full = in_one_split(Collection.from_beir(path, normaliser="none"))
    owner = np.zeros(len(full.items), np.int64)
    owner[full.judgements.items] = full.judgements.anchors
    truth = copies(full)
    several = drawn(np.flatnonzero((truth.degrees > 0) & (truth.degrees <= MOST_COPIES)), DUPLICATED_ANCHORS, 0)
    own = full.judgements.items[np.argsort(full.judgements.anchors)]  # one positive each
    needed = np.union1d(truth.take(several).items, own[several])
    others = drawn(np.setdiff1d(np.arange(len(full.items)), needed), OWNED_ITEMS - len(needed), 1)
    items = np.union1d(needed, others)
    anchors = np.unique(owner[items])
    part, vectors = encode_part(name, full, anchors, items, encode)
    shown = replace(part, anchors=Records(part.anchors.ids), items=Records(part.items.ids))
    rows, columns = truth.take(anchors).coordinates()
    inside = np.isin(columns, items)
    within = Relation.from_pairs(rows[inside], np.searchsorted(items, columns[inside]), len(anchors))
    yield replace(of_mined(shown, vectors, within, np.searchsorted(anchors, several)), texts=part)


def copies(full: Collection) -> Relation:
    """Relate anchors to items of the same text as their positive's, or owned by an anchor of the same text."""
    (anchors, items), n = (full.judgements.anchors, full.judgements.items), len(full.anchors)
    codes = [np.unique(side.full_texts(), return_inverse=True)[1] for side in (full.anchors, full.items)]
    found = []
    for keys in (codes[0][anchors], codes[1][items]):
        same = sp.csr_array((np.ones(len(keys)), (np.arange(len(keys)), keys)))
        pairs = (same @ same.T).tocoo()
        found.append(np.stack([anchors[pairs.row], items[pairs.col]]))
    both = np.concatenate(found, axis=1)
    known = Relation.from_pairs(anchors, items, n)
    new = ~known.contains(*both)
    return Relation.from_pairs(*both[:, new], n)


def judged(name: str, path: Path, encode: Encode) -> Iterator[Problem]:
    """Show half of the positives; ask about the other half, and about pairs that people judged wrong."""
    full = in_one_split(Collection.from_beir(path, normaliser="none"))
    given, vectors = full.judgements, encode(name, full)
    right = given.grades > 0
    half = _array.counter_uniform(Key(0, "benchmark.half", 0), given.anchors, given.items) < 0.5
    asked = np.flatnonzero(~right | half)
    shown = replace(full, judgements=taken(given, np.flatnonzero(right & ~half)))
    yield Problem(shown, vectors, given.anchors[asked], given.items[asked], right[asked], mined=False)


def triples(_: str, path: Path, __: Encode) -> Iterator[Problem]:
    """Ask about true and verified false triples; vectors come from the training triples alone."""
    names = ("train", "valid", "test", "valid_negatives", "test_negatives")
    parts = {part: read_triples(path / f"{part}.tsv.gz") for part in names}
    entities, flat = np.unique(
        np.concatenate([part[:, [0, 2]].ravel() for part in parts.values()]), return_inverse=True
    )
    relations = np.unique(np.concatenate([part[:, 1] for part in parts.values()]))
    rows = np.split(flat.reshape(-1, 2), np.cumsum([len(part) for part in parts.values()])[:-1])
    facts = {
        part: np.stack([ends[:, 0], np.searchsorted(relations, parts[part][:, 1]), ends[:, 1]], axis=1)
        for part, ends in zip(parts, rows, strict=True)
    }
    train, asked = facts["train"], np.concatenate([facts[part] for part in names[1:]])
    labels = np.arange(len(asked)) < len(facts["valid"]) + len(facts["test"])
    queries, code = np.unique(np.concatenate([train, asked])[:, :2], axis=0, return_inverse=True)
    pairs = np.stack([code[: len(train)], train[:, 2]], axis=1)
    shown = Collection.from_arrays(pairs, anchors=len(queries), items=len(entities), normaliser="none")
    items = entity_vectors(train, len(entities), len(relations))
    vectors = query_vectors(train, queries, items), items
    yield Problem(shown, vectors, code[len(train) :], asked[:, 2], labels, mined=False)


def entity_vectors(train: Any, n: int, relations: int) -> Any:
    """Embed entities by what they are linked to: the first singular vectors of entity × (side, relation, other)."""
    columns = np.concatenate([train[:, 1] * n + train[:, 2], (relations + train[:, 1]) * n + train[:, 0]])
    links = sp.csr_array((np.ones(2 * len(train)), (np.concatenate([train[:, 0], train[:, 2]]), columns)))
    weights = 1 / np.sqrt(np.maximum(links.sum(axis=0), 1))
    left, values, _ = svds(links.multiply(weights).tocsr(), k=CODEX_DIM, v0=np.ones(min(links.shape)))
    return (left * values + 1e-6).astype(np.float32)


def query_vectors(train: Any, queries: Any, items: Any) -> Any:
    """Embed (h, r, ?) by the tails of the heads of r that are like h, h itself left out."""
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    vectors = np.zeros((len(queries), items.shape[1]), np.float32)
    for relation in np.unique(queries[:, 1]):
        of, facts = np.flatnonzero(queries[:, 1] == relation), train[train[:, 1] == relation]
        heads = queries[of, 0]
        likeness = np.maximum(unit[heads] @ unit[facts[:, 0]].T, 0) ** 8
        likeness[heads[:, None] == facts[None, :, 0]] = 0
        vectors[of] = likeness @ unit[facts[:, 2]] + 1e-6
    return vectors


def read_triples(path: Path) -> Any:
    """Read head, relation and tail as text."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        return np.array([line.rstrip("\n").split("\t")[:3] for line in lines])


def of_mined(shown: Collection, vectors: tuple[Any, Any], truth: Relation, looked_at: Any = None) -> Problem:
    """Mine by nothing but similarity, and look up which of the negatives are positives."""
    mined = mine(
        shown, "naive-top-k", negatives=NEGATIVES, query_vectors=vectors[0], item_vectors=vectors[1], cache=False
    )  # fmt: skip
    anchors, items = mined.rows(shown)
    if looked_at is not None:
        kept = np.isin(anchors, looked_at)
        anchors, items = anchors[kept], items[kept]
    rows, places = np.nonzero(items >= 0)
    pairs = anchors[rows], items[rows, places]
    return Problem(shown, vectors, *pairs, truth.contains(*pairs), mined=True)


def encode_part(
    name: str, full: Collection, anchors: Any, items: Any, encode: Encode
) -> tuple[Collection, tuple[Any, Any]]:
    """Cut a collection down and encode what is left; vectors of the whole are cut likewise."""
    part = full.part(anchors, items)
    queries, corpus = encode(name, part)
    if len(queries) != len(anchors):
        queries, corpus = queries[anchors], corpus[items]
    return part, (queries, corpus)


def in_one_split(full: Collection) -> Collection:
    """Let all judgements be of the split train."""
    given = full.judgements
    one = Judgements(given.anchors, given.items, given.grades, np.zeros_like(given.splits), ("train",))
    return replace(full, judgements=one)


def taken(given: Judgements, at: Any) -> Judgements:
    """Keep some judgements."""
    return Judgements(given.anchors[at], given.items[at], given.grades[at], given.splits[at], given.split_names)


def drawn(rows: Any, most: int, seed: int) -> Any:
    """Draw up to so many rows, by hash; ascending."""
    noise = _array.counter_uniform(Key(seed, "benchmark.rows", 0), rows, np.zeros_like(rows))
    return np.sort(rows[np.argsort(noise, kind="stable")[:most]])


MAKERS: Mapping[str, Callable[..., Iterator[Problem]]] = {
    "cranfield": partial(hidden, MOST_ANCHORS),
    "cisi": partial(hidden, MOST_ANCHORS),
    "nfcorpus": partial(hidden, MOST_ANCHORS),
    "dbpedia_entity_v2": partial(hidden, DBPEDIA_ANCHORS, pool=True),
    "tldr_pages": duplicated,
    "tatoeba_laser": duplicated,
    "cosqa": judged,
    "codex_s": triples,
}
