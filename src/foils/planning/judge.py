"""How long a judge takes: the pairs it will be asked about are known by then, and a second of them is put to it."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from foils.collection import Collection
from foils.planning.result import Judging
from foils.positives import Int64
from foils.recipes import Recipe
from foils.scorers import Confident, OpenScorer, Remote
from foils.scorers import Judging as Judges
from foils.scorers.confident import OpenConfident
from foils.search import Inputs

PROBE_SECONDS = 1.0
FIRST = 8
"""Pairs of the first call; each next call has twice as many."""
LOOKED_UP = 20_000
"""Pairs that are looked up in the cache at most."""


def plan_judging(column: str, opened: Judges, scorer: OpenScorer, pairs: tuple[Int64, Int64], total: int) -> Judging:
    """Measure a judge.

    Args:
        column: its name.
        opened: the judge, with the run's cache.
        scorer: the same without a cache, so that a plan leaves no scores behind.
        pairs: anchors and items that the probe asked about.
        total: how many pairs the run will ask about.
    """
    chosen = _spread(len(pairs[0]), LOOKED_UP)
    anchors, items = (side[chosen] for side in pairs)
    new = np.flatnonzero(~opened.known(anchors, items))
    share = len(new) / max(len(anchors), 1)
    seconds = _rate(scorer, anchors[new], items[new]) * total * share if len(new) else 0.0
    return Judging(column, total, total - round(total * share), seconds)


def plan_asking(
    fields: Remote, opened: Judges, collection: Collection, pairs: tuple[Int64, Int64], total: int, column: str
) -> Judging:
    """Count what a service will be asked, without asking it.

    Args:
        fields: the scorer.
        opened: the same, with the run's cache.
        collection: the texts.
        pairs: anchors and items that the probe asked about, or would have.
        total: how many pairs the run will ask about.
        column: its name.
    """
    # A probe looks at some units twice. By anchor, for the candidates of one share calls.
    distinct = np.unique(np.stack(pairs), axis=1)[:, :LOOKED_UP]
    anchors, items = distinct
    new = np.flatnonzero(~opened.known(anchors, items))
    calls, tokens = fields.expected(collection, anchors[new], items[new])
    scale = total / max(len(anchors), 1)
    known = total - round(len(new) * scale)
    most = fields.band is not None
    return Judging(column, total, known, 0.0, round(calls * scale), round(tokens * scale), most)


def judge_in(scorer: OpenScorer) -> Judges | None:
    """Find the judge that an open scorer is, or wraps: what is wrapped is asked about the same pairs."""
    inner = scorer.scorer if isinstance(scorer, OpenConfident) else scorer
    return inner if isinstance(inner, Judges) else None


def without_cache(recipe: Recipe, column: str, inputs: Inputs) -> tuple[str, OpenScorer]:
    """Open the judge of a column so that it keeps nothing, and name it."""
    fields = next(part.fields for part in recipe.scorers if column in part.fields.columns())
    if isinstance(fields, Confident):
        fields = fields.of.fields
        column = f"{column}.of.{next(iter(fields.columns()))}"
    return column, fields.open(replace(inputs, cache=None))


def _rate(scorer: OpenScorer, anchors: Int64, items: Int64) -> float:
    """Score some pairs: seconds per pair, by the largest call."""
    order = _spread(len(anchors), len(anchors))
    done, size, spent, rate = 0, 1, 0.0, 0.0
    while done < len(order) and spent < PROBE_SECONDS:
        part = order[done : done + size]
        started = time.perf_counter()
        scorer.score(anchors[part], items[part])
        seconds = time.perf_counter() - started
        rate = seconds / len(part)
        if done:  # the first call loads the model
            spent += seconds
        done, size = done + size, FIRST if done == 0 else 2 * size
    return rate


def _spread(count: int, most: int) -> Int64:
    """Choose up to ``most`` of ``count`` places in an order that goes over all of them again and again."""
    places = np.arange(count)
    order = np.argsort(places * 0.6180339887498949 % 1, kind="stable")
    return np.asarray(order[:most], dtype=np.int64)
