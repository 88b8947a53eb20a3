"""Small mining problems, and what mining them must give: a reference in plain loops, without blocks or files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foils.collection import Collection
from foils.mining import Mined, mine

TABLES = ("negatives.parquet", "candidates.parquet", "items.parquet", "identity.json")


@dataclass(frozen=True, eq=False)
class Problem:
    """A collection and the vectors of one encoder."""

    collection: Collection
    queries: np.ndarray
    corpus: np.ndarray

    def mine(self, recipe: Any, out: Path | None = None, *, negatives: int = 4, **options: Any) -> Mined:
        """Mine with these vectors."""
        return mine(
            self.collection,
            recipe,
            negatives=negatives,
            query_vectors=self.queries,
            item_vectors=self.corpus,
            out=out,
            **options,
        )

    def open(self, path: Path, **options: Any) -> Mined:
        """Open a result of this problem."""
        return Mined.open(path, self.collection, query_vectors=self.queries, item_vectors=self.corpus, **options)


def problem(
    *,
    anchors: int = 40,
    items: int = 90,
    dim: int = 4,
    seed: int = 0,
    whole: bool = True,
    judged_zero: bool = True,
    empty: Sequence[int] = (7,),
    normaliser: str = "text",
) -> Problem:
    """Make a problem with several positives, exact duplicates, empty items, anchors without positives and ties.

    Args:
        anchors: how many; every 9th has no positive.
        items: how many; the last is an exact duplicate of the first under the normaliser ``text``.
        dim: dimensions.
        seed: of all that is random.
        whole: vectors of small whole numbers, so that there are ties and any sum of products is exact.
        judged_zero: some pairs are judged non-relevant.
        empty: items without text.
        normaliser: see ``Collection``.
    """
    rng = np.random.default_rng(seed)
    pairs: list[tuple[int, int]] = []
    grades: list[float] = []
    for anchor in range(anchors):
        if anchor % 9 == 8:
            continue
        chosen = rng.choice(items - 1, size=rng.integers(1, 6), replace=False)
        if anchor == 0 and 0 not in chosen:
            chosen[0] = 0  # its duplicate is the last item
        pairs += [(anchor, int(item)) for item in chosen]
        zero = judged_zero and len(chosen) > 2
        grades += [1.0] * (len(chosen) - zero) + [0.0] * zero
    texts = ["" if item in empty else f"item number {item}" for item in range(items)]
    texts[-1] = texts[0].upper()
    collection = Collection.from_arrays(
        pairs, anchors=[f"anchor {row}" for row in range(anchors)], items=texts, grades=grades, normaliser=normaliser
    )
    corpus = rng.integers(-3, 4, (items, dim)).astype(float) if whole else rng.standard_normal((items, dim))
    queries = rng.integers(-1, 2, (anchors, dim)).astype(float) if whole else rng.standard_normal((anchors, dim))
    for anchor, item in pairs:
        queries[anchor] += corpus[item]  # so that positives score high, though not always highest
    for vectors in (queries, corpus):
        vectors[(vectors == 0).all(axis=1), 0] = 4  # a zero vector has no cosine
    return Problem(collection, queries.astype(np.float32), corpus.astype(np.float32))


def contents(table: pa.Table) -> str:
    """Spell a table out, so that NaN equals NaN."""
    return repr(table.to_pydict())


def finished_shards(path: Path) -> list[str]:
    """Read from the journal which shards are finished; none where there is no journal."""
    journal = path / "journal.jsonl"
    lines = journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else []
    return sorted(json.loads(line)["shard"]["name"] for line in lines)


def file_bytes(path: Path) -> dict[str, str]:
    """Digest the files that equal runs have in common."""
    return {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in TABLES}


@dataclass
class Unit:
    """What the reference says of one unit; items by row."""

    anchor: int
    positives: list[int]
    candidates: list[int]
    reasons: list[str]
    negatives: list[int]
    scores: list[float]
    depth: int
    exhausted: bool
    relaxed: int
    needs_deeper: bool = False


Rule = Callable[[float, list[float]], str]
"""(score, scores of the unit's positives) → ``kept`` or the reason."""


def absolute_margin(margin: float, reference: Callable[[list[float]], float] = min) -> Rule:
    """Reject at or above the reference positive's score minus a margin."""

    def rule(score: float, positives: list[float]) -> str:
        if not positives:
            return "no_positive_score"
        return "absolute_margin" if score >= reference(positives) - margin else "kept"

    return rule


def max_score(threshold: float) -> Rule:
    """Reject at or above a threshold."""
    return lambda score, positives: "max_score" if score >= threshold else "kept"


def keep_all(score: float, positives: list[float]) -> str:
    """Reject nothing."""
    return "kept"


def naive(
    this: Problem,
    rule: Rule = keep_all,
    *,
    k: int,
    max_depth: int,
    m: int = 4,
    skip_ranks: int = 0,
    steps: Sequence[Rule] = (),
    reach: Sequence[int] | None = None,
    per: str = "anchor",
) -> list[Unit]:
    """Mine by dot product and top-k, one unit and one candidate at a time.

    Args:
        this: the problem; its vectors must be whole numbers.
        rule: which candidates are kept.
        k: depth of the first look.
        max_depth: depth of the last.
        m: negatives asked for.
        skip_ranks: ranks left out by the sampler.
        steps: rules to relax to.
        reach: for each unit, how deep can be looked; default: as deep as wanted.
        per: anchor or pair.
    """
    products = this.queries.astype(np.float64) @ this.corpus.astype(np.float64).T
    known = this.collection.positives()
    given, empty = known.given(), this.collection.items.empty
    units = []
    for anchor in range(known.n_anchors):
        excluded = set(known.row(anchor).tolist()) | set(np.flatnonzero(empty).tolist())
        free = [item for item in range(known.n_items) if item not in excluded]
        free.sort(key=lambda item: (-products[anchor, item], item))
        own = given.row(anchor).tolist()
        for positives in [own] * bool(own) if per == "anchor" else [[item] for item in own]:
            scores = [products[anchor, item] for item in positives if not empty[item]]
            limit = max_depth if reach is None else reach[len(units)]
            units.append(
                _settle(
                    anchor, positives, free, products[anchor], scores, rule, steps, m, k, max_depth, limit, skip_ranks
                )
            )
    return units


def _settle(anchor, positives, free, products, scores, rule, steps, m, k, max_depth, limit, skip_ranks) -> Unit:
    depth = k
    while True:
        seen = free[:depth]
        reasons = [rule(products[item], scores) for item in seen]
        kept = _kept(seen, reasons, skip_ranks)
        exhausted = len(seen) < depth
        if len(kept) >= m or exhausted or depth >= max_depth:
            stuck = False
            break
        if depth >= limit:
            stuck = True
            break
        depth = min(2 * depth, max_depth)
    relaxed = 0
    for step in steps:
        if len(kept) >= m or stuck:
            break
        relaxed += 1
        reasons = [step(products[item], scores) for item in seen]
        kept = _kept(seen, reasons, skip_ranks)
    drawn = kept[:m]
    return Unit(
        anchor, positives, seen, reasons, drawn, [products[item] for item in drawn], depth, exhausted, relaxed, stuck
    )


def _kept(seen: list[int], reasons: list[str], skip_ranks: int) -> list[int]:
    pairs = list(zip(seen, reasons, strict=True))[skip_ranks:]
    return [item for item, reason in pairs if reason == "kept"]


def found(mined: Mined) -> list[Unit]:
    """Give what a result says, as the reference says it; ids of this module's problems are their rows."""
    units = []
    for row, drawn in zip(mined.result.candidates().to_pylist(), mined.negatives.to_pylist(), strict=True):
        units.append(
            Unit(
                row["anchor"],
                row["positives"],
                row["items"],
                row["reason"],
                [int(item) for item in drawn["negative_ids"]],
                drawn["scores"],
                row["searched_depth"],
                row["exhausted"],
                row["relaxed"],
                row["needs_deeper"],
            )
        )
    return units
