"""The measured rates of two results, and their paired difference on the labels of both.

The negatives of both together are one population, and the labels of both designs are labels of it: a label given in
one folder counts for every result that holds its pair. Whatever chance a pair had of being labelled must be known and
above zero, so a difference needs a design in both folders, or one in a folder whose negatives are all there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.auditing.measured import labels_of, shown_look
from foils.auditing.subject import Bool, Float64
from foils.estimating import Difference, Drawn, Population, Rate, compare_rates, estimate_rate, pool
from foils.labelling import Counted, Negatives, negatives_of
from foils.mining.stored import Result
from foils.positives import Int64
from foils.records import find


class ComparedRates(msgspec.Struct, frozen=True, kw_only=True):
    """The measured rates of both, by the labels of each up to its last look.

    The intervals hold where that number of labels was fixed beforehand.
    """

    now: Rate | None
    """Of the negatives here, from the labels of both."""
    before: Rate | None
    of_files: Difference | None
    """Now minus before, of these very negatives; paired, so that it need not be the difference of the two rates."""
    of_recipes: Difference | None
    """The same of what the two recipes mine for anchors like these."""
    labels: int
    """Labelled negatives of either that count."""
    labels_shared: int
    """Of these, negatives of both."""
    disagreeing: int
    """Pairs whose label differs in the two folders; the label here counts."""
    why: str | None
    """Why there is no difference; None where there is one."""


@dataclass(frozen=True, eq=False)
class Union:
    """The negatives of both, each use once.

    Attributes:
        population: of all.
        now: int64[n], places of those here.
        before: int64[n'], places of those there.
    """

    population: Population
    now: Int64
    before: Int64

    def holds(self, places: Int64) -> Bool:
        """bool[N], which of all are at these places."""
        held = np.zeros(self.population.size, bool)
        held[places] = True
        return held


def compare_measured(now: Result, before: Result) -> ComparedRates | None:
    """Compare the measured rates of two results of the same data; None where neither has labels that count."""
    read = [labels_of(result) for result in (now, before)]
    found = [one for one, _ in read]
    if found[0] is None and found[1] is None:
        return None if read[1][1] is None else _none(_clause(read[1][1]))
    ready = [one if one is not None and shown_look(one) else None for one in found]
    if ready[0] is None and ready[1] is None:
        return _none("neither folder has as many labels as its first look asks for")
    both = [
        negatives_of(result) if one is None else one.negatives for result, one in zip((now, before), found, strict=True)
    ]
    if both[0].digest == both[1].digest:
        return _none("both hold the same negatives, so their rates are the same")
    union = _union(*both)
    places = union.now, union.before
    for side, own, other, result, (_, unused) in zip(ready, places, places[::-1], (now, before), read, strict=True):
        outside = len(np.setdiff1d(own, other))
        if side is None and outside:
            few = f"too few of the negatives of {result.path} are labelled" if unused is None else _clause(unused)
            return _none(
                f"{few}, and {outside:,} of its {len(own):,} negatives are none of the other folder's, so that no "
                f"label speaks for them; label with: foils review {result.path} --data DATA"
            )
    return _compared(union, [(side, own) for side, own in zip(ready, places, strict=True) if side is not None])


def _compared(union: Union, given: list[tuple[Counted, Int64]]) -> ComparedRates:
    every, differ = _labels(union, given)
    drawn = [
        Drawn(side.negatives.population, side.drawn.design, shown_look(side) or 0, places) for side, places in given
    ]
    design = pool(drawn, union.population.size)
    labels = every[design.order]
    masks = union.holds(union.now), union.holds(union.before)
    if not all(mask[design.order].any() for mask in masks):
        return _none("none of the labels is of a negative of the other folder")
    known = union.population, design, labels
    return ComparedRates(
        now=estimate_rate(*known, within=masks[0]),
        before=estimate_rate(*known, within=masks[1]),
        of_files=compare_rates(*known, *masks, target="file"),
        of_recipes=compare_rates(*known, *masks, target="recipe"),
        labels=len(labels),
        labels_shared=int((masks[0] & masks[1])[design.order].sum()),
        disagreeing=differ,
        why=None,
    )


def _labels(union: Union, given: list[tuple[Counted, Int64]]) -> tuple[npt.NDArray[np.int8], int]:
    """Give int8[N] labels of all, and how many pairs have two; those of the first side count."""
    labels, known, differ = np.zeros(union.population.size, np.int8), np.zeros(union.population.size, bool), 0
    for side, places in given:
        at = shown_look(side) or 0
        mine = places[side.drawn.design.order[:at]]
        differ += int((known[mine] & (labels[mine] != side.labels[:at])).sum())
        new = ~known[mine]
        labels[mine[new]] = side.labels[:at][new]
        known[mine] = True
    return labels, differ


def _union(now: Negatives, before: Negatives) -> Union:
    anchors, items = (_numbered(getattr(now, name), getattr(before, name)) for name in ("anchor_ids", "item_ids"))
    pairs = anchors * (items.max() + 1) + items
    n = len(now)
    # A pair that two units of an anchor use is there twice: its first use is the same in both results, and its second.
    uses = np.concatenate([_occurrences(pairs[:n]), _occurrences(pairs[n:])])
    _, first, places = np.unique(pairs * (uses.max() + 1) + uses, return_index=True, return_inverse=True)
    strengths = np.concatenate([now.population.strengths, before.population.strengths])
    population = Population(
        anchors=anchors[first], bands=_bands(now, before)[first], scores=_none_missing(strengths[first])
    )
    return Union(population, places[:n], places[n:])


def _numbered(now: pa.Array, before: pa.Array) -> Int64:
    both = pa.concat_arrays([now, before])
    return find(both, pc.unique(both))


def _occurrences(keys: Int64) -> Int64:
    """Number the occurrences of each key from 0."""
    order = np.argsort(keys, kind="stable")
    ranks = np.arange(len(keys))
    starts = np.flatnonzero(np.concatenate([[True], np.diff(keys[order]) > 0]))
    numbers = np.empty(len(keys), np.int64)
    numbers[order] = ranks - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    return numbers


def _bands(now: Negatives, before: Negatives) -> Int64:
    """Number the bands of both by their names."""
    names = list(dict.fromkeys(now.band_names + before.band_names))
    codes = [np.array([names.index(name) for name in side.band_names])[side.population.bands] for side in (now, before)]
    return np.concatenate(codes)


def _none_missing(strengths: Float64) -> Float64 | None:
    return None if np.isnan(strengths).all() else strengths


def _clause(sentence: str) -> str:
    """Make a sentence the rest of another one."""
    return f"{sentence[0].lower()}{sentence[1:].rstrip('.')}"


def _none(why: str) -> ComparedRates:
    return ComparedRates(
        now=None, before=None, of_files=None, of_recipes=None, labels=0, labels_shared=0, disagreeing=0, why=why
    )
