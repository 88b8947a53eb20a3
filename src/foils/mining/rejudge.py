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
from foils.errors import FolderError, InputError, RecipeError
from foils.mining import tables
from foils.mining.identity import Execution
from foils.mining.prepare import Prepared
from foils.mining.run import Job, Progress, all_rows, run
from foils.mining.settle import Settled
from foils.mining.stored import Result, Stored
from foils.recipes import override_resolved

BLOCK = 256
"""Units judged at a time."""


def rethreshold(result: Result, settings: Sequence[str], out: Path, execution: Execution, progress: Progress | None) -> None:
    """Judge the stored candidates by changed rules or another sampler setting, into a new folder.

    The result is what a fresh run with these settings gives as far as the stored candidates reach; units that a fresh run would
    search deeper are marked ``needs_deeper``.

    Raises:
        RecipeError: a setting is not valid, or changes where candidates come from.
    """
    recipe = override_resolved(result.recipe, settings)
    for part in ("per", "source", "scorers"):
        if recipe.resolved()[part] != result.recipe.resolved()[part]:
            raise RecipeError(f"{part} decides what was searched and scored; to change it, mine again")
    identity = msgspec.structs.replace(
        result.identity, recipe=recipe.resolved(), scores=recipe.ordered_by(), derived="rethreshold"
    )
    facts = {name: value for name, value in result.stats.items() if name in FACTS} | {"recipe": recipe.name}
    excluded = result.candidates(["excluded_positives"])["excluded_positives"].to_numpy()
    job = Job(
        identity, recipe, result.names, result.units, excluded,
        lambda block: [(Stored.of(result, recipe, block), all_rows(block))], BLOCK, facts,
    )  # fmt: skip
    run(job, out, execution, fresh=False, progress=progress)


FACTS = (
    "anchors", "anchors_without_positives", "items", "items_with_empty_text", "exact_duplicates_of_positives", "warnings",
)  # fmt: skip


def deepen(result: Result, prepared: Prepared, out: Path, execution: Execution, progress: Progress | None) -> None:
    """Search deeper for the units that need it; the tables are then those of a fresh run.

    Raises:
        FolderError: the data is not what was mined from.
    """
    identity = msgspec.structs.replace(result.identity, derived=None)
    if prepared.identity != identity:
        raise FolderError(f"{result.path} was mined from other data, vectors or versions; give what it was mined from")
    needed = result.candidates(["needs_deeper"])["needs_deeper"].to_numpy(zero_copy_only=False)
    search = prepared.search()

    def providers(block: slice) -> Sequence[tuple[Stored | object, np.ndarray]]:
        deeper = needed[block]
        stored = Stored.of(result, result.recipe, block)
        return [(stored, np.flatnonzero(~deeper)), (search.of(block), np.flatnonzero(deeper))]

    job = replace(prepared.job(providers), unit_block=min(prepared.inputs.blocks.anchors, BLOCK))
    run(job, out, execution, fresh=False, progress=progress)


def sample(result: Result, epoch: int) -> pa.Table:
    """Draw from the stored survivors with the noise of another epoch; epoch 0 gives negatives.parquet.

    Samplers without noise give the same negatives in every epoch.

    Raises:
        InputError: the epoch is negative, or candidates were not stored.
    """
    if epoch < 0:
        raise InputError(f"epoch is {epoch}; expected 0 or more")
    identity, recipe = result.identity, result.recipe
    parts = []
    for number in range(-(-identity.units // identity.shard_units)):
        shard = result.shard(number)
        depth = int(np.max(shard["searched_depth"].to_numpy()))
        candidates = tables.stored_candidates(shard, depth, recipe.columns())
        verdict = tables.stored_verdict(shard, depth)
        weights = recipe.sampler.fields.weigh(candidates, verdict.keep)
        key = Key(identity.seed, "sampler", epoch)
        negatives = samplers.draw(recipe.sampler.fields, candidates, weights, identity.negatives, key)
        nothing = np.zeros(len(shard), bool)
        settled = Settled(
            np.arange(len(shard)), candidates, verdict, negatives, depth, nothing, nothing, nothing.astype(np.int32)
        )
        parts.append(tables.negatives_table(settled, result.names, identity.scores))
    return tables.join(parts)
