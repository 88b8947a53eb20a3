"""Texts made comparable by Arrow alone, for reports: NFKC, lower case, runs of white space as one space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foils.positives import Int64
from foils.records import Records, find

CHUNK = 65_536


def folded(records: Records, rows: Int64) -> pa.Array:
    """Give the texts (with titles) of these rows, folded.

    Args:
        records: anchors or items with texts.
        rows: int64[R].
    """
    at = pa.array(rows)
    texts: Any = records.texts.take(at) if records.texts is not None else pa.array([""] * len(rows), pa.large_string())
    if records.titles is not None:
        texts = pc.binary_join_element_wise(records.titles.take(at), texts, pa.scalar(" ", pa.large_string()))
    folds: Any = pc.utf8_lower(pc.utf8_normalize(texts, form="NFKC"))
    return pc.utf8_trim_whitespace(pc.replace_substring_regex(folds, r"\s+", " "))


def same_text(records: Records, rows: Int64, keys: pa.Array) -> Int64:
    """Find which key each of these rows equals: int64[R], −1 where none; the empty text equals nothing."""
    if records.texts is None or not len(rows):
        return np.full(len(rows), -1, np.int64)
    found = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), CHUNK):
        texts = folded(records, rows[start : start + CHUNK])
        blank = pc.equal(texts, "").to_numpy(zero_copy_only=False)
        found[start : start + CHUNK] = np.where(blank, -1, find(texts, keys))
    return found
