"""Mine negatives for a collection by a recipe, into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foils import recipes
from foils._cache import chosen_cache
from foils.collection import Collection
from foils.constraints import Constraint
from foils.encoders import Encoder
from foils.errors import InputError
from foils.mining.asking import announce, before_start
from foils.mining.budget import require_memory
from foils.mining.encoded import named_models, with_encoded
from foils.mining.fitted import warn_of_others
from foils.mining.folder import chosen_or_temporary, refuse_foreign
from foils.mining.identity import Execution, execution_of
from foils.mining.memory import release_unused
from foils.mining.mined import Mined
from foils.mining.prepare import VectorSources, bind, check_request, check_window, prepare, vectors_by_name
from foils.mining.reach import beyond_reach
from foils.mining.run import Progress, run
from foils.mining.shard import all_rows
from foils.mining.stored import Result
from foils.recipes import Recipe
from foils.search import MODEL, VectorSource


def mine(
    collection: Collection,
    recipe: str | Path | Recipe,
    *,
    negatives: int,
    model: str | Encoder | Any | None = None,
    models: Mapping[str, str | Encoder | Any] | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    vectors: VectorSources | None = None,
    constraints: Sequence[Constraint] = (),
    split: str = "train",
    seed: int = 0,
    settings: Sequence[str] = (),
    out: str | Path | None = None,
    execution: Execution | None = None,
    cache: str | Path | bool = True,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Mined:
    """Mine negatives for every anchor that has a positive in the split.

    Args:
        collection: anchors, items and positives; only the named split's positives are excluded.
        recipe: name or file of a recipe, or a loaded one.
        negatives: negatives per unit.
        model: encoder of the texts: a folder or name (see ``foils.encoders.open_encoder``), an opened encoder, a
            SentenceTransformer, or a function from texts to vectors.
        models: further encoders by the names that the recipe reads them by, such as ``{"guide": …}``.
        query_vectors: instead of a model, float[anchors, d] or an .npy file of them.
        item_vectors: float[items, d] or an .npy file of them.
        vectors: further encoders' vectors by name, (anchors, items) each.
        constraints: which items an anchor may get at all: ``Same``, ``Different``, ``Before``, ``After``, ``Allow`` and
            ``Deny`` of ``foils.constraints``; a candidate must pass all of them.
        split: whose positives are mined for and excluded.
        seed: of the noise; equal seeds give equal results.
        settings: overrides of the recipe, ``part.name.field=value``.
        out: folder of the result; default: a temporary one that goes when the result is no longer used.
        execution: memory, threads and blocks; none changes the result.
        cache: folder where vectors and scores of texts are kept for later runs; True = ``$FOILS_CACHE`` or the
            platform's cache folder, False = keep nothing.
        fresh: discard what an earlier run of ours left in ``out``.
        progress: called with (units done, units in all).

    Raises:
        InputError: the data, the recipe or the folder cannot be used; nothing was begun.
    """
    negatives, seed = check_request(negatives, split, seed)
    execution = execution_of(execution)
    given = vectors_by_name(query_vectors, item_vectors, vectors)
    if model is not None and MODEL in given:
        raise InputError("give a model, or query_vectors and item_vectors, not both")
    path, temporary = chosen_or_temporary(out)
    refuse_foreign(path)
    loaded = resolved_recipe(recipe, settings)
    bound = bind(constraints, collection)
    bounded = loaded.bound(len(collection.items))
    check_window(bounded, negatives)
    announce([*beyond_reach(bounded), *before_start(collection, bounded, negatives=negatives, split=split)])
    folder = chosen_cache(choice=cache)
    given = with_encoded(given, loaded, collection, named_models(model, models), folder)
    prepared = prepare(
        collection, loaded, given, negatives=negatives, split=split, seed=seed, execution=execution, constraints=bound,
        cache=folder,
    )  # fmt: skip
    warn_of_others(settings, prepared.recipe, prepared.identity.inputs)
    require_memory(prepared, execution)
    release_unused()  # what checking took, before a search may copy vectors
    search = prepared.search()
    job = prepared.job(lambda span: [(search.of(span), all_rows(span))], search.facts, search.stop)
    run(job, path, execution, fresh=fresh, progress=progress)
    return Mined(Result(path), collection, prepared, execution, temporary)


def resolved_recipe(recipe: str | Path | Recipe, settings: Sequence[str]) -> Recipe:
    """Load a recipe by name or file, or take a loaded one, and apply overrides."""
    if not isinstance(recipe, Recipe):
        return recipes.load(recipe, settings)
    return recipes.override_resolved(recipe, settings) if settings else recipe
