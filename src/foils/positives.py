"""Judged pairs, and the known positives that mining, batches and banks consult.

``Judgements`` are the pairs as they were given: any grade, any split, flat. ``Positives`` is the relation
that everything else asks: per anchor the sorted rows of the items that must never be used as its negatives,
in compressed sparse rows (CSR). A grade above 0 is a positive; 0 is a judged negative, a *trusted* one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.errors import DataError, did_you_mean

Int64 = npt.NDArray[np.int64]

PROVENANCES = ("given", "human", "llm", "exact_duplicate")
PAIR_BITS = 32
"""A pair's number holds the item row in its low bits, so that it does not depend on how many items there are."""
GIVEN, EXACT_DUPLICATE = PROVENANCES.index("given"), PROVENANCES.index("exact_duplicate")


DEVELOPMENT = ("dev", "valid", "validation", "val")
"""Names of one and the same kind of split."""


def nearest_split(name: str, names: Sequence[str]) -> str:
    """Name the split that was likely meant, and list all, for the end of an error message.

    >>> nearest_split("valid", ["train", "dev"])
    "did you mean 'dev'? Valid: dev, train"
    """
    if name not in DEVELOPMENT:
        return did_you_mean(name, names)
    alike = [other for other in names if other in DEVELOPMENT]
    return did_you_mean(alike[0], names) if alike else f"Valid: {', '.join(sorted(names))}"


@dataclass(frozen=True, eq=False)
class Judgements:
    """Judged (anchor, item) pairs as given.

    Attributes:
        anchors: int64[P], anchor rows.
        items: int64[P], item rows.
        grades: float32[P]; above 0 = positive, 0 = judged negative.
        splits: int16[P], index into ``split_names``.
        split_names: names of the splits, in the order they were read.
    """

    anchors: Int64
    items: Int64
    grades: npt.NDArray[np.float32]
    splits: npt.NDArray[np.int16]
    split_names: tuple[str, ...]

    def select(self, splits: Sequence[str]) -> Judgements:
        """Keep the pairs of the named splits.

        Raises:
            DataError: a split is not one of ``split_names``.
        """
        if isinstance(splits, str):
            raise DataError(f"the splits are the single string {splits!r}; give a tuple: ({splits!r},)")
        for name in splits:
            if name not in self.split_names:
                raise DataError(f"there is no split {name!r}; {nearest_split(name, self.split_names)}")
        codes = [self.split_names.index(name) for name in splits]
        keep = np.isin(self.splits, codes)
        return Judgements(self.anchors[keep], self.items[keep], self.grades[keep], self.splits[keep], self.split_names)

    def __len__(self) -> int:
        return len(self.anchors)


@dataclass(frozen=True, eq=False)
class Examples:
    """The (anchor, positive) pairs that training iterates over.

    Attributes:
        anchors: int64[E], anchor rows.
        positives: int64[E], item rows.
    """

    anchors: Int64
    positives: Int64

    def __len__(self) -> int:
        return len(self.anchors)

    def take(self, rows: Int64) -> Examples:
        """Keep the pairs at these positions, in this order."""
        return Examples(self.anchors[rows], self.positives[rows])


@dataclass(frozen=True, eq=False)
class Units:
    """What gets its own row of negatives: an anchor with all its positives, or one (anchor, positive) pair.

    Attributes:
        anchors: int64[U], anchor rows.
        keys: int64[U], the number that randomness is keyed by; does not depend on what else is mined.
        indptr: int64[U + 1], where each unit's positives begin and end.
        positives: int64[P], item rows of the positives, ascending within a unit.
    """

    anchors: Int64
    keys: Int64
    indptr: Int64
    positives: Int64

    def __len__(self) -> int:
        return len(self.anchors)

    def pair_anchors(self) -> Int64:
        """int64[P], the anchor row of each entry of ``positives``."""
        return np.repeat(self.anchors, np.diff(self.indptr))

    def take(self, rows: Int64) -> Units:
        """Keep the units at these positions, in this order."""
        indptr, pairs = gather_segments(self.indptr, rows)
        return Units(self.anchors[rows], self.keys[rows], indptr, self.positives[pairs])


@dataclass(frozen=True, eq=False)
class Relation:
    """Which items belong to which anchor, in CSR.

    Attributes:
        indptr: int64[A + 1].
        items: int64[P], ascending and unique within an anchor.
    """

    indptr: Int64
    items: Int64

    @classmethod
    def empty(cls, n_anchors: int) -> Relation:
        """Relate no item to any anchor."""
        return cls(np.zeros(n_anchors + 1, np.int64), np.zeros(0, np.int64))

    @classmethod
    def from_pairs(cls, anchors: Int64, items: Int64, n_anchors: int) -> Relation:
        """Sort and merge pairs given in any order."""
        order = np.lexsort((items, anchors))
        anchors, items = anchors[order], items[order]
        first = np.ones(len(order), bool)
        first[1:] = (anchors[1:] != anchors[:-1]) | (items[1:] != items[:-1])
        indptr = segments.bounds(np.bincount(anchors[first], minlength=n_anchors))
        return cls(indptr, items[first])

    @property
    def degrees(self) -> Int64:
        """int64[A], the number of items per anchor."""
        return np.diff(self.indptr)

    def take(self, anchors: Int64) -> Relation:
        """Keep the items of these anchors, in their order; row i is then that of ``anchors[i]``."""
        indptr, pairs = gather_segments(self.indptr, anchors)
        return Relation(indptr, self.items[pairs])

    def joined(self, other: Relation) -> Relation:
        """Unite with another relation of the same anchors."""
        rows, items = (np.concatenate(side) for side in zip(self.coordinates(), other.coordinates(), strict=True))
        return Relation.from_pairs(rows, items, len(self.indptr) - 1)

    def coordinates(self) -> tuple[Int64, Int64]:
        """List all pairs: int64[P] rows, int64[P] items."""
        return segments.owners(self.degrees), self.items

    def contains(self, anchors: Int64, items: Int64) -> npt.NDArray[np.bool_]:
        """Tell which pairs are in the relation.

        Args:
            anchors: int64[R], anchor rows.
            items: int64[R] or int64[R, K], item rows; negative rows (absent) never are.
        """
        if not len(self.items):
            return np.zeros(items.shape, bool)
        start = self.indptr[:-1][anchors].reshape(anchors.shape + (1,) * (items.ndim - 1))
        stop = self.indptr[1:][anchors].reshape(start.shape)
        at = start + _array.row_searchsorted(self.items, self.indptr, anchors, items, "left")
        inside = at < stop
        found: npt.NDArray[np.bool_] = inside & (self.items[np.where(inside, at, 0)] == items) & (items >= 0)
        return found


@dataclass(frozen=True, eq=False)
class Positives:
    """An immutable relation of anchors and items, in CSR with sorted, unique items per anchor.

    Attributes:
        n_items: number of items in the collection.
        indptr: int64[A + 1].
        items: int64[P], ascending within an anchor.
        grades: float32[P].
        splits: int16[P], index into ``split_names``.
        provenance: uint8[P], index into ``PROVENANCES``.
        split_names: names of the splits.
    """

    n_items: int
    indptr: Int64
    items: Int64
    grades: npt.NDArray[np.float32]
    splits: npt.NDArray[np.int16]
    provenance: npt.NDArray[np.uint8]
    split_names: tuple[str, ...]

    @classmethod
    def from_judgements(
        cls,
        judgements: Judgements,
        *,
        n_anchors: int,
        n_items: int,
        anchor_groups: Int64 | None = None,
        item_groups: Int64 | None = None,
        provenance: npt.NDArray[np.uint8] | None = None,
    ) -> Positives:
        """Build the relation from the pairs with a grade above 0.

        Args:
            judgements: judged pairs; a pair given more than once counts once, with its highest grade.
            n_anchors: number of anchors.
            n_items: number of items.
            anchor_groups: int64[A], equal numbers mark exact duplicates (−1: none); what is positive for one is
                positive for all.
            item_groups: int64[I], the same of items. Pairs that join the relation by either have the provenance
                ``exact_duplicate``.
            provenance: uint8[J], index into ``PROVENANCES`` per judged pair; default: all are given.
        """
        keep = judgements.grades > 0
        given = np.full(np.count_nonzero(keep), GIVEN, np.uint8) if provenance is None else provenance[keep]
        columns: list[npt.NDArray[Any]] = [
            judgements.anchors[keep], judgements.items[keep], judgements.grades[keep], judgements.splits[keep], given
        ]  # fmt: skip
        for side, groups in enumerate((anchor_groups, item_groups)):
            if groups is not None:
                columns = _with_duplicates(columns, side, groups)
        anchors, items, grades, splits, provenance = columns
        # The first of equal pairs stays: a given pair before a duplicate's, then the highest grade.
        order = np.lexsort((-grades, provenance, items, anchors))
        anchors, items = anchors[order], items[order]
        first = np.ones(len(order), bool)
        first[1:] = (anchors[1:] != anchors[:-1]) | (items[1:] != items[:-1])
        order = order[first]
        indptr = segments.bounds(np.bincount(anchors[first], minlength=n_anchors))
        return cls(
            n_items,
            indptr,
            items[first],
            grades[order],
            splits[order],
            provenance[order],
            judgements.split_names,
        )

    @property
    def n_anchors(self) -> int:
        """Number of anchors, those without a positive included."""
        return len(self.indptr) - 1

    @property
    def degrees(self) -> Int64:
        """int64[A], the number of known positives per anchor, exact duplicates included."""
        return np.diff(self.indptr)

    def row(self, anchor: int) -> Int64:
        """Give the known positives of one anchor, ascending."""
        return self.items[self.indptr[anchor] : self.indptr[anchor + 1]]

    @property
    def relation(self) -> Relation:
        """The bare relation, without grades and origins."""
        return Relation(self.indptr, self.items)

    def contains(self, anchors: Int64, items: Int64) -> npt.NDArray[np.bool_]:
        """Tell which pairs are known positives; see ``Relation.contains``."""
        return self.relation.contains(anchors, items)

    def given(self) -> Positives:
        """Leave out what the exact duplicates added."""
        keep = self.provenance != EXACT_DUPLICATE
        return Positives(
            self.n_items,
            segments.bounds(keep)[self.indptr],
            self.items[keep],
            self.grades[keep],
            self.splits[keep],
            self.provenance[keep],
            self.split_names,
        )

    def examples(self) -> Examples:
        """List the given pairs, by anchor and item row."""
        given = self.given()
        return Examples(segments.owners(given.degrees), given.items)

    def units(self, per: Literal["anchor", "pair"] = "anchor") -> Units:
        """List what gets its own negatives: anchors that have a given positive, or every given pair."""
        given = self.given()
        if per == "anchor":
            anchors = np.flatnonzero(given.degrees > 0)
            return Units(anchors, anchors, np.append(given.indptr[:-1][anchors], given.indptr[-1]), given.items)
        pairs = given.examples()
        keys = (pairs.anchors << PAIR_BITS) | pairs.positives
        return Units(pairs.anchors, keys, np.arange(len(pairs) + 1), pairs.positives)

    @cached_property
    def digest(self) -> str:
        """Hash of the pairs, their grades and provenance, and of how many anchors and items there are."""
        state = hashlib.blake2b(f"positives/1 {self.n_anchors} {self.n_items}".encode(), digest_size=16)
        for array, dtype in (
            (self.indptr, "<i8"),
            (self.items, "<i8"),
            (self.grades, "<f4"),
            (self.provenance, "u1"),
        ):
            state.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
        return state.hexdigest()


def gather_segments(indptr: Int64, rows: Int64) -> tuple[Int64, Int64]:
    """Pick segments of a CSR.

    Returns:
        int64[R + 1], the new ``indptr``; int64[P], the positions of the picked elements in the old data.
    """
    lengths = indptr[1:][rows] - indptr[:-1][rows]
    return segments.bounds(lengths), np.repeat(indptr[:-1][rows], lengths) + segments.places(lengths)


def _with_duplicates(columns: list[npt.NDArray[Any]], side: int, groups: Int64) -> list[npt.NDArray[Any]]:
    """Add, for every pair, those with the duplicates of its anchor (side 0) or item (side 1)."""
    pairs, twins = _duplicates_of(columns[side], groups)
    added = [column[pairs] for column in columns]
    added[side], added[-1] = twins, np.full(len(pairs), EXACT_DUPLICATE, np.uint8)
    return [np.concatenate(both) for both in zip(columns, added, strict=True)]


def _duplicates_of(items: Int64, groups: Int64) -> tuple[Int64, Int64]:
    """Pair every given item with its duplicates: positions into ``items``, and the duplicates' rows."""
    grouped = np.flatnonzero(groups >= 0)
    codes = np.full(len(groups), -1)
    codes[grouped] = np.unique(groups[grouped], return_inverse=True)[1]  # the user's numbers may be anything
    members = grouped[np.argsort(codes[grouped], kind="stable")]
    bounds = segments.bounds(np.bincount(codes[grouped]))
    with_group = np.flatnonzero(codes[items] >= 0)
    indptr, positions = gather_segments(bounds, codes[items[with_group]])
    pairs, twins = np.repeat(with_group, np.diff(indptr)), members[positions]
    other = twins != items[pairs]
    return pairs[other], twins[other]
