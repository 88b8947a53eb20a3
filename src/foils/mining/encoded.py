"""The vectors that a recipe reads, by encoding where they were not given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foils.collection import Collection
from foils.encoders import Encoder, as_encoder, encode_collection
from foils.errors import InputError
from foils.mining.prepare import VectorSources
from foils.recipes import Recipe
from foils.search import MODEL


def with_encoded(
    given: VectorSources, recipe: Recipe, collection: Collection, models: Mapping[str, Any], cache: Path | None
) -> VectorSources:
    """Add the vectors of models to those that were given; only what the recipe reads is encoded.

    Args:
        given: vectors by the names that recipes know them by.
        recipe: reads some names.
        collection: its texts are encoded.
        models: encoders by name, each as ``as_encoder`` takes it.
        cache: folder of the vector cache; None = keep nothing.

    Raises:
        InputError: a name is given twice, or is not one that the recipe reads.
    """
    encoders = opened_models(given, recipe, models, cache)
    return {**given, **{name: encode_collection(one, collection, cache=cache) for name, one in encoders.items()}}


def opened_models(
    given: VectorSources, recipe: Recipe, models: Mapping[str, Any], cache: Path | None
) -> dict[str, Encoder]:
    """Open the models that a recipe reads; see ``with_encoded``."""
    reads = recipe.reads()
    for name in models:
        if name in given:
            raise InputError(f"both a model and vectors are given for {name!r}; give one of the two")
        if name not in reads and name != MODEL:
            known = ", ".join(map(repr, reads)) or "none"
            raise InputError(f"a model is given for {name!r}, and the recipe {recipe.name} reads the vectors: {known}")
    return {name: as_encoder(model, memo=memo_of(cache)) for name, model in models.items() if name in reads}


def named_models(model: Any | None, models: Mapping[str, Any] | None) -> dict[str, Any]:
    """Name the main model beside the others.

    Raises:
        InputError: it is given twice.
    """
    named = dict(models or {})
    if model is None:
        return named
    if MODEL in named:
        raise InputError(f"model is given, and models names {MODEL!r} too; give one of the two")
    return {MODEL: model, **named}


def memo_of(cache: Path | None) -> Path | None:
    """Name the folder where hashes of models' files are remembered."""
    return None if cache is None else cache / "models"
