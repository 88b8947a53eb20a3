"""Positives that were found after the data was made: by a person who labelled, or by a judge (RLHN, 2025).

They are laid over a collection for training and mining: its positives of a split then hold them, with their provenance
and their exact duplicates, and verified negatives are trusted ones. What evaluation looks at never holds them.

An overlay only adds. A pair counts by the first of these that knows it: a positive as given, a person, a negative as
given, a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from foils.errors import DataError, printable
from foils.positives import PROVENANCES, Int64, Judgements
from foils.records import Records

FINDERS = ("human", "llm")
"""Provenances that a found pair may have."""
COLUMNS = ("anchor_id", "item_id", "grade", "provenance", "p")
UNKNOWN_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Found:
    """Found pairs by rows, each once per split.

    Attributes:
        judged: the pairs; a grade above 0 = positive, 0 = verified negative.
        provenance: uint8[P], index into ``PROVENANCES``.
    """

    judged: Judgements
    provenance: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.judged)

    def over(self, given: Judgements, splits: Sequence[str]) -> tuple[Judgements, npt.NDArray[np.uint8]]:
        """Lay the pairs of some splits over the judgements of these splits: all of them, and their provenance."""
        chosen = np.isin(self.judged.splits, [given.split_names.index(name) for name in splits])
        both = _joined(given, _taken(self.judged, chosen))
        return both, np.concatenate([_given(len(given)), self.provenance[chosen]])

    def part(self, anchors: Int64, items: Int64) -> Found:
        """Keep the pairs of some anchors and items, ascending rows, which are then counted anew."""
        judged = self.judged
        both = np.isin(judged.anchors, anchors) & np.isin(judged.items, items)
        kept = _taken(judged, both)
        rows = np.searchsorted(anchors, kept.anchors), np.searchsorted(items, kept.items)
        return Found(Judgements(*rows, kept.grades, kept.splits, kept.split_names), self.provenance[both])


def found_table(
    anchor_ids: pa.Array,
    item_ids: pa.Array,
    grades: npt.NDArray[np.float32],
    provenance: str,
    p: npt.NDArray[np.float32],
) -> pa.Table:
    """Make the table of found pairs: anchor_id, item_id, grade, provenance (``human`` or ``llm``), p."""
    return pa.table(
        {
            "anchor_id": anchor_ids,
            "item_id": item_ids,
            "grade": pa.array(grades, pa.float32()),
            "provenance": pa.array([provenance] * len(grades), pa.string()),
            "p": pa.array(p, pa.float32(), mask=np.isnan(p)),
        }
    )


def found_by_people(anchor_ids: pa.Array, item_ids: pa.Array, labels: npt.NDArray[np.int8]) -> pa.Table:
    """Make a table of found pairs of labels: 1 = positive, 0 = negative; others (unsure, skipped) say nothing."""
    keep = labels >= 0
    anchors, items = (ids.filter(pa.array(keep)).cast(pa.string()) for ids in (anchor_ids, item_ids))
    grades = labels[keep].astype(np.float32)
    return found_table(anchors, items, grades, "human", np.full(len(grades), np.nan, np.float32))


def found_rows(
    table: pa.Table, anchors: Records, items: Records, given: Judgements, split: str, earlier: Found | None
) -> Found:
    """Find the rows of found pairs, and leave out what others know better.

    Args:
        table: see ``found_table``.
        anchors: of the collection.
        items: of the collection.
        given: its judgements, of all splits.
        split: whose positives they are.
        earlier: pairs that were found before.

    Raises:
        DataError: a column is missing, an id is not in the collection, or a value is none that is known.
    """
    known = given.select((split,))
    code = given.split_names.index(split)
    missing = [name for name in COLUMNS[:2] if name not in table.column_names]
    if missing:
        raise DataError(f"found pairs: there is no column {missing[0]}; expected {', '.join(COLUMNS)}")
    rows = _rows(table, anchors, "anchor"), _rows(table, items, "item")
    judged = Judgements(*rows, _grades(table), np.full(len(table), code, np.int16), given.split_names)
    new = Found(judged, _provenance(table))
    if earlier is not None:
        new = Found(_joined(earlier.judged, judged), np.concatenate([earlier.provenance, new.provenance]))
    return _settled(new, known)


def _settled(found: Found, known: Judgements) -> Found:
    """Keep of each pair what the most trusted says; nothing where the collection knows it better."""
    authority = np.concatenate(
        [np.where(known.grades > 0, 0, 2), np.where(found.provenance == PROVENANCES.index("human"), 1, 3)]
    )
    both = _joined(known, found.judged)
    order = np.lexsort((-both.grades, authority, both.items, both.anchors, both.splits))
    keys = np.stack([both.splits, both.anchors, both.items])[:, order]
    first = np.ones(len(order), bool)
    first[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    kept = np.sort(order[first])
    kept = kept[kept >= len(known)] - len(known)
    return Found(_taken(found.judged, kept), found.provenance[kept])


def _rows(table: pa.Table, records: Records, side: str) -> Int64:
    ids = table[f"{side}_id"].combine_chunks()
    if ids.null_count:
        raise DataError(f"found pairs: a value of {side}_id is missing; give the id of each")
    rows = records.rows(ids.cast(pa.large_string()))
    unknown = np.flatnonzero(rows < 0)
    if len(unknown):
        shown = ", ".join(repr(printable(ids[place].as_py())) for place in unknown[:UNKNOWN_SHOWN])
        raise DataError(
            f"found pairs: {len(unknown)} of {len(ids)} pairs name an {side} that the collection does not have: "
            f"{shown}; give pairs of this collection"
        )
    return rows


def _grades(table: pa.Table) -> npt.NDArray[np.float32]:
    if "grade" not in table.column_names:
        return np.ones(len(table), np.float32)
    grades = table["grade"].cast(pa.float32()).fill_null(1.0).to_numpy()
    if not np.isfinite(grades).all():
        raise DataError("found pairs: a grade is not a number; expected above 0 for a positive, 0 for a negative")
    return np.asarray(grades, np.float32)


def _provenance(table: pa.Table) -> npt.NDArray[np.uint8]:
    given = table["provenance"].to_pylist() if "provenance" in table.column_names else [None] * len(table)
    names = ["llm" if name is None else name for name in given]
    wrong = sorted({str(name) for name in names} - set(FINDERS))
    if wrong:
        raise DataError(f"found pairs: the provenance {printable(wrong[0])!r:.60} is none; use {' or '.join(FINDERS)}")
    return np.array([PROVENANCES.index(name) for name in names], np.uint8)


def _given(count: int) -> npt.NDArray[np.uint8]:
    return np.full(count, PROVENANCES.index("given"), np.uint8)


def _joined(first: Judgements, second: Judgements) -> Judgements:
    return Judgements(
        np.concatenate([first.anchors, second.anchors]),
        np.concatenate([first.items, second.items]),
        np.concatenate([first.grades, second.grades]),
        np.concatenate([first.splits, second.splits]),
        first.split_names,
    )


def _taken(judged: Judgements, rows: npt.NDArray[np.integer | np.bool_]) -> Judgements:
    return Judgements(
        judged.anchors[rows], judged.items[rows], judged.grades[rows], judged.splits[rows], judged.split_names
    )
