"""Exact top-k in one pass: a product by blocks, a running bound per anchor, and a canonical decision.

A block of items is scored by a screen, whose error is bounded (``screens``). While the block is near the processor,
what may still be among the best k goes to the anchor's shortlist (``selection_numba``); all else is forgotten, so
that no array of anchors × items exists. At the end the shortlists are scored by the canonical kernel and ordered by
(−score, item row). So the result follows from the vectors alone: not from the screen, blocks, threads or machine.
Exclusions are applied before the cut. A random sample of the items gives bounds to start with (``sample``).
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
from foils.search.best import LOWEST, MOST_SHORT, ByItem, Rows
from foils.search.blocks import Blocks
from foils.search.device import Hidden, OnDevice, is_cut_short
from foils.search.products import NUMPY
from foils.search.sample import Masked, Sample
from foils.search.screen_int8 import Int8
from foils.search.screens import Screen, Single
from foils.search.vectors import Float32, Vectors

Float64 = npt.NDArray[np.float64]

SETTLED_PLACES = 1 << 16
"""Places of shortlists that are settled, or refined, together."""

MOST_RELIEFS = 8
"""How often a shortlist that a rough screen fills may be scored canonically before its anchor is searched anew."""


def no_mask(_: slice | Int64) -> None:
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
            masked: what else must not be returned.

        Returns:
            int64[A, k] items and float32[A, k] canonical scores, by (−score, item row).
        """
        found = self.find(anchors, k, excluded, blocks, masked)
        return found.items, found.scores

    def find(self, anchors: Float32, k: int, excluded: Relation, blocks: Blocks, masked: Masked = no_mask) -> Found:
        """Find the k best items of every anchor, and say what it took; see ``search``."""
        screen, barred = self.screen or Single(self.items, NUMPY), ByItem.of(*excluded.coordinates())
        search = _Search(self, screen, anchors, k, blocks)
        with screen.one_thread():
            least = search.start(barred, masked)
            search.scan(barred, masked)
            found = search.settle()
        rows = np.flatnonzero(search.overflowed | ~_reaches(found, least))
        if not len(rows):
            return found
        product = NUMPY if isinstance(screen, OnDevice) else screen.single
        del search  # its shortlists
        again = _Search(self, Single(self.items, product), anchors[rows], k, blocks)
        with again.screen.one_thread():
            again.scan(ByItem.of(*excluded.take(rows).coordinates()), lambda items: _rows(masked(items), rows))
            anew = again.settle()
        found.items[rows], found.scores[rows] = anew.items, anew.scores
        return replace(found, rescored=found.rescored + anew.rescored, overflowed=len(rows))

    @cached_property
    def unmineable(self) -> Int64:
        """Rows of the items that are never returned, ascending."""
        return np.flatnonzero(~self.mineable)

    @cached_property
    def sample(self) -> Sample:
        """Some items, to start from."""
        return Sample.of(self.items, self.mineable)


class _Search:
    """The shortlists of one block of anchors, while it is searched."""

    def __init__(self, index: ExactIndex, screen: Screen | OnDevice, anchors: Float32, k: int, blocks: Blocks) -> None:
        self.index, self.screen, self.anchors, self.k, self.blocks = index, screen, anchors, k, blocks
        count, room = len(anchors), Blocks.room(k, len(index.items))
        self.slack = screen.slack(anchors)
        if isinstance(screen, Int8):  # shortlists may hold scores of both kinds
            self.fine = screen.finely(anchors)
            self.slack = np.maximum(self.slack, self.fine.slack)
        self.reach = 2 * self.slack
        self.items: Rows = np.empty((count, room), np.int32)
        if len(index.items) > MOST_SHORT:
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

    def start(self, barred: ByItem, masked: Masked) -> Float64:
        """Let nothing into shortlists that a sample of the items tells to be none of the best.

        Returns:
            float64[A], what the k-th best that is found must have at least for this to have been right.
        """
        if isinstance(self.screen, OnDevice):
            return np.full(len(self.anchors), LOWEST)
        sample, product = self.index.sample, self.screen.single
        least = sample.bounds(self.anchors, self.k, self.blocks.items, product, barred, masked)
        self._raise(np.arange(len(least)), np.where(least > LOWEST, least - self.slack, LOWEST))
        return least

    def scan(self, barred: ByItem, masked: Masked) -> None:
        """Pass over all items once."""
        if isinstance(self.screen, OnDevice):
            self._scan_on(self.screen, Hidden(barred, self.index.unmineable, masked))
            return
        ready, units = self.screen.ready(self.anchors), self.screen.units(self.anchors)
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
            self._take(scores, units, start)

    def settle(self) -> Found:
        """Score the shortlists canonically, and order them."""
        self.kernels.prune(self.reach, self.k, self.items, self.scores, self.counts, self.bounds)
        if isinstance(self.screen, Int8):
            self._refine(self.screen, np.arange(len(self.anchors)))
            self.slack = self.fine.slack
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

    def _take(self, scores: npt.NDArray[Any], units: Float32, start: int) -> None:
        resume = np.where(self.overflowed, scores.shape[1], 0)
        lists = (self.items, self.scores, self.counts, self.bounds, self.limits)
        while self.kernels.take(scores, units, start, self.reach, self.k, *lists, resume):
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
        fine = self.fine
        for part in _parts(self.counts[rows]):
            some, slack = rows[part], fine.slack[rows[part]]
            values = self._scored(some, self.slack + fine.slack, partial(screen.refine, fine))
            bounds = np.full(len(some), LOWEST, np.float32)
            self.kernels.adopt(some, values, 2 * slack, self.k, self.items, self.scores, self.counts, bounds)
            # What comes has the error of the screen, what is bounds' own that of the finer scores.
            self._raise(some, bounds + slack - self.slack[some])

    def _raise(self, rows: Int64, limits: Float64) -> None:
        """Let nothing below these limits into shortlists any more."""
        below = np.nextafter(limits.astype(np.float32), np.float32(-np.inf))
        self.bounds[rows] = np.maximum(self.bounds[rows], below)

    def _settle(self, rows: Int64, found: Int64, scores: Float32) -> None:
        """Write the best k of some shortlists."""
        values = self._scored(rows, self.slack, self._canonical)
        self.kernels.best(rows, self.items, values, self.counts, found, scores)

    def _scored(self, rows: Int64, slack: Float64, score: Callable[[Int64, Int64], Float32]) -> Float32:
        """Score some shortlists as far as they may hold the best k.

        The best k of the screen are scored first: what lies below the least of these values by more than the slack is
        not among the best. The rest is scored then.

        Args:
            rows: int64[S], whose.
            slack: float64[A], by which the screen's scores may differ from these.
            score: anchors' rows and items, int64[P] each → float32[P].

        Returns:
            float32[S, L] by place in the shortlist, NaN where there is none.
        """
        counts = self.counts[rows]
        values = np.full((len(rows), counts.max(initial=1)), np.nan, np.float32)
        at, places = np.empty((2, int(counts.sum())), np.int64)

        def fill(listed: int) -> None:
            cells, owners = (at[:listed], places[:listed]), rows[at[:listed]]
            values[cells] = score(owners, self.items[owners, cells[1]].astype(np.int64))

        fill(self.kernels.leading(rows, self.scores, self.counts, self.k, at, places))
        fill(self.kernels.near(rows, self.scores, values, self.counts, slack, at, places))
        return values

    def _canonical(self, rows: Int64, items: Int64) -> Float32:
        self.rescored += len(rows)
        return self.index.items.dots(self.anchors, rows, items, self.blocks.pairs)


def _parts(counts: Int64) -> Iterator[slice]:
    """Cut rows of shortlists into parts that are settled together: the more, the better is a file read in order."""
    step = max(1, SETTLED_PLACES // counts.max(initial=1))
    return (slice(start, min(start + step, len(counts))) for start in range(0, len(counts), step))


def _reaches(found: Found, least: Float64) -> npt.NDArray[np.bool_]:
    """Tell the anchors whose k-th best is at least that: bool[A]."""
    return (least <= LOWEST) | (found.scores[:, -1] >= least)  # NaN, where there are fewer than k, is not


def _rows(mask: npt.NDArray[np.bool_] | None, rows: Int64) -> npt.NDArray[np.bool_] | None:
    return None if mask is None else mask[rows]
