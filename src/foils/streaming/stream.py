"""Negatives for batches of interactions or triples, drawn on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foils import recipes
from foils._array import Key
from foils.collection import Collection, require_collection
from foils.drawing import independent, sides
from foils.drawing.exclusions import Float64
from foils.errors import InputError
from foils.positives import Examples, Int64
from foils.recipes import Recipe
from foils.streaming.batch import CorruptedTriples, NegativeBatch
from foils.streaming.examples import Anchorage, Asked, of_pairs, of_triples, refuse_form
from foils.streaming.laws import law_of
from foils.triples import HEAD, TAIL


class NegativeStream:
    """Negatives of interactions and triples, drawn while training.

    Args:
        collection: anchors, items and positives.
        recipe: name, file or loaded recipe with a source that draws: ``uniform``, ``popularity``, and for triples
            ``bernoulli`` and ``pseudo-typed``.
        negatives: M, negatives per example.
        seed: of the noise.
        split: whose positives are excluded, and whose pairs the examples are.
        settings: overrides of the recipe, ``part.name.field=value``.

    Raises:
        InputError: the recipe needs scores, a search or triples, or a number is out of range.
    """

    def __init__(
        self,
        collection: Collection,
        recipe: str | Path | Recipe,
        seed: int = 0,
        *,
        negatives: int,
        split: str = "train",
        settings: Sequence[str] = (),
    ) -> None:
        if int(negatives) != negatives or negatives < 1:
            raise InputError(f"negatives is {negatives!r}; expected a whole number of at least 1")
        loaded = recipe if isinstance(recipe, Recipe) else recipes.load(recipe, settings)
        if isinstance(recipe, Recipe) and settings:
            loaded = recipes.override_resolved(recipe, settings)
        self.recipe, self.seed, self.negatives, self.split = loaded, int(seed), int(negatives), split
        self.positives = require_collection(collection).positives((split,))
        self.law = law_of(loaded, collection, self.positives)
        triples = collection.triples
        self._anchorage = None if triples is None else Anchorage.of(triples, len(collection.items))

    def __repr__(self) -> str:
        """Say what it draws."""
        return f"NegativeStream({self.recipe.name!r}, negatives={self.negatives}, seed={self.seed})"

    def batch(self, examples: Examples | npt.ArrayLike, epoch: int) -> NegativeBatch:
        """Draw the negatives of these examples; a pure function, whatever the batches are.

        Args:
            examples: ``Examples`` (anchor rows and positive rows), or for a collection of triples int[E] triple rows
                or int[E, 3] (h, r, t).
            epoch: another epoch draws anew.

        Returns:
            M negatives per example, independent draws: an item may come twice.

        Raises:
            DataError: an example is outside the collection, or no positive of the split.
        """
        asked, m = self._read(examples), self.negatives
        chosen, log_weights = np.zeros((len(asked), m), np.int8), np.full(asked.anchors.shape, np.log(m))
        if asked.triples is not None:
            head = self._head_share(asked.triples[:, 1], asked.anchors)
            chosen = sides(Key(self.seed, "stream.side", epoch), asked.keys, head, m)
            with np.errstate(divide="ignore"):  # a side of probability 0 is never chosen
                log_weights[:, HEAD] += np.log(head)
                log_weights[:, TAIL] += np.log1p(-head)
        key = Key(self.seed, "stream.item", epoch)
        items, log_q = independent(self.law.exclusions, key, asked.keys, asked.anchors, chosen, log_weights)
        triples = None if asked.triples is None else _corrupt(asked.triples, items, chosen)
        return NegativeBatch(items, log_q, triples)

    def _read(self, examples: Examples | npt.ArrayLike) -> Asked:
        if isinstance(examples, Examples):
            return of_pairs(examples, self.positives, self.split)
        if self._anchorage is None:
            raise refuse_form(examples)
        return of_triples(examples, self._anchorage, self.positives, self.split)

    def _head_share(self, relations: Int64, anchors: Int64) -> Float64:
        """Give P(corrupt the head) per triple; a side on which nothing is left is never chosen."""
        share, left = self.law.head_share[relations], self.law.exclusions.tables.left[anchors]
        share = np.where(left[:, HEAD] > 0, share, 0.0)
        return np.where((left[:, TAIL] > 0) | (left[:, HEAD] == 0), share, 1.0)


def _corrupt(triples: Int64, items: Int64, sides: npt.NDArray[np.int8]) -> CorruptedTriples:
    """Put the drawn entities into their triples."""
    heads, relations, tails = (np.broadcast_to(column[:, None], items.shape) for column in triples.T)
    return CorruptedTriples(
        np.where(items >= 0, sides, -1).astype(np.int8),
        np.where(sides == HEAD, items, heads),
        relations.copy(),
        np.where(sides == TAIL, items, tails),
    )
