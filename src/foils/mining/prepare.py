"""Check everything that can be checked before work starts, and identify the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from foils.candidates import Referring
from foils.collection import Collection, require_collection
from foils.constraints import NONE, Constraint, Resolved, resolve
from foils.errors import DataError, InputError, whole_number
from foils.formats.id_pairs import read_id_pairs
from foils.mining.counts import SPLIT
from foils.mining.identity import GIVEN, MAX_STORED_CANDIDATES, SHARD_UNITS, Execution, Identity, versions
from foils.mining.reach import beyond_reach
from foils.mining.sanity import complaints, separation
from foils.mining.settle import Search
from foils.mining.shard import Job, Providers
from foils.mining.tables import Names
from foils.positives import Int64, Units
from foils.recipes import Recipe
from foils.scorers import Confident, CrossEncoderScorer, LlmScorer, Remote, scorer_digests
from foils.search import MODEL, Blocks, Forbidden, Inputs, VectorSource, matrix_digest, open_sides
from foils.sources import source_digests

MOST_NEGATIVES = 1_000_000
MOST_SEED = 2**63 - 1
ENOUGH_FOR_BLOCKS = 64_000_000
"""Bytes of a thread with which blocks are about as fast as with more."""
COSTLY = 4
"""Searching this many times as deep is worth a word where a model reads every candidate."""

VectorSources = Mapping[str, tuple[VectorSource, VectorSource]]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A checked run that has not begun."""

    identity: Identity
    recipe: Recipe
    collection: Collection
    inputs: Inputs
    units: Units
    constraints: Resolved

    def search(self) -> Search:
        """Bind the recipe's parts to the data."""
        return Search.prepare(self.recipe, self.inputs, self.units)

    def with_recipe(self, recipe: Recipe) -> Prepared:
        """Give the same run by another recipe that reads the same data."""
        identity = msgspec.structs.replace(self.identity, recipe=recipe.resolved(), scores=recipe.ordered_by())
        return replace(self, identity=identity, recipe=recipe)

    def job(
        self,
        providers: Providers,
        found: Callable[[], Mapping[str, Any]] = dict,
        stop: Callable[[], object] = lambda: None,
    ) -> Job:
        """Make the job of this run, with its own or other providers of candidates.

        Args:
            providers: who gives the candidates.
            found: asked when all is done what source and scorers have to say; see ``Search.facts``.
            stop: called when the run ends early; see ``Search.stop``.
        """
        positives = self.inputs.positives
        return Job(
            self.identity,
            self.recipe,
            Names(self.collection.anchors.ids, self.collection.items.ids, self.recipe.per),
            self.units,
            positives.degrees[self.units.anchors],
            self._forbidden,
            providers,
            self.inputs.blocks.first or self.inputs.blocks.anchors,
            self.inputs.blocks.anchors,
            lambda: self._facts(found()),
            stop,
            self.inputs.cache is not None,
        )

    def separations(self) -> dict[str, dict[str, Any]]:
        """Measure how well each encoder's vectors tell positives from random items; see ``foils.mining.sanity``."""
        names = [name for name in self.recipe.reads() if name in self.inputs.matrices]
        matrices = [self.inputs.matrices[name] for name in names]
        found = [separation(self.collection, self.inputs.positives, *pair) for pair in matrices]
        return {name: msgspec.structs.asdict(one) for name, one in zip(names, found, strict=True) if one is not None}

    def _forbidden(self, places: Int64) -> Int64:
        """Count, for units by place, the items that lists and constraints forbid beyond the known positives."""
        inputs = self.inputs
        return inputs.forbidden.further(self.units.anchors[places], inputs.positives.relation, inputs.mineable)

    def _facts(self, found: Mapping[str, Any]) -> dict[str, Any]:
        collection, positives, separations = self.collection, self.inputs.positives, self.separations()
        return {
            "recipe": self.recipe.name,
            "anchors": len(collection.anchors),
            "anchors_without_positives": int((positives.given().degrees == 0).sum()),
            "items": len(collection.items),
            "items_with_empty_text": int(collection.items.empty.sum()),
            "exact_duplicates_of_positives": len(positives.items) - len(positives.given().items),
            "source": {name: value for name, value in found.items() if name not in ("scorers", "warnings")},
            **({"scorers": found["scorers"]} if "scorers" in found else {}),
            "constraints": list(self.constraints.facts),
            "separation": separations,
            "warnings": [
                *complaints(separations),
                *warnings(self.recipe, self.units, self.identity.negatives, self.constraints.facts),
                *found.get("warnings", ()),
            ],
        }


def vectors_by_name(
    query_vectors: VectorSource | None, item_vectors: VectorSource | None, others: VectorSources | None
) -> VectorSources:
    """Name the vectors that were given.

    Raises:
        InputError: only one side was given.
    """
    if (query_vectors is None) != (item_vectors is None):
        raise InputError("give query vectors and corpus vectors together; one of the two was left out")
    if query_vectors is None or item_vectors is None:
        return dict(others or {})
    return {MODEL: (query_vectors, item_vectors), **(others or {})}


def bind(constraints: Sequence[Constraint], collection: Collection) -> Resolved:
    """Bind constraints to the data, before any work; see ``foils.constraints.resolve``."""
    return resolve(constraints, require_collection(collection), read_id_pairs)


def check_request(negatives: object, split: object, seed: object) -> tuple[int, int]:
    """Check what does not depend on the data, before anything is encoded; gives negatives and seed as plain numbers.

    Raises:
        InputError: of the wrong kind, or out of range.
    """
    if not isinstance(split, str):
        raise InputError(f"split is {split!r:.80}; expected the name of one split, as in split='train'")
    return whole_number("negatives", negatives, 1, MOST_NEGATIVES), whole_number("seed", seed, 0, MOST_SEED)


def prepare(
    collection: Collection,
    recipe: Recipe,
    vectors: VectorSources,
    *,
    negatives: int,
    split: str,
    seed: int,
    execution: Execution,
    constraints: Resolved = NONE,
    cache: Path | None = None,
) -> Prepared:
    """Check everything that can be checked before work starts, and identify the run."""
    require_collection(collection)
    negatives, seed = check_request(negatives, split, seed)
    recipe = recipe.bound(len(collection.items))
    positives = collection.positives((split,))
    units = positives.units(recipe.per)
    if not len(units):
        listed = ", ".join(collection.splits)
        raise DataError(
            f"no anchor has a positive in the split {split!r}; choose a split that has (there are: {listed})"
        )
    labels = {name: "" if name == MODEL else f" {name!r}" for name in vectors}
    matrices = {name: open_sides(*pair, collection, label=labels[name]) for name, pair in vectors.items()}
    dim = max((pair[0].shape[1] for pair in matrices.values()), default=1)
    depth, deepest = recipe.source.fields.depths(negatives)
    block = execution.block
    memory_bytes = _for_blocks(execution, copy_bytes=2 * len(collection.items) * dim)
    blocks = Blocks.within(memory_bytes // execution.threads, dim=dim, depth=deepest, first_depth=depth)
    blocks = blocks if block is None else Blocks(block, block, block)
    inputs = Inputs(
        positives=positives,
        trusted=collection.trusted_negatives((split,)),
        mineable=~collection.items.empty,
        matrices=matrices,
        negatives=negatives,
        seed=seed,
        blocks=blocks,
        collection=collection,
        forbidden=Forbidden.of(positives, constraints),
        cache=cache,
        search=execution.search,
        spare_bytes=execution.memory_bytes
        - execution.threads * blocks.most_bytes(dim=dim, depth=deepest, n_items=len(collection.items)),
    )
    recipe.source.fields.check(inputs)
    for scorer in recipe.scorers:
        scorer.fields.check(inputs)
    identity = Identity(
        recipe=recipe.resolved(),
        negatives=negatives,
        split=split,
        seed=seed,
        scores=recipe.ordered_by(),
        units=len(units),
        shard_units=SHARD_UNITS,
        candidates_stored=len(units) * depth <= MAX_STORED_CANDIDATES,
        inputs={
            "collection": collection.digest(split),
            **({} if collection.found is None else {GIVEN: collection.without_found().digest(split)}),
            **_digests(recipe, inputs),
            **source_digests(recipe.source.fields, inputs),
            **scorer_digests([part.fields for part in recipe.scorers], inputs),
        },
        constraints=constraints.digests,
        versions=versions(),
    )
    return Prepared(identity, recipe, collection, inputs, units, constraints)


def _for_blocks(execution: Execution, *, copy_bytes: int) -> int:
    """Say how much of the memory blocks get: what a rounded copy of the items' vectors leaves, if that is enough.

    Args:
        execution: the run's.
        copy_bytes: what a copy takes, if one is made.
    """
    left = execution.memory_bytes - copy_bytes
    fits = execution.search != "exact" and left >= execution.threads * ENOUGH_FOR_BLOCKS
    return left if fits else execution.memory_bytes


def check_window(recipe: Recipe, negatives: int) -> None:
    """Check, before anything is encoded, that services are named, and that depth and window leave candidates at all.

    Args:
        recipe: bound to the number of items.
        negatives: per unit.

    Raises:
        InputError: a service or its key is missing, or there are no candidates.
    """
    for part in recipe.scorers:
        if isinstance(part.fields, Remote):
            part.fields.check_service()
    deepest = recipe.source.fields.depths(negatives)[1]
    if not _room(recipe, negatives):
        raise InputError(
            f"the sampler's window (skip_ranks, skip_survivors, max_rank) leaves none of the {deepest:,} candidates "
            "that the source looks at per unit; skip less, widen the window, or look deeper (max_depth of the source)"
        )


def warnings(recipe: Recipe, units: Units, negatives: int, constraints: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Say what about a recipe and constraints (their facts) may surprise on these units."""
    found = [
        f"{fact['constraint']}: {fact['anchors_without_value']:,} anchors and {fact['items_without_value']:,} items "
        "have no value, so that nobody can say that it holds: these anchors get nothing, and these items are nobody's"
        for fact in constraints
        if fact.get("anchors_without_value") or fact.get("items_without_value")
    ]
    many = int((np.diff(units.indptr) > SPLIT).sum())
    referring = [(rule.name, rule.fields) for rule in recipe.rules if isinstance(rule.fields, Referring)]
    harsh = [name for name, fields in referring if fields.reference == "min"]
    if harsh and many:
        found.append(
            f"{many} units have more than {SPLIT} positives, and {', '.join(harsh)} measures against the lowest-scored "
            f"one: few candidates may pass; consider --set rules.{harsh[0]}.reference=mean, or =max"
        )
    found += [*_cost(recipe, units, negatives), *beyond_reach(recipe)]
    room = _room(recipe, negatives)
    if room < negatives:
        found.append(
            f"depth and window leave at most {room} candidates of a unit, and {negatives} negatives are asked for: "
            "every unit will be short; look deeper, skip less or widen the window"
        )
    return found


def _cost(recipe: Recipe, units: Units, negatives: int) -> list[str]:
    """Say what searching deeper costs where a model reads every candidate."""
    each = [part.fields.of.fields if isinstance(part.fields, Confident) else part.fields for part in recipe.scorers]
    models = [fields for fields in each if isinstance(fields, CrossEncoderScorer | LlmScorer)]
    judges = [fields.name for fields in models if fields.band is None]
    depth, deepest = recipe.source.fields.depths(negatives)
    if not judges or not recipe.rules or deepest < COSTLY * depth:
        return []
    return [
        f"{', '.join(judges)} reads every candidate, and units that come out short are searched down to {deepest:,} "
        f"candidates instead of {depth:,}: {len(units) * depth:,} pairs to read may become {len(units) * deepest:,}; "
        f"bound it by max_depth of the source, as in --set source.dense.max_depth={2 * depth}"
    ]


def _room(recipe: Recipe, negatives: int) -> int:
    """Count the candidates of a unit that the sampler may draw from at most."""
    return recipe.sampler.fields.window().room(recipe.source.fields.depths(negatives)[1])


def _digests(recipe: Recipe, inputs: Inputs) -> dict[str, str]:
    """Hash the vectors that the recipe reads; nothing follows from others."""
    return {
        f"vectors.{name}.{side}": matrix_digest(matrix)
        for name in sorted(recipe.reads())
        for side, matrix in zip(("anchors", "items"), inputs.matrices[name], strict=True)
    }
