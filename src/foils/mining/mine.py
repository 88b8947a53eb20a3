"""Mine negatives for a collection by a recipe, into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from foils import recipes
from foils.collection import Collection
from foils.encoders import Encoder, encode_all, open_encoder
from foils.errors import InputError
from foils.mining.folder import chosen_or_temporary, refuse_foreign
from foils.mining.identity import Execution
from foils.mining.mined import Mined
from foils.mining.prepare import VectorSource, VectorSources, prepare, vectors_by_name
from foils.mining.run import Progress, all_rows, run
from foils.mining.stored import Result
from foils.recipes import Recipe
from foils.search import MODEL


def mine(
    collection: Collection,
    recipe: str | Path | Recipe,
    *,
    negatives: int,
    model: str | Encoder | None = None,
    query_vectors: VectorSource | None = None,
    item_vectors: VectorSource | None = None,
    vectors: VectorSources | None = None,
    split: str = "train",
    seed: int = 0,
    settings: Sequence[str] = (),
    out: str | Path | None = None,
    execution: Execution | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Mined:
    """Mine negatives for every anchor that has a positive in the split.

    Args:
        collection: anchors, items and positives; only the named split's positives are excluded.
        recipe: name or file of a recipe, or a loaded one.
        negatives: negatives per unit.
        model: encoder of the texts: the folder of a static one, ``minilm``, or anything with ``encode``.
        query_vectors: instead of a model, float[anchors, d] or an .npy file of them.
        item_vectors: float[items, d] or an .npy file of them.
        vectors: further encoders' vectors by name, (anchors, items) each.
        split: whose positives are mined for and excluded.
        seed: of the noise; equal seeds give equal results.
        settings: overrides of the recipe, ``part.name.field=value``.
        out: folder of the result; default: a temporary one that goes when the result is no longer used.
        execution: memory, threads and blocks; none changes the result.
        fresh: discard what an earlier run of ours left in ``out``.
        progress: called with (units done, units in all).

    Raises:
        InputError: the data, the recipe or the folder cannot be used; nothing was begun.
    """
    execution = execution or Execution()
    given = vectors_by_name(query_vectors, item_vectors, vectors)
    if model is not None and MODEL in given:
        raise InputError("give a model, or query_vectors and item_vectors, not both")
    path, temporary = chosen_or_temporary(out)
    refuse_foreign(path)
    loaded = _override(recipe, settings) if isinstance(recipe, Recipe) else recipes.load(recipe, settings)
    if model is not None:
        encoder = open_encoder(model) if isinstance(model, str) else model
        sides = (encode_all(encoder, side.full_texts()) for side in (collection.anchors, collection.items))
        given = {MODEL: (next(sides), next(sides)), **given}
    prepared = prepare(collection, loaded, given, negatives=negatives, split=split, seed=seed, execution=execution)
    search = prepared.search()
    job = prepared.job(lambda block: [(search.of(block), all_rows(block))])
    run(job, path, execution, fresh=fresh, progress=progress)
    return Mined(Result(path), collection, prepared, execution, temporary)


def _override(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    return recipes.override_resolved(recipe, settings) if settings else recipe
