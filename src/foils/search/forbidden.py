"""What an anchor must not get: known positives with their exact duplicates, denied pairs, and constraints.

The first two are few per anchor and lie in a sparse relation. Constraints may forbid most items to most anchors
(another language, another tenant), so they are evaluated for the block at hand and never stored for all pairs.
Every source excludes both, and items that may not be mined, before its cut to k: k candidates are k candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _segments as segments
from foils.constraints import NONE, Mask, Resolved
from foils.positives import Int64, Positives, Relation

Bool = npt.NDArray[np.bool_]

CELLS = 1 << 22
"""Cells of an anchors × items block that are looked at together where both parts are needed for all items."""


@dataclass(frozen=True, eq=False)
class Forbidden:
    """The pairs that must never be candidates.

    Attributes:
        known: the sparse part by anchor row: known positives, their exact duplicates, denied pairs.
        n_items: number of items in the collection.
        masks: the dense part: constraints and allow lists; a pair must pass all of them.
    """

    known: Relation
    n_items: int
    masks: tuple[Mask, ...] = ()

    @classmethod
    def of(cls, positives: Positives, constraints: Resolved = NONE) -> Forbidden:
        """Unite known positives and constraints."""
        relation = positives.relation
        known = relation if constraints.denied is None else relation.joined(constraints.denied)
        return cls(known, positives.n_items, constraints.masks)

    def relation(self, anchors: Int64) -> Relation:
        """Give the sparse part for these anchors; row i belongs to ``anchors[i]``."""
        return self.known.take(anchors)

    def mask(self, anchors: Int64, items: Int64 | slice) -> Bool | None:
        """Give the dense part for a block.

        Args:
            anchors: int64[A], anchor rows.
            items: int64[I], item rows, or a slice of them.

        Returns:
            bool[A, I], True = forbidden; None where there is no constraint.
        """
        if not self.masks:
            return None
        rows = np.arange(*items.indices(self.n_items)) if isinstance(items, slice) else items
        return self._masked(anchors, rows)

    def pairs(self, anchors: Int64, items: Int64) -> Bool:
        """Tell which pairs are forbidden, by either part.

        Args:
            anchors: int64[P], anchor rows.
            items: int64[P], item rows; −1 (absent) is not forbidden.

        Returns:
            bool[P].
        """
        found = self.known.contains(anchors, items)
        present = np.flatnonzero(items >= 0)
        for mask in self.masks:
            found[present] |= mask.pairs(anchors[present], items[present])
        return found

    def whole(self, anchors: Int64) -> Relation:
        """Give both parts as one sparse relation; row i belongs to ``anchors[i]``.

        It may hold nearly all items for every anchor: ask for as many anchors at a time as ``parts`` says.
        """
        known = self.relation(anchors)
        if not self.masks:
            return known
        degrees, items = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for part in self.parts(len(anchors)):
            block = self._masked(anchors[part], np.arange(self.n_items))
            block[known.take(np.arange(part.start, part.stop)).coordinates()] = True
            degrees.append(block.sum(axis=1))
            items.append(np.nonzero(block)[1])
        return Relation(segments.bounds(np.concatenate(degrees)), np.concatenate(items))

    def parts(self, count: int) -> Iterator[slice]:
        """Cut ``count`` anchors into parts for which ``whole`` stays small; without constraints, into one."""
        step = max(1, CELLS // max(self.n_items, 1)) if self.masks else max(count, 1)
        return (slice(start, min(start + step, count)) for start in range(0, max(count, 1), step))

    def further(self, anchors: Int64, positives: Relation, mineable: Bool) -> Int64:
        """Count what lists and constraints forbid beyond the known positives.

        Args:
            anchors: int64[A], anchor rows.
            positives: known positives by anchor row.
            mineable: bool[I], the items that are counted.

        Returns:
            int64[A].
        """
        if not self.masks and len(self.known.items) == len(positives.items):
            return np.zeros(len(anchors), np.int64)
        positive_rows, positive_items = positives.take(anchors).coordinates()
        counts = -np.bincount(positive_rows[mineable[positive_items]], minlength=len(anchors))
        rows, items = self.relation(anchors).coordinates()
        fresh = mineable[items]
        for mask in self.masks:
            fresh &= ~mask.pairs(anchors[rows], items)
        counts += np.bincount(rows[fresh], minlength=len(anchors))
        step = max(1, CELLS // max(len(anchors), 1))
        for start in range(0, self.n_items if self.masks else 0, step):
            items = np.arange(start, min(start + step, self.n_items))
            counts += np.count_nonzero(self._masked(anchors, items) & mineable[items], axis=1)
        return counts

    def _masked(self, anchors: Int64, items: Int64) -> Bool:
        found = self.masks[0].block(anchors, items)
        for mask in self.masks[1:]:
            found |= mask.block(anchors, items)
        return found
