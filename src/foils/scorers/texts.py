"""The texts of a run's records, for scorers that read them."""

from __future__ import annotations

import numpy as np

from foils import _array
from foils.encoders.encoding import check_texts, texts_at
from foils.positives import Int64
from foils.search import Inputs

__all__ = ["check_both", "scored", "texts_at"]


def check_both(inputs: Inputs) -> None:
    """Check that anchors and items have texts.

    Raises:
        DataError: one side has none.
    """
    check_texts(inputs.collection.anchors, "anchors")
    check_texts(inputs.collection.items, "items")


def scored(inputs: Inputs, items: Int64) -> Int64:
    """Find the places of pairs that can be scored: int64[S]; not those without an item, or whose item has no text."""
    return np.flatnonzero(_array.take_valid(inputs.mineable, items, fill=False))
