"""The pairs that a calibrator is fitted to: candidates of a result, one to a row, with what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils._array import Key, counter_uniform
from foils.candidates import Candidates, Column
from foils.errors import InputError
from foils.estimating import Label
from foils.mining.settle import take_rows
from foils.mining.stored import Result
from foils.positives import PAIR_BITS, Int64, Units
from foils.records import find

Float64 = npt.NDArray[np.float64]
Bool = npt.NDArray[np.bool_]

MOST_PAIRS = 1_000_000
"""Pairs of a stronger scorer that are used; of more, a random part."""


class Labels(Protocol):
    """Labelled pairs, as ``foils.labelling.read_labels`` gives them."""

    @property
    def anchor_ids(self) -> pa.Array:
        """Ids of the anchors, L of them."""

    @property
    def item_ids(self) -> pa.Array:
        """Ids of the items."""

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """int8[L]: 1 = positive, 0 = negative, below 0 = unsure or skipped."""

    @property
    def pi(self) -> Float64:
        """float64[L], the probability that a design drew the pair; NaN = not drawn by a design."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs to fit to.

    Attributes:
        candidates: P units of one candidate each.
        anchors: int64[P], anchor rows: what is of one anchor is of one fold.
        targets: float64[P], 1 = positive, 0 = negative; or what a stronger scorer says.
        weights: float64[P], how many pairs each stands for.
        designed: whether the weights are those of a design.
        left_out: why pairs were left out → how many.
    """

    candidates: Candidates
    anchors: Int64
    targets: Float64
    weights: Float64
    designed: bool
    left_out: dict[str, int]

    def __len__(self) -> int:
        """How many."""
        return len(self.anchors)

    def take(self, rows: Int64) -> Pairs:
        """Keep these."""
        return replace(
            self,
            candidates=take_rows(self.candidates, rows),
            anchors=self.anchors[rows],
            targets=self.targets[rows],
            weights=self.weights[rows],
        )


def labelled_pairs(result: Result, labels: Labels) -> Pairs:
    """Find labelled pairs among the candidates of a result.

    A pair of several units (``per: pair``) stands in each, at a part of its weight. Trusted negatives are left out, for
    they are 0 without a calibrator.

    Raises:
        InputError: none of the pairs is a candidate, or candidates were not stored.
    """
    names = result.names
    anchors, items = _rows(names.anchors, labels.anchor_ids), _rows(names.items, labels.item_ids)
    values = np.asarray(labels.labels)
    clear = (values == Label.POSITIVE) | (values == Label.NEGATIVE)
    here = clear & (anchors >= 0) & (items >= 0)
    places = np.flatnonzero(here)
    keys = anchors[places] << PAIR_BITS | items[places]
    order = np.argsort(keys, kind="stable")
    keys, places = keys[order], places[order]
    parts, found = [], [np.zeros(0, np.int64)]
    for shard in result.blocks(np.unique(anchors[places])):
        pair = shard.units.anchors[:, None] << PAIR_BITS | np.maximum(shard.items, 0)
        at = np.searchsorted(keys, pair)
        at = np.minimum(at, len(keys) - 1)
        parts.append((shard, (keys[at] == pair) & unjudged(shard)))
        found.append(places[at[parts[-1][1]]])
    of = np.concatenate(found)
    if not len(of):
        raise InputError(
            f"none of the {len(values):,} labelled pairs is a clear label of a candidate of {result.path}; "
            "give labels of this result, or of another on the same data"
        )
    pi, times = np.asarray(labels.pi, np.float64)[of], np.bincount(of, minlength=len(values))
    designed = ~np.isnan(pi)
    weights = np.where(designed, 1 / np.where(designed, pi, 1.0), 1.0) / times[of]
    left_out = {
        "unsure or skipped": int((~clear).sum()),
        "not a candidate, or a trusted negative": int(clear.sum() - (times > 0).sum()),
    }
    candidates = _single(parts)
    return Pairs(
        candidates,
        candidates.units.anchors,
        values[of].astype(np.float64),
        weights,
        bool(designed.all()),
        {why: count for why, count in left_out.items() if count},
    )


def answered_pairs(result: Result, column: str) -> Pairs:
    """Take the pairs of which a stronger scorer says how likely they are positives.

    Raises:
        InputError: it scored none, or candidates were not stored.
    """
    shares = MOST_PAIRS / max(_count(result), 1)
    parts = []
    for shard in result.blocks():
        noise = counter_uniform(Key(0, "calibrating", 0), shard.units.keys[:, None], np.maximum(shard.items, 0))
        answered = ~np.isnan(np.asarray(shard.columns[column].values))
        parts.append((shard, answered & unjudged(shard) & (noise < shares)))
    if not any(chosen.any() for _, chosen in parts):
        raise InputError(f"{result.path}: {column} scored no candidate; there is nothing to learn from")
    candidates = _single(parts)
    targets = np.asarray(candidates.columns[column].values[:, 0], np.float64)
    return Pairs(candidates, candidates.units.anchors, targets, np.ones(len(targets)), designed=False, left_out={})


def unjudged(candidates: Candidates) -> Bool:
    """Tell which candidates nobody has judged: bool[A, K]."""
    trusted = np.asarray(candidates.columns["p_positive"].values) == 0
    return np.asarray((candidates.items >= 0) & ~trusted)


def _rows(known: pa.Array, ids: pa.Array) -> Int64:
    """Find ids: int64[L], −1 = unknown."""
    return find(ids.cast(known.type), known)


def _count(result: Result) -> int:
    return sum(len(group["items"].combine_chunks().flatten()) for group in result.groups("candidates", ["items"]))


def _single(parts: Sequence[tuple[Candidates, Bool]]) -> Candidates:
    """Make a unit of one candidate of each chosen cell."""
    singles = []
    for candidates, chosen in parts:
        rows, places = np.nonzero(chosen)
        wide = take_rows(candidates, rows)
        cells = np.arange(len(rows)), places
        columns = {name: replace(column, values=column.values[cells][:, None]) for name, column in wide.columns.items()}
        singles.append(replace(wide, items=wide.items[cells][:, None], columns=columns))
    return _joined(singles)


def _joined(parts: Sequence[Candidates]) -> Candidates:
    """Join units of one candidate each; where a candidate came from does not matter here."""
    each = [part.units for part in parts]
    units = Units(
        np.concatenate([one.anchors for one in each]),
        np.concatenate([one.keys for one in each]),
        np.concatenate([[0], np.cumsum(np.concatenate([np.diff(one.indptr) for one in each]))]),
        np.concatenate([one.positives for one in each]),
    )
    columns = {
        name: Column(
            np.concatenate([part.columns[name].values for part in parts]),
            parts[0].columns[name].kind,
            np.concatenate([np.asarray(part.columns[name].positives) for part in parts]),
        )
        for name in parts[0].scored()
    }
    return Candidates(units, np.concatenate([part.items for part in parts]), columns)
