"""Settle a block of units: retrieve, score, judge, search deeper where too little survives, draw.

A unit is *short* when fewer candidates than negatives asked for may be drawn. A short unit is searched deeper, the
depth doubling up to the source's ``max_depth``; what is still short then is relaxed if the recipe says how, and
counted. A search costs about the same for few units as for many, so the short units of a whole shard are searched
together: ``settle`` looks once and gives back what must be looked at deeper. What a unit gets does not depend on which
others it is looked at with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from foils import rules, samplers
from foils._array import Key
from foils.calibrators import Calibrator, calibrated
from foils.candidates import Candidates, Column, Kind, Negatives
from foils.positives import Int64, Relation, Units, gather_segments
from foils.recipes import Part, Recipe
from foils.scorers import Band, Banded, OpenScorer, Reporting, add_scores
from foils.search import Inputs
from foils.sources import OpenSource, source_facts

Bool = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]


class Provider(Protocol):
    """Where a shard's candidates come from: a search, or what an earlier run stored."""

    @property
    def depth(self) -> int:
        """Depth of the first look."""

    @property
    def max_depth(self) -> int:
        """Depth of the last look."""

    def reach(self, rows: Int64) -> Int64:
        """Say how deep these rows of the shard can be looked into."""

    def candidates(self, rows: Int64, depth: int) -> Candidates:
        """Give the candidates of these rows of the shard down to ``depth``, all columns filled."""


@dataclass(frozen=True, eq=False)
class Search:
    """Candidates by searching: the recipe's source and scorers, bound to the data of a run."""

    units: Units
    depth: int
    max_depth: int
    source: OpenSource
    scorers: Sequence[tuple[str, Kind, OpenScorer]]
    trusted: Relation
    bands: Mapping[str, Band]
    calibrator: Calibrator | None

    @classmethod
    def prepare(cls, recipe: Recipe, inputs: Inputs, units: Units) -> Search:
        """Bind the recipe's parts."""
        scorers = [
            (name, kind, part.fields.open(inputs))
            for part in recipe.scorers
            for name, kind in part.fields.columns().items()
        ]
        source = recipe.source.fields
        bands = {
            name: part.fields.band
            for part in recipe.scorers
            if isinstance(part.fields, Banded) and part.fields.band is not None
            for name in part.fields.columns()
        }
        calibrator = None if recipe.p_positive is None else recipe.p_positive.fields
        return cls(
            units, *source.depths(inputs.negatives), source.open(inputs), scorers, inputs.trusted, bands, calibrator
        )

    def of(self, rows: slice) -> Search:
        """Restrict to a shard of units."""
        return replace(self, units=self.units.take(np.arange(rows.start, rows.stop)))

    def facts(self) -> Mapping[str, Any]:
        """Give what source and scorers have to say of themselves, for stats.json."""
        found = source_facts(self.source)
        said = {name: scorer for name, _, scorer in self.scorers if isinstance(scorer, Reporting)}
        warnings = [*found.get("warnings", ()), *(line for scorer in said.values() for line in scorer.warnings())]
        facts = {"scorers": {name: dict(scorer.facts()) for name, scorer in said.items()}} if said else {}
        return {**found, **facts, **({"warnings": warnings} if warnings else {})}

    def stop(self) -> None:
        """Have scorers begin nothing more."""
        for _, _, scorer in self.scorers:
            if isinstance(scorer, Reporting):
                scorer.stop()

    def reach(self, rows: Int64) -> Int64:
        """Searching reaches as deep as it may."""
        return np.full(len(rows), self.max_depth)

    def candidates(self, rows: Int64, depth: int) -> Candidates:
        """Retrieve, mark the trusted negatives, score, and say how likely each is a positive."""
        units = self.units.take(rows)
        found = self.source.retrieve(units, depth)
        trusted = self.trusted.contains(units.anchors, found.items)
        p_positive = np.where(trusted, np.float32(0), np.float32(np.nan))
        found = found.with_column("p_positive", Column(p_positive))
        for column, kind, scorer in self.scorers:
            found = add_scores(found, column, kind, scorer, self.bands.get(column), self.depth)
        return found if self.calibrator is None else calibrated(found, self.calibrator)


@dataclass(frozen=True, eq=False)
class Settled:
    """Units of a shard that were settled at the same depth.

    Attributes:
        rows: int64[A], their places in the shard.
        candidates: what the rules looked at.
        verdict: what they said.
        negatives: what was drawn.
        depth: how deep was looked.
        exhausted: bool[A], True where the source has no more.
        needs_deeper: bool[A], True where a short unit could not be looked into as deep as the recipe says.
        relaxed: int32[A], how many steps of relaxing were applied.
    """

    rows: Int64
    candidates: Candidates
    verdict: rules.Verdict
    negatives: Negatives
    depth: int
    exhausted: Bool
    needs_deeper: Bool
    relaxed: npt.NDArray[np.int32]


def settle(provider: Provider, rows: Int64, depth: int, recipe: Recipe, m: int, seed: int) -> tuple[Settled, Int64]:
    """Settle these rows of a shard, as far as looking ``depth`` deep suffices.

    Returns:
        what is settled; int64[R], the rows that must be looked at deeper.
    """
    candidates = provider.candidates(rows, depth)
    verdict, weights = _judged(recipe.rules, recipe, candidates)
    exhausted = candidates.items[:, -1] < 0
    deeper = _short(weights, m) & ~exhausted & (depth < provider.max_depth)
    stuck = deeper & (provider.reach(rows) <= depth)
    done = ~deeper | stuck
    if not done.all():
        kept = np.flatnonzero(done)
        candidates, weights = take_rows(candidates, kept), weights[kept]
        verdict = rules.Verdict(verdict.keep[kept], verdict.reason[kept])
    stuck, exhausted = stuck[done], exhausted[done]
    verdict, weights, relaxed = _relaxed(recipe, candidates, verdict, weights, m, stuck)
    negatives = samplers.draw(recipe.sampler.fields, candidates, weights, m, Key(seed, "sampler", 0))
    return Settled(rows[done], candidates, verdict, negatives, depth, exhausted, stuck, relaxed), rows[~done]


def settle_fully(provider: Provider, rows: Int64, recipe: Recipe, m: int, seed: int) -> Iterator[Settled]:
    """Settle these rows of a shard, looking deeper and deeper."""
    depth = provider.depth
    while len(rows):
        settled, rows = settle(provider, rows, depth, recipe, m, seed)
        if len(settled.rows):
            yield settled
        depth = deeper(provider, depth)


def deeper(provider: Provider, depth: int) -> int:
    """Say how deep the next look goes."""
    return min(2 * depth, provider.max_depth)


def take_rows(candidates: Candidates, rows: Int64) -> Candidates:
    """Keep the candidates of these rows."""
    _, pairs = gather_segments(candidates.units.indptr, rows)
    columns = {
        name: replace(
            column,
            values=column.values[rows],
            positives=None if column.positives is None else column.positives[pairs],
        )
        for name, column in candidates.columns.items()
    }
    return replace(candidates, units=candidates.units.take(rows), items=candidates.items[rows], columns=columns)


def _relaxed(
    recipe: Recipe, group: Candidates, verdict: rules.Verdict, weights: Float64, m: int, stuck: Bool
) -> tuple[rules.Verdict, Float64, npt.NDArray[np.int32]]:
    """Loosen the rules step by step for the units that are still short; what was kept stays."""
    steps = np.zeros(len(weights), np.int32)
    for relaxation in recipe.relaxations:
        short = _short(weights, m) & ~stuck
        if not short.any():
            break
        looser = rules.judge([part.fields for part in relaxation], group)
        steps += short
        keep = verdict.keep | (short[:, None] & looser.keep)
        reason = np.where(short[:, None], looser.reason, verdict.reason)
        verdict = rules.Verdict(keep, np.where(keep, np.int8(0), reason))
        weights = np.where(short[:, None], recipe.sampler.fields.weigh(group, keep), weights)
    return verdict, weights, steps


def _judged(parts: Sequence[Part[rules.Rule]], recipe: Recipe, candidates: Candidates) -> tuple[rules.Verdict, Float64]:
    verdict = rules.judge([part.fields for part in parts], candidates)
    return verdict, recipe.sampler.fields.weigh(candidates, verdict.keep)


def _short(weights: Float64, m: int) -> Bool:
    short: Bool = np.count_nonzero(weights > -np.inf, axis=1) < m
    return short
