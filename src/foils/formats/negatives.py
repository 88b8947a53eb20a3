"""Anybody's negatives as rows of a collection: what a file says, matched by id or by text.

``given`` tells the forms of files; here names become rows. A column of names is matched by id or by text, whichever
finds more of it; texts are compared as they are (with their title and without), then under the collection's normaliser.
What matches nothing is counted and named, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import NORMALISERS, Collection, Records
from foils.errors import DataError
from foils.formats.files import Source
from foils.formats.given import Pairs, Told, read_told
from foils.formats.messages import quoted
from foils.positives import Int64
from foils.records import find

Float32 = npt.NDArray[np.float32]

MOST_NAMED = 5
"""Unmatched names that are kept for a report."""


@dataclass(frozen=True, eq=False)
class Matched:
    """Pairs by rows of the collection, by anchor, within an anchor in the order of the file.

    Attributes:
        anchors: int64[P], anchor rows, ascending.
        items: int64[P], item rows.
        scores: float32[P], NaN where the file has none.
    """

    anchors: Int64
    items: Int64
    scores: Float32

    def __len__(self) -> int:
        return len(self.anchors)

    @cached_property
    def ranks(self) -> npt.NDArray[np.int32]:
        """int32[P], 1-based place among the pairs of the anchor, in the order of the file."""
        first = np.searchsorted(self.anchors, self.anchors, side="left")
        return (np.arange(len(self)) - first + 1).astype(np.int32)


@dataclass(frozen=True)
class Unmatched:
    """Names that are not in the collection.

    Attributes:
        anchors: rows of the file whose anchor matches nothing; their pairs are left out.
        negatives: further negatives that match no item.
        positives: further positives that match no item.
        examples: the first few, each with its place in the file.
    """

    anchors: int
    negatives: int
    positives: int
    examples: tuple[str, ...]

    @property
    def total(self) -> int:
        """How many there are of all kinds."""
        return self.anchors + self.negatives + self.positives


@dataclass(frozen=True, eq=False)
class GivenNegatives:
    """What a file of negatives says of a collection.

    Attributes:
        form: the form that was recognised, such as ``n-tuple``.
        rows: rows or records of the file.
        negatives: the negatives, repetitions included.
        positives: the positives that the file names.
        matched_by: how anchors and items were matched: ``id`` or ``text``.
        unmatched: what was not found.
        labelled: whether the file itself says what is positive; if not, ``positives`` are the pairs known as such in
            any split.
    """

    form: str
    rows: int
    negatives: Matched
    positives: Matched
    matched_by: tuple[str, str]
    unmatched: Unmatched
    labelled: bool


def read_negatives(path: str | Path, collection: Collection) -> GivenNegatives:
    """Read a file of negatives and match it to a collection.

    Args:
        path: CSV, JSON Lines, Parquet or a TREC run, of any form that ``foils.formats.given`` knows.
        collection: whose anchors and items the file names, by id or by text.

    Raises:
        DataError: the file cannot be read, its form is not known, or no anchor or no negative of it is in the
            collection.
    """
    told = read_told(Source(Path(path)))
    anchors, anchors_by = _rows(told.anchors, collection.anchors, collection.normaliser)
    both = pa.concat_arrays([told.negatives.names, told.positives.names])
    items, items_by = _rows(both, collection.items, collection.normaliser)
    _refuse_strangers(told, anchors, items)
    cut = len(told.negatives.names)
    negatives = _matched(told.negatives, anchors, items[:cut])
    positives = _matched(told.positives, anchors, items[cut:])
    if not told.labelled:
        known = collection.filter_index().contains(negatives.anchors, negatives.items)
        negatives, positives = _where(negatives, ~known), _where(negatives, known)
    unmatched = _unmatched(told, anchors, items[:cut], items[cut:])
    matched_by = (anchors_by, items_by)
    return GivenNegatives(told.form, len(anchors), negatives, positives, matched_by, unmatched, told.labelled)


def _rows(names: pa.Array, records: Records, normaliser: str) -> tuple[Int64, str]:
    """Find names among the records by id or by text, whichever finds more; −1 where there is none."""
    encoded = names.dictionary_encode()
    distinct, codes = encoded.dictionary, encoded.indices.to_numpy().astype(np.int64)
    counts = np.bincount(codes, minlength=len(distinct))
    by_id = records.rows(distinct)
    if records.texts is None or (by_id >= 0).all():
        return by_id[codes], "id"
    by_text = _by_text(distinct, records, NORMALISERS[normaliser])
    if counts[by_text >= 0].sum() > counts[by_id >= 0].sum():
        return by_text[codes], "text"
    return by_id[codes], "id"


def _by_text(names: pa.Array, records: Records, normalise: Callable[[str], str]) -> Int64:
    """Find texts: with title, without, then both normalised; of equal texts the first record."""
    full: Any = records.texts if records.titles is None else pa.array(records.full_texts(), pa.large_string())
    keys: list[Any] = [full] if records.titles is None else [full, records.texts]
    found = np.full(len(names), -1, np.int64)
    for key in keys:
        _fill(found, names, key)
    if (found < 0).any():
        left = pa.array([normalise(name) for name in names.filter(pa.array(found < 0)).to_pylist()], pa.large_string())
        rest = np.full(len(left), -1, np.int64)
        for key in keys:
            _fill(rest, left, pa.array([normalise(text) for text in key.to_pylist()], pa.large_string()))
        found[found < 0] = rest
    return found


def _fill(found: Int64, names: pa.Array, keys: pa.Array) -> None:
    """Write rows of equal keys where nothing is found yet; the empty text matches nothing."""
    rows = find(names, keys)
    blank = pc.equal(names, "").to_numpy(zero_copy_only=False)
    np.copyto(found, rows, where=(found < 0) & ~blank)


def _refuse_strangers(told: Told, anchors: Int64, items: Int64) -> None:
    """Refuse a file of which nothing belongs to the collection."""
    if (anchors >= 0).any() and (items[: len(told.negatives.names)] >= 0).any():
        return
    strange = (anchors < 0).all()
    what, name = ("anchor", told.anchors[0]) if strange else ("negative", told.negatives.names[0])
    place = told.place(0 if strange else int(told.negatives.rows[0]))
    raise DataError(
        f"{place}: the {what} {quoted(name.as_py())} is not in the collection, by id or by text, and neither is any "
        f"other {what} of the file (read as {told.form}); give the data that these negatives were made from"
    )


def _matched(pairs: Pairs, anchors: Int64, items: Int64) -> Matched:
    owners = anchors[pairs.rows]
    keep = np.flatnonzero((owners >= 0) & (items >= 0))
    keep = keep[np.argsort(owners[keep], kind="stable")]
    return Matched(owners[keep], items[keep], pairs.scores[keep])


def _where(pairs: Matched, keep: npt.NDArray[np.bool_]) -> Matched:
    return Matched(pairs.anchors[keep], pairs.items[keep], pairs.scores[keep])


def _unmatched(told: Told, anchors: Int64, negatives: Int64, positives: Int64) -> Unmatched:
    strange = anchors < 0
    lost = [
        ("negative", told.negatives, (negatives < 0) & ~strange[told.negatives.rows]),
        ("positive", told.positives, (positives < 0) & ~strange[told.positives.rows]),
    ]
    examples = [(int(row), "anchor", told.anchors[row].as_py()) for row in np.flatnonzero(strange)[:MOST_NAMED]]
    for what, pairs, missing in lost:
        at = np.flatnonzero(missing)[:MOST_NAMED]
        examples += [(int(pairs.rows[place]), what, pairs.names[place].as_py()) for place in at]
    named = [f"{told.place(row)}: {what} {quoted(name)}" for row, what, name in sorted(examples)[:MOST_NAMED]]
    return Unmatched(int(strange.sum()), int(lost[0][2].sum()), int(lost[1][2].sum()), tuple(named))
