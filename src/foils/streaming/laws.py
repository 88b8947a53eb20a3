"""The law that each source has in a stream: what its urns hold, and which side of a triple it corrupts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from foils.collection import Collection
from foils.drawing import Exclusions, Urns
from foils.errors import RecipeError
from foils.positives import Int64, Positives
from foils.recipes import Recipe
from foils.sources import REGISTRY, Source
from foils.sources.bernoulli import Bernoulli
from foils.sources.popularity import Popularity
from foils.sources.pseudo_typed import PseudoTyped
from foils.sources.slots import Slots, require_triples
from foils.sources.uniform import Uniform

FAIR = 0.5
"""P(corrupt the head) of sources that know nothing of sides."""


@dataclass(frozen=True, eq=False)
class Law:
    """What is drawn from.

    Attributes:
        exclusions: by anchor, the items to draw from and the positives that it must not get.
        head_share: float64[R], P(corrupt the head) by relation; empty where there are no triples.
    """

    exclusions: Exclusions
    head_share: npt.NDArray[np.float64]


def law_of(recipe: Recipe, collection: Collection, positives: Positives) -> Law:
    """Bind the recipe's source to the positives of a split.

    Raises:
        RecipeError: the recipe needs scores, a search or a stored pool.
        InputError: it needs triples and there are none.
    """
    _refuse_what_needs_scores(recipe)
    fields: Any = recipe.source.fields
    mineable = ~collection.items.empty
    if isinstance(fields, Bernoulli | PseudoTyped):
        require_triples(collection)
    exclusions = Exclusions.of(*LAWS[type(fields)](fields, collection, positives, mineable), positives.relation)
    if collection.triples is None:
        return Law(exclusions, np.zeros(0))
    if isinstance(fields, Bernoulli | PseudoTyped):
        return Law(exclusions, fields.head_share(Slots.of(collection, positives, mineable)))
    return Law(exclusions, np.full(len(collection.triples.relation_ids), FAIR))


def _refuse_what_needs_scores(recipe: Recipe) -> None:
    def refuse(part: str, why: str) -> RecipeError:
        return RecipeError(f"the recipe {recipe.name} cannot be streamed: {part} {why}")

    mine = "mine it (foils.mine) and train with foils.torch.MinedDataset"
    if recipe.source.name == "in_batch":
        raise refuse(
            "in_batch depends on which examples share a batch;",
            "give the batch's own positives to foils.torch.InfoNCE, which uses them as negatives",
        )
    if type(recipe.source.fields) not in LAWS:
        streamed = ", ".join(sorted(name for name, source in REGISTRY.items() if source in LAWS))
        raise refuse(f"the source {recipe.source.name} searches or reads a pool;", f"{mine}, or use: {streamed}")
    for family, parts in (("rule", recipe.rules), ("scorer", recipe.scorers)):
        if parts:
            raise refuse(
                f"the {family} {parts[0].name} needs scores;",
                f"give rules to foils.torch.InfoNCE, which has the scores of the step, or {mine}",
            )
    if recipe.sampler.name != "uniform":
        raise refuse(
            f"the sampler {recipe.sampler.name} needs scores;",
            f"draw more negatives and choose in the step by foils.torch.hardest, or {mine}",
        )
    if getattr(recipe.source.fields, "k", None) is not None:
        raise refuse("k is the size of a stored pool;", "a stream draws anew in every epoch, so leave k out")


def _all_items(fields: Source, collection: Collection, positives: Positives, mineable: Any) -> tuple[Urns, Int64]:
    return Urns.allowed(mineable), _one_urn(positives)


def _by_popularity(fields: Any, collection: Collection, positives: Positives, mineable: Any) -> tuple[Urns, Int64]:
    return Urns.weighted(fields.weights(positives, mineable)), _one_urn(positives)


def _by_slot(fields: Source, collection: Collection, positives: Positives, mineable: Any) -> tuple[Urns, Int64]:
    slots = Slots.of(collection, positives, mineable)
    return Urns.equal(slots.entities), slots.of_anchors


def _one_urn(positives: Positives) -> Int64:
    return np.zeros(positives.n_anchors, np.int64)


LAWS: Mapping[type, Callable[[Any, Collection, Positives, Any], tuple[Urns, Int64]]] = {
    Uniform: _all_items,
    Popularity: _by_popularity,
    Bernoulli: _all_items,
    PseudoTyped: _by_slot,
}
"""Source → its urns and the urn of every anchor."""
