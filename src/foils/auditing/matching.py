"""Which record of another collection is the same: by id, or by text where ids mean nothing beyond their own file.

Tables of pairs have no ids; the reader numbers their texts (``a0``, ``a1`` …) by first appearance, so that equal ids of
two files are different texts. Ids therefore count only while every record that both sides name has the same text in
both (folded as reports fold it).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils import _segments as segments
from foils.auditing.folded import CHUNK, folded, same_text
from foils.positives import Int64
from foils.records import Records, find


def same_records(ours: Records, theirs: Records, wanted: Int64) -> tuple[Int64, str]:
    """Find our records among theirs.

    Args:
        ours: ids, and texts where they are known.
        theirs: ids, and texts where they are known.
        wanted: int64[W], the rows of ``theirs`` that matter; no other is found.

    Returns:
        int64[ours], rows of ``theirs``, −1 where there is none; and ``id`` or ``text``, by which they were matched.
    """
    by_id = find(ours.ids.cast(pa.large_string()), theirs.ids.cast(pa.large_string()))
    asked = np.zeros(len(theirs) + 1, bool)  # the last entry is for −1
    asked[wanted] = True
    by_id = np.where(asked[by_id], by_id, -1)
    if ours is theirs or ours.texts is None or theirs.texts is None:
        return by_id, "id"
    shared = np.flatnonzero(by_id >= 0)
    if len(shared) and _equal(ours, shared, theirs, by_id[shared]):
        return by_id, "id"
    found = same_text(ours, np.arange(len(ours)), folded(theirs, wanted))
    return np.where(found >= 0, wanted[found], -1) if len(wanted) else found, "text"


def numbered(ids: pa.Array) -> bool:
    """Tell whether these are the ids that a reader gives: one letter and the row, from 0 without gaps."""
    if not len(ids) or ids[0].as_py() not in ("a0", "i0"):
        return False
    rows = pc.cast(pa.array(np.arange(len(ids))), pa.large_string())
    return bool(pc.utf8_slice_codeunits(ids.cast(pa.large_string()), 1).equals(rows))


def _equal(ours: Records, rows: Int64, theirs: Records, others: Int64) -> bool:
    parts = segments.slices(len(rows), CHUNK)
    return all(folded(ours, rows[part]).equals(folded(theirs, others[part])) for part in parts)
