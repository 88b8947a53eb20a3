"""Negatives for batches of interactions or triples, drawn on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from foils import _array, recipes
from foils._array import Key
from foils.collection import Collection
from foils.errors import InputError
from foils.positives import Examples, Int64
from foils.recipes import Recipe
from foils.streaming.batch import CorruptedTriples, NegativeBatch
from foils.streaming.examples import Anchorage, Asked, of_pairs, of_triples, refuse_form
from foils.streaming.laws import law_of
from foils.streaming.urns import Questions
from foils.triples import HEAD, TAIL

CELLS = 1 << 17
"""Negatives drawn at once: their noise and tickets stay near the processor."""


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
        self.positives = collection.positives((split,))
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
        asked = self._read(examples)
        step = max(1, CELLS // self.negatives)
        items = np.empty((len(asked), self.negatives), np.int64)
        log_q = np.empty(items.shape, np.float32)
        sides = None if asked.triples is None else np.empty(items.shape, np.int8)
        for start in range(0, len(asked), step):
            part = slice(start, start + step)
            items[part], log_q[part], chosen = self._draw(asked, part, epoch)
            if sides is not None:
                sides[part] = chosen
        if sides is None or asked.triples is None:
            return NegativeBatch(items, log_q)
        return NegativeBatch(items, log_q, _corrupt(asked.triples, items, sides))

    def _read(self, examples: Examples | npt.ArrayLike) -> Asked:
        if isinstance(examples, Examples):
            return of_pairs(examples, self.positives, self.split)
        if self._anchorage is None:
            raise refuse_form(examples)
        return of_triples(examples, self._anchorage, self.positives, self.split)

    def _draw(self, asked: Asked, part: slice, epoch: int) -> tuple[Int64, npt.NDArray[np.float32], Int64]:
        """Draw sides, then items: int64[e, M], their log_q, and int64[e, M] sides."""
        anchors, keys = asked.anchors[part], asked.keys[part][:, None]
        flat = anchors.ravel()
        excluded = self.positives.relation.take(flat)
        questions = Questions.of(self.law.urns, self.law.of_anchors[flat], excluded)
        numbers = np.arange(self.negatives)[None, :]
        sides, log_side = np.zeros((1, 1), np.int64), np.zeros((1, 1))
        if asked.triples is not None:
            left = questions.left.reshape(anchors.shape)
            head = self._head_share(asked.triples[part, 1], left)[:, None]
            noise = _array.counter_uniform(Key(self.seed, "stream.side", epoch), keys, numbers)
            sides = np.where(noise < head, HEAD, TAIL)
            with np.errstate(divide="ignore"):  # a side of probability 0 is never drawn
                log_side = np.where(sides == HEAD, np.log(head), np.log1p(-head))
        noise = _array.counter_uniform(Key(self.seed, "stream.item", epoch), keys, numbers)
        first = np.arange(len(anchors))[:, None] * anchors.shape[1]
        items, log_p = questions.draw(np.broadcast_to(first + sides, noise.shape), noise)
        return items, (log_p + log_side + np.log(self.negatives)).astype(np.float32), sides

    def _head_share(self, relations: Int64, left: Int64) -> npt.NDArray[np.float64]:
        """Give P(corrupt the head) per triple; a side on which nothing is left is never chosen."""
        share = self.law.head_share[relations]
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
