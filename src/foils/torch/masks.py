"""Which cells of a step are no negatives, as far as the rows of anchors and items tell: plain NumPy, before any score.

The cells of an anchor are the *shared* columns, which every anchor of the batch sees, and its *own* ones. Out of the
softmax are absent ones (−1), the anchor's known positives and its example's own item wherever they stand, and an item
that the anchor has already seen in an earlier column. Positives are found by a sort-merge join of the anchors' few
known items with the columns: nothing of the size anchors × columns is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from foils import _array
from foils import _segments as segments
from foils.errors import DataError
from foils.positives import Int64, Positives, gather_segments
from foils.rules import REASONS

CODES = ("counted", "target", "absent", "known_positive", "repeated", "weightless", *REASONS[1:])
"""Why a cell is no negative; from ``unscored`` on, a rule said so."""
TARGET, ABSENT, KNOWN, REPEATED, WEIGHTLESS = range(1, 6)
RULES_FROM = WEIGHTLESS
"""What is added to an index into ``REASONS``."""

Int8 = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Rows:
    """Global rows of a step; −1 = absent, −2 = new, without a row.

    Attributes:
        anchors: int64[B].
        items: int64[B], the examples' positives.
        shared: int64[N], items of the given columns that all anchors see.
        own: int64[B, M], items of each anchor's own columns.
        in_batch: whether the positives are columns for all, too.
    """

    anchors: Int64
    items: Int64
    shared: Int64
    own: Int64
    in_batch: bool

    @property
    def columns(self) -> Int64:
        """int64, items of the columns that all anchors see: the B positives first where ``in_batch``."""
        return np.concatenate([self.items, self.shared]) if self.in_batch else self.shared


@dataclass(frozen=True, eq=False)
class Masked:
    """Cells that are no negatives, by index into ``CODES``.

    Attributes:
        columns: int8[N], shared columns that are out for all anchors; 0 = in.
        rows: int64[P], ascending; with ``places`` the known positives among the shared cells.
        places: int64[P].
        own: int8[B, M]; 0 = in.
        in_batch: whether cell (b, b) of the shared ones is the target.
    """

    columns: Int8
    rows: Int64
    places: Int64
    own: Int8
    in_batch: bool

    def tile(self, part: slice) -> Int8:
        """Give int8[c, N + M] for some of the anchors."""
        count = len(self.own[part])
        codes = np.empty((count, len(self.columns) + self.own.shape[1]), np.int8)
        shared = codes[:, : len(self.columns)]
        shared[:] = self.columns
        low, high = np.searchsorted(self.rows, [part.start, part.start + count])
        shared[self.rows[low:high] - part.start, self.places[low:high]] = KNOWN
        if self.in_batch:
            shared[np.arange(count), part.start + np.arange(count)] = TARGET
        codes[:, len(self.columns) :] = self.own[part]
        return codes


def mask(rows: Rows, positives: Positives | None, *, count_repeated: bool) -> Masked:
    """Find the cells that are no negatives.

    Args:
        rows: the step.
        positives: known positives; None = the examples' own items alone.
        count_repeated: let every cell count, also of an item that was seen before.

    Raises:
        DataError: a row is outside the collection.
    """
    _check(rows, positives)
    items = rows.columns
    columns = np.where(items == -1, ABSENT, 0).astype(np.int8)
    if not count_repeated:
        columns[_is_repeated(items)] = REPEATED
    own = np.where(rows.own == -1, ABSENT, 0).astype(np.int8)
    if not count_repeated:
        seen = np.isin(rows.own, items) | ~_array.row_unique(rows.own)
        own[seen & (rows.own >= 0)] = REPEATED
    known = (rows.own == rows.items[:, None]) & (rows.own >= 0)
    wanted_rows, wanted = np.flatnonzero(rows.items >= 0), rows.items[rows.items >= 0]
    if positives is not None:
        named = np.flatnonzero(rows.anchors >= 0)
        known[named] |= positives.contains(rows.anchors[named], rows.own[named])
        indptr, places = gather_segments(positives.indptr, rows.anchors[named])
        wanted_rows = np.concatenate([wanted_rows, np.repeat(named, np.diff(indptr))])
        wanted = np.concatenate([wanted, positives.items[places]])
    own[known] = KNOWN
    return Masked(columns, *_join(wanted_rows, wanted, items), own, rows.in_batch)


def _join(rows: Int64, wanted: Int64, columns: Int64) -> tuple[Int64, Int64]:
    """Find every column that holds a wanted item: rows, ascending, and columns."""
    order = np.argsort(columns, kind="stable")
    ranked = columns[order]
    low, high = (np.searchsorted(ranked, wanted, side) for side in ("left", "right"))
    hits = segments.owners(high - low)
    found_rows, found = rows[hits], order[low[hits] + segments.places(high - low)]
    by_row = np.argsort(found_rows, kind="stable")
    return found_rows[by_row], found[by_row]


def _is_repeated(items: Int64) -> npt.NDArray[np.bool_]:
    first = np.zeros(len(items), bool)
    first[np.unique(items, return_index=True)[1]] = True
    return ~first & (items >= 0)


def _check(rows: Rows, positives: Positives | None) -> None:
    if (rows.items == -1).any():
        place = int(np.flatnonzero(rows.items == -1)[0])
        raise DataError(f"items[{place}] is −1 (absent); every example needs a positive, or −2 for a new item")
    if positives is None:
        return
    sides = (
        ("anchors", rows.anchors, positives.n_anchors),
        ("items", rows.items, positives.n_items),
        ("negatives", np.concatenate([rows.shared, rows.own.ravel()]), positives.n_items),
    )
    for name, numbers, most in sides:
        if numbers.size and not -2 <= numbers.min() <= numbers.max() < most:
            raise DataError(
                f"{name} hold rows from {numbers.min()} to {numbers.max()}; the positives are of {most:,}, "
                "numbered from 0 (−1 = absent, −2 = new)"
            )
