"""Judge stored candidates again, and search deeper only where the new rules need it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from foils import samplers
from foils._array import Key
from foils.errors import FolderError, RecipeError, whole_number
from foils.mining import tables
from foils.mining.asking import announce, limits, remote
from foils.mining.identity import Execution, other_run
from foils.mining.prepare import MOST_SEED, Prepared, warnings
from foils.mining.run import Progress, run
from foils.mining.sanity import complaints
from foils.mining.settle import Provider
from foils.mining.shard import Job, all_rows
from foils.mining.stored import Result, Stored
from foils.positives import Int64
from foils.recipes import override_resolved

BLOCK = 256
"""Units judged at a time."""
FACTS = (
    "recipe",
    "anchors",
    "anchors_without_positives",
    "items",
    "items_with_empty_text",
    "exact_duplicates_of_positives",
    "constraints",
    "separation",
    "source",
)
"""Statistics of the data, which other rules do not change."""


def rethreshold(
    result: Result, settings: Sequence[str], out: Path, execution: Execution, progress: Progress | None
) -> None:
    """Judge the stored candidates by changed rules, p_positive or sampler settings, into a new folder.

    The result is what a fresh run with these settings gives as far as the stored candidates reach; units that a fresh
    run would search deeper are marked ``needs_deeper``.

    Raises:
        RecipeError: a setting is not valid, or changes where candidates come from.
    """
    recipe = override_resolved(result.recipe, settings).bound(len(result.names.items))
    now, there = recipe.resolved(), result.recipe.resolved()
    for part in ("per", "source", "scorers"):
        if other_run({"recipe": {part: there[part]}}, {"recipe": {part: now[part]}}):
            raise RecipeError(f"{part} decides what was searched and scored; to change it, mine again")
    identity = msgspec.structs.replace(
        result.identity, recipe=recipe.resolved(), scores=recipe.ordered_by(), derived="rethreshold"
    )
    left_out = result.candidates(["excluded_positives", "forbidden_items"])
    forbidden = left_out["forbidden_items"].to_numpy().astype(np.int64)
    job = Job(
        identity=identity,
        recipe=recipe,
        names=result.names,
        units=result.units,
        excluded=left_out["excluded_positives"].to_numpy(),
        forbidden=lambda places: forbidden[places],
        providers=lambda span: [(Stored.of(result, recipe, span), all_rows(span))],
        first_block=BLOCK,
        unit_block=BLOCK,
        facts=lambda: (
            {name: result.stats[name] for name in FACTS if name in result.stats}
            | {
                "warnings": [
                    *complaints(result.stats.get("separation", {})),
                    *warnings(recipe, result.units, identity.negatives, result.stats["constraints"]),
                ]
            }
        ),
    )
    run(job, out, execution, fresh=False, progress=progress)


def deepen(result: Result, prepared: Prepared, out: Path, execution: Execution, progress: Progress | None) -> None:
    """Search deeper for the units that need it; the tables are then those of a fresh run.

    Raises:
        FolderError: the data, the vectors or the versions are not those that it was mined with.
    """
    identity = msgspec.structs.replace(result.identity, derived=None)
    changed = other_run(identity.data(), prepared.identity.data())
    if changed:
        listed = "\n  ".join(changed)
        raise FolderError(f"{result.path} cannot be searched deeper, as it was mined with:\n  {listed}\nmine again")
    announce(map(limits, remote(result.recipe)))
    needed = result.candidates(["needs_deeper"])["needs_deeper"].to_numpy()
    search = prepared.search()

    def providers(span: slice) -> list[tuple[Provider, Int64]]:
        deeper = needed[span]
        stored = Stored.of(result, result.recipe, span)
        return [(stored, np.flatnonzero(~deeper)), (search.of(span), np.flatnonzero(deeper))]

    block = min(prepared.inputs.blocks.anchors, BLOCK)
    job = replace(prepared.job(providers, search.facts, search.stop), first_block=block, unit_block=block)
    run(job, out, execution, fresh=False, progress=progress)


def sample(result: Result, epoch: int) -> pa.Table:
    """Draw from the stored survivors with the noise of another epoch; epoch 0 gives negatives.parquet.

    Samplers without noise give the same negatives in every epoch. Candidates are not drawn again: a random source
    whose ``k`` is the number of negatives leaves the sampler nothing but their order.

    Raises:
        InputError: the epoch is negative, or candidates were not stored.
    """
    epoch = whole_number("epoch", epoch, 0, MOST_SEED)
    identity, recipe = result.identity, result.recipe
    sampler, key = recipe.sampler.fields, Key(identity.seed, "sampler", epoch)
    parts = []
    for number in range(-(-identity.units // identity.shard_units)):
        shard = result.shard(number)
        depth = int(np.max(shard["searched_depth"].to_numpy()))
        candidates = tables.stored_candidates(shard, depth, recipe.columns())
        weights = sampler.weigh(candidates, tables.stored_verdict(shard, depth).keep)
        negatives = samplers.draw(sampler, candidates, weights, identity.negatives, key)
        parts.append(tables.negatives_table(candidates, negatives, result.names, identity.scores))
    return tables.join(parts)
