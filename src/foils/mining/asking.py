"""What services will be asked, and what limits that: said before a run starts.

From Python it is logged, as a warning, so that it is seen without any set-up; a command prints it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from foils import _array
from foils.collection import Collection
from foils.positives import Int64
from foils.recipes import Recipe
from foils.scorers import LlmScorer
from foils.scorers.llm import too_small

LOGGER = logging.getLogger(__name__)
KEY = _array.Key(0, "plan.asking", 0)
SAMPLED = 100
"""Units that stand for all."""


class Sampled(NamedTuple):
    """Pairs that stand for all that a service is asked about: int64[P] anchors and items; each for ``scale`` pairs."""

    scale: float
    anchors: Int64
    items: Int64


def remote(recipe: Recipe) -> list[LlmScorer]:
    """List the scorers that ask a service."""
    return [part.fields for part in recipe.scorers if isinstance(part.fields, LlmScorer)]


def before_start(collection: Collection, recipe: Recipe, *, negatives: int, split: str) -> list[str]:
    """Say what the services of a recipe will be asked: a line each; none is asked for it.

    Args:
        collection: what is mined.
        recipe: bound to the number of items.
        negatives: per unit.
        split: whose positives are mined for.
    """
    sampled = [(fields, _sampled(fields, collection, recipe, negatives, split)) for fields in remote(recipe)]
    return [
        *(_said(fields, collection, recipe, negatives, pairs) for fields, pairs in sampled),
        *(f"warning: {doubt}" for fields, pairs in sampled for doubt in _doubts(fields, collection, pairs)),
    ]


def budget_doubts(collection: Collection, recipe: Recipe, *, negatives: int, split: str) -> list[str]:
    """Say of each service whose budget holds no call that nothing will be asked; see ``before_start``."""
    return [
        doubt
        for fields in remote(recipe)
        for doubt in _doubts(fields, collection, _sampled(fields, collection, recipe, negatives, split))
    ]


def announce(lines: Iterable[str]) -> None:
    """Log what services will be asked."""
    for line in lines:
        LOGGER.warning("%s", line)


def limits(fields: LlmScorer) -> str:
    """Say what a service may cost."""
    named = ((fields.max_calls, "calls"), (fields.max_tokens, "tokens"))
    given = " and ".join(f"{most:,} {what}" for most, what in named if most is not None)
    bound = f"it stops at {given}" if given else "nothing limits it: max_calls and max_tokens would"
    return f"{fields.name} asks {fields.model} at {fields.url}; {bound}"


def _doubts(fields: LlmScorer, collection: Collection, sampled: Sampled) -> list[str]:
    if fields.max_tokens is None:
        return []
    needed = fields.least_call(collection, sampled.anchors, sampled.items)
    if fields.max_tokens >= needed:
        return []
    return [
        f"{fields.name}: {too_small(fields.max_tokens, needed)}, so that nothing will be asked; give more, as "
        f"in --set scorers.{fields.name}.max_tokens={_rounded(100 * needed)}"
    ]


def _said(fields: LlmScorer, collection: Collection, recipe: Recipe, negatives: int, sampled: Sampled) -> str:
    scale, pairs = sampled.scale, len(sampled.anchors) * sampled.scale
    calls, tokens = fields.expected(collection, sampled.anchors, sampled.items)
    depth, deepest = recipe.source.fields.depths(negatives)
    depth = min(depth, len(collection.items))
    most = "" if fields.band is None else "at most "
    deeper = f"; more where units are searched deeper than {depth:,}" if deepest > depth and recipe.rules else ""
    return (
        f"{limits(fields)}. To come: {most}about {pairs:,.0f} pairs in {calls * scale:,.0f} calls, "
        f"{tokens * scale:,.0f} tokens, less the answers that are kept{deeper}"
    )


def _sampled(fields: LlmScorer, collection: Collection, recipe: Recipe, negatives: int, split: str) -> Sampled:
    units = collection.positives((split,)).units(recipe.per)
    depth = min(recipe.source.fields.depths(negatives)[0], len(collection.items))
    chosen = units.take(_sample(len(units)))
    items = _sample(len(chosen) * depth, len(collection.items))
    anchors = np.repeat(chosen.anchors, depth)
    if fields.positives == "ask":
        anchors = np.concatenate([anchors, chosen.pair_anchors()])
        items = np.concatenate([items, chosen.positives])
    return Sampled(len(units) / max(len(chosen), 1), anchors, items)


def _rounded(number: int) -> int:
    """Round up to two digits that count."""
    step: int = 10 ** max(len(str(number)) - 2, 0)
    return -(-number // step) * step


def _sample(count: int, of: int | None = None) -> Int64:
    """Choose rows: ``SAMPLED`` of ``count`` without repeating, or ``count`` of ``of`` at random."""
    noise = _array.counter_uniform(KEY, np.int64(0 if of is None else 1), np.arange(count))
    if of is None:
        return np.sort(np.argsort(noise, kind="stable")[:SAMPLED])
    return np.asarray((noise * of).astype(np.int64), dtype=np.int64)
