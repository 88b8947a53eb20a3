"""Items of a pairs file and of its corpus made one list, in which equal text is one item.

A positive is known by its text alone. So a corpus row with the same text is that positive, whatever its
title: as another item it would be mined as a negative of its own anchor. Rows without text stay apart.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.collection import Records
from foils.errors import DataError
from foils.formats.messages import quoted
from foils.formats.rows import Rows, booleans, first_rows

Int64 = npt.NDArray[np.int64]


def merge_items(positives: Records, further: Rows | None) -> tuple[Records, Int64]:
    """Append the corpus rows that are new.

    Args:
        positives: the distinct texts of the pairs.
        further: the corpus, with the columns ``text``, ``title``, ``id`` and ``_id``; or None.

    Returns:
        The items: the positives, then the rest of the corpus, each by first appearance.
        int64[P], the item of each positive.

    Raises:
        DataError: a corpus id is given twice, or is one that foils gives to a text without an id.
    """
    if further is None:
        return positives, np.arange(len(positives))
    n = len(positives)
    texts = pa.concat_arrays([positives.texts, further.columns["text"]])
    rows = np.arange(len(texts))
    blank = booleans(pc.equal(pc.utf8_trim_whitespace(texts), ""))
    first = np.where(blank, rows, first_rows(texts.dictionary_encode().indices.to_numpy()))
    kept, items = np.unique(first, return_inverse=True)
    described = _described(items[n:], len(kept))
    titles = _titles(further, described)
    return Records(_ids(further, described), texts.take(pa.array(kept)), titles), items[:n]


def _described(items: Int64, n_items: int) -> pa.Array:
    """Give for every item the first corpus row that has it, or null."""
    found = np.full(n_items, len(items), np.int64)
    np.minimum.at(found, items, np.arange(len(items)))
    return pa.array(found, mask=found == len(items))


def _titles(further: Rows, described: pa.Array) -> pa.LargeStringArray | None:
    titles = pc.fill_null(further.columns["title"].take(described), "")
    return titles if pc.any(pc.not_equal(titles, "")).as_py() else None


def _ids(further: Rows, described: pa.Array) -> pa.LargeStringArray:
    named = [name for name in ("id", "_id") if further.all_or_none(name) is not None]
    rows = pa.array([f"i{row}" for row in range(len(described))], pa.large_string())
    if not named:
        return rows
    further.reject_repeated(named[0])
    ids = pc.coalesce(further.columns[named[0]].take(described), rows)
    taken = ids.dictionary_encode()
    if len(taken.dictionary) < len(ids):
        name = taken.dictionary[int(np.argmax(np.bincount(taken.indices.to_numpy()) > 1))]
        row = pc.index(further.columns[named[0]], name).as_py()
        raise DataError(
            f"{further.place(row)}: the id {quoted(name.as_py())} is also what a positive that is not in the "
            "corpus gets (i and its "
            "row); use other ids in the corpus, or add the positives to it"
        )
    return ids
