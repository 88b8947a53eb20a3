"""Exact top-k in one pass: a product by blocks, a running bound per anchor, and a canonical decision.

A block of items is scored by a screen, whose error is bounded (``screens``). While the block is near the processor,
what may still be among the best k goes to the anchor's shortlist (``selection_numba``); all else is forgotten, so
that no array of anchors × items exists. At the end the shortlists are scored by the canonical kernel and ordered by
(−score, item row). So the result follows from the vectors alone: not from the screen, blocks, threads or machine.
Exclusions are applied before the cut.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from foils._compiled import kernels
from foils.positives import Int64, Relation
from foils.search.best import LOWEST, ByItem
from foils.search.blocks import Blocks
from foils.search.device import Hidden, OnDevice, is_cut_short
from foils.search.products import NUMPY
from foils.search.screen_int8 import Int8
from foils.search.screens import Screen, Single
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]

SETTLED_PLACES = 1 << 16
"""Places of shortlists that are settled, or refined, together."""

MOST_RELIEFS = 8
"""How often a shortlist that a rough screen fills may be scored canonically before its anchor is searched anew."""


Masked = Callable[[slice], npt.NDArray[np.bool_] | None]
"""Slice of items → bool[A, I], True = must not be returned; None = all may be."""


def no_mask(_: slice) -> None:
    """Let every item be returned."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        items: int64[A, k] by (−score, item row), −1 where there are fewer.
        scores: float32[A, k], canonical; NaN where there are fewer.
        rescored: how many pairs were scored canonically.
        overflowed: how many anchors were searched anew by the float32 product.
    """

    items: Int64
    scores: Float32
    rescored: int
    overflowed: int


class Tally:
    """What all searches of a run took together; several threads may add to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._anchors = self._rescored = self._overflowed = 0

    def add(self, found: Found) -> None:
        """Count one more search."""
        with self._lock:
            self._anchors += len(found.items)
            self._rescored += found.rescored
            self._overflowed += found.overflowed

    def data(self) -> dict[str, Any]:
        """Give it as JSON-ready data."""
        return {
            "anchors_searched": self._anchors,
            "canonical_scores_per_anchor": round(self._rescored / self._anchors, 1) if self._anchors else 0.0,
            "anchors_searched_again_in_float32": self._overflowed,
        }


@dataclass(frozen=True, eq=False)
class ExactIndex:
    """The items of a collection, searched exactly.

    Attributes:
        items: vectors of all items.
        mineable: bool[N], False for items that are never returned (empty texts).
        screen: what scores all items roughly, here or on a device; None = NumPy's float32 product.
    """

    items: Vectors
    mineable: npt.NDArray[np.bool_]
    screen: Screen | OnDevice | None = None

    def search(
        self, anchors: Float32, k: int, excluded: Relation, blocks: Blocks, masked: Masked = no_mask
    ) -> tuple[Int64, Float32]:
        """Find the k best items of every anchor.

        Args:
            anchors: float32[A, d], as ``Vectors.read`` gives them.
            k: how many items; rows with fewer end in −1 and NaN.
            excluded: items that must not be returned; row i belongs to ``anchors[i]``.
            blocks: sizes of the blocks.
            masked: what else must not be returned, by slice of items.

        Returns:
            int64[A, k] items and float32[A, k] canonical scores, by (−score, item row).
        """
        found = self.find(anchors, k, excluded, blocks, masked)
        return found.items, found.scores

    def find(self, anchors: Float32, k: int, excluded: Relation, blocks: Blocks, masked: Masked = no_mask) -> Found:
        """Find the k best items of every anchor, and say what it took; see ``search``."""
        screen = self.screen or Single(self.items, NUMPY)
        search = _Search(self, screen, anchors, k, blocks)
        with screen.one_thread():
            search.scan(ByItem.of(*excluded.coordinates()), masked)
            found = search.settle()
        if not search.overflowed.any():
            return found
        rows = np.flatnonzero(search.overflowed)
        again = replace(self, screen=Single(self.items, NUMPY)).find(
            anchors[rows], k, excluded.take(rows), blocks, lambda block: _rows(masked(block), rows)
        )
        found.items[rows], found.scores[rows] = again.items, again.scores
        return replace(found, rescored=found.rescored + again.rescored, overflowed=len(rows))

    @cached_property
    def unmineable(self) -> Int64:
        """Rows of the items that are never returned, ascending."""
        return np.flatnonzero(~self.mineable)


class _Search:
    """The shortlists of one block of anchors, while it is searched."""

    def __init__(self, index: ExactIndex, screen: Screen | OnDevice, anchors: Float32, k: int, blocks: Blocks) -> None:
        self.index, self.screen, self.anchors, self.k, self.blocks = index, screen, anchors, k, blocks
        count, room = len(anchors), Blocks.room(k, len(index.items))
        self.slack = screen.slack(anchors)
        self.reach = 2 * self.slack
        self.items = np.empty((count, room), np.int64)
        self.scores = np.empty((count, room), np.float32)
        self.counts = np.zeros(count, np.int64)
        self.bounds = np.full(count, LOWEST, np.float32)
        self.reliefs = np.zeros(count, np.int64)
        self.most_reliefs = np.iinfo(np.int64).max if isinstance(screen, Single) else MOST_RELIEFS
        self.rescored = 0
        self.kernels: Any = kernels("foils.search.selection")
        self.limits = np.full(count, self.kernels.first_limit(k, room))

    @property
    def overflowed(self) -> npt.NDArray[np.bool_]:
        """bool[A], the anchors given up."""
        return self.reliefs > self.most_reliefs

    def scan(self, barred: ByItem, masked: Masked) -> None:
        """Pass over all items once."""
        if isinstance(self.screen, OnDevice):
            self._scan_on(self.screen, Hidden(barred, self.index.unmineable, masked))
            return
        ready, take = self.screen.ready(self.anchors), self._kernel(self.screen)
        size, total = self.blocks.items, len(self.index.items)
        barred_score = self.screen.barred
        whole = np.empty(len(self.anchors) * min(size, max(total, 1)), barred_score.dtype)
        # What is barred is looked up once: between two products, a call into NumPy finds no memory near.
        edges, unmineable = np.arange(0, total + size, size), self.index.unmineable
        barred_up_to = np.searchsorted(barred.items, edges).tolist()
        hidden_up_to = np.searchsorted(unmineable, edges).tolist()
        for number, start in enumerate(range(0, total, size)):
            block = slice(start, min(start + size, total))
            width = block.stop - start
            scores = whole[: len(self.anchors) * width].reshape(-1, width)
            self.screen.score(ready, block, scores)
            if barred_up_to[number] < barred_up_to[number + 1]:
                scores[barred.cells(start, block.stop)] = barred_score
            hidden = unmineable[hidden_up_to[number] : hidden_up_to[number + 1]]
            if len(hidden):
                scores[:, hidden - start] = barred_score
            mask = masked(block)
            if mask is not None:
                np.putmask(scores, mask, barred_score)
            self._take(take, scores, start)

    def settle(self) -> Found:
        """Score the shortlists canonically, and order them."""
        self.kernels.prune(self.reach, self.k, self.items, self.scores, self.counts, self.bounds)
        if isinstance(self.screen, Int8):
            self._refine(self.screen, np.arange(len(self.anchors)))
            self.slack = self.screen.fine_slack(self.anchors)
        found = np.empty((len(self.anchors), self.k), np.int64)
        values = np.empty((len(self.anchors), self.k), np.float32)
        for rows in _parts(self.counts):
            self._settle(np.arange(rows.start, rows.stop), found[rows], values[rows])
        return Found(found, values, self.rescored, 0)

    def _scan_on(self, device: OnDevice, hidden: Hidden) -> None:
        """Take the shortlists that a device makes; those cut short are given up."""
        room = self.items.shape[1]
        self.items, self.scores, self.counts = device.scan(self.anchors, room, hidden, self.blocks.items)
        if room < len(self.index.items):
            cut = is_cut_short(self.scores, self.counts, self.k, self.reach)
            self.reliefs[cut], self.counts[cut] = MOST_RELIEFS + 1, 0

    def _kernel(self, screen: Screen) -> Callable[..., bool]:
        """Choose what takes the scores of a screen."""
        if isinstance(screen, Int8):
            return partial(self.kernels.take_integers, screen.units(self.anchors))
        takes: dict[str, Callable[..., bool]] = {"float32": self.kernels.take, "uint16": self.kernels.take_halves}
        return takes[screen.barred.dtype.name]

    def _take(self, take: Callable[..., bool], scores: npt.NDArray[Any], start: int) -> None:
        resume = np.where(self.overflowed, scores.shape[1], 0)
        lists = (self.items, self.scores, self.counts, self.bounds, self.limits)
        while take(scores, start, self.reach, self.k, *lists, resume):
            stuck = np.flatnonzero(resume < scores.shape[1])
            self._relieve(stuck)
            resume[self.overflowed] = scores.shape[1]

    def _relieve(self, rows: Int64) -> None:
        """Make room in shortlists full of scores too close to tell apart: refine them, or keep the canonically best."""
        if isinstance(self.screen, Int8):
            self._refine(self.screen, rows)
            rows = rows[self.counts[rows] > (self.items.shape[1] + self.k) // 2]
        self.reliefs[rows] += 1
        for part in _parts(self.counts[rows]):
            some = rows[part]
            found, values = np.empty((len(some), self.k), np.int64), np.empty((len(some), self.k), np.float32)
            self._settle(some, found, values)
            order = np.argsort(found, axis=1)
            self.items[some, : self.k] = np.take_along_axis(found, order, axis=1)
            self.scores[some, : self.k] = np.take_along_axis(values, order, axis=1)
            self.counts[some] = self.k
            self._raise(some, values[:, -1].astype(np.float64) - self.slack[some])

    def _refine(self, screen: Int8, rows: Int64) -> None:
        """Score shortlists more finely, and keep what is among their best by that."""
        for part in _parts(self.counts[rows]):
            self._refine_some(screen, rows[part])

    def _refine_some(self, screen: Int8, rows: Int64) -> None:
        anchors, counts = self.anchors[rows], self.counts[rows]
        longest = counts.max(initial=1)
        items, scores = self.items[rows, :longest], self.scores[rows, :longest]
        at, places = np.nonzero(np.arange(longest) < counts[:, None])
        scores[at, places] = screen.refine(anchors, at, items[at, places])
        slack, bounds = screen.fine_slack(anchors), np.full(len(rows), LOWEST, np.float32)
        self.kernels.prune(2 * slack, self.k, items, scores, counts, bounds)
        self.items[rows, :longest], self.scores[rows, :longest], self.counts[rows] = items, scores, counts
        # What comes has the error of the screen, what is bounds' own that of the finer scores.
        self._raise(rows, bounds + slack - self.slack[rows])

    def _raise(self, rows: Int64, limits: Float64) -> None:
        """Let nothing below these limits into shortlists any more."""
        below = np.nextafter(limits.astype(np.float32), np.float32(-np.inf))
        self.bounds[rows] = np.maximum(self.bounds[rows], below)

    def _settle(self, rows: Int64, found: Int64, scores: Float32) -> None:
        """Write the best k of some shortlists.

        The best k of the screen are scored canonically first: what lies below the least of these values by more than
        the slack is not among the best. The rest is scored then.
        """
        counts = self.counts[rows]
        longest = counts.max(initial=1)
        items, screened = self.items[rows, :longest], self.scores[rows, :longest]
        values = np.full(items.shape, np.nan, np.float32)
        at, places = np.empty((2, int(counts.sum())), np.int64)
        listed = self.kernels.leading(screened, counts, self.k, at, places)
        self._rescore(rows, items, values, at[:listed], places[:listed])
        listed = self.kernels.near(screened, values, counts, self.slack[rows], at, places)
        self._rescore(rows, items, values, at[:listed], places[:listed])
        self.kernels.best(items, values, counts, found, scores)

    def _rescore(self, rows: Int64, items: Int64, values: Float32, at: Int64, places: Int64) -> None:
        """Write the canonical scores of these places."""
        values[at, places] = self.index.items.dots(self.anchors, rows[at], items[at, places], self.blocks.pairs)
        self.rescored += len(at)


def _parts(counts: Int64) -> Iterator[slice]:
    """Cut rows of shortlists into parts that are settled together: the more, the better are items read in order."""
    step = max(1, SETTLED_PLACES // counts.max(initial=1))
    return (slice(start, min(start + step, len(counts))) for start in range(0, len(counts), step))


def _rows(mask: npt.NDArray[np.bool_] | None, rows: Int64) -> npt.NDArray[np.bool_] | None:
    return None if mask is None else mask[rows]
