"""Parts of a collection, for sources whose index would take long to build: two sizes are probed, and carried on.

The power law is seconds(n) = c·n^α, with α from the two parts, between 0 and 1.3 (a graph needs n log n).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from foils import _array
from foils.collection import Collection
from foils.mining.identity import Execution
from foils.mining.prepare import Prepared, prepare
from foils.planning.probe import Probe, probe
from foils.positives import Int64
from foils.recipes import Recipe
from foils.sources import BM25, HNSW, IVF, Mixture, Run

WHOLE: Mapping[type, int] = {BM25: 100_000, HNSW: 20_000, IVF: 100_000}
"""Items up to which an index is built whole, in some ten seconds."""
PARTS: Mapping[type, tuple[int, int]] = {BM25: (10_000, 40_000), HNSW: (1500, 6000), IVF: (10_000, 40_000)}
"""Items of the two parts."""
ANCHORS = 256
STEEPEST = 1.3


def parts_of(recipe: Recipe, collection: Collection) -> tuple[int, int] | None:
    """Give the items of two parts, where a recipe's index would take long to build; else None."""
    source = recipe.source.fields
    kinds = {type(one.fields) for one in source.of} if isinstance(source, Mixture) else {type(source)}
    slow = [kind for kind in (HNSW, IVF, BM25) if kind in kinds and len(collection.items) > WHOLE[kind]]
    if not slow or Run in kinds:  # the file of a run names items that a part lacks
        return None
    return PARTS[slow[0]]


def probe_parts(prepared: Prepared, execution: Execution, sizes: tuple[int, int], *, first_look: bool) -> Probe:
    """Probe two parts of a run, and carry what they took on to the whole."""
    units, total = len(prepared.units), len(prepared.collection.items)
    parts = [_part(prepared, execution, size) for size in sizes]
    small, large = (probe(part, execution, units=units, first_look=first_look) for part in parts)
    few, many = (len(part.collection.items) for part in parts)

    def grown(low: float, high: float) -> float:
        low, high = max(low, 1e-9), max(high, 1e-9)
        power = math.log(high / low) / math.log(many / few) if many > few else 1.0
        return high * math.pow(total / many, min(max(power, 0.0), STEEPEST))

    return replace(
        large,
        opening_seconds=grown(small.opening_seconds, large.opening_seconds),
        opening_bytes=round(large.opening_bytes * total / many),
        unit_seconds=grown(small.unit_seconds, large.unit_seconds),
        disk_bytes={name: grown(small.disk_bytes[name], size) for name, size in large.disk_bytes.items()},
    )


def _part(prepared: Prepared, execution: Execution, size: int) -> Prepared:
    """Keep some anchors, their positives, and other items up to ``size``."""
    identity, inputs = prepared.identity, prepared.inputs
    anchors = np.unique(prepared.units.anchors)
    anchors = np.sort(_drawn(anchors)[:ANCHORS])
    known = np.unique(inputs.positives.relation.take(anchors).items)
    others = np.setdiff1d(np.arange(len(prepared.collection.items)), known)
    items = np.sort(np.concatenate([known, _drawn(others)[: max(size - len(known), 0)]]))
    vectors = {name: (pair[0][anchors], pair[1][items]) for name, pair in inputs.matrices.items()}
    return prepare(
        prepared.collection.part(anchors, items), prepared.recipe, vectors, negatives=identity.negatives,
        split=identity.split, seed=identity.seed, execution=execution,
    )  # fmt: skip


def _drawn(rows: Int64) -> Int64:
    """Put rows in random order."""
    noise = _array.counter_uniform(_array.Key(0, "plan.parts", 0), np.zeros(1, np.int64), rows)
    return rows[np.argsort(noise, kind="stable")]
