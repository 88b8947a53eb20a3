"""The caller's data set as a collection: equal texts are one anchor, or one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from foils.collection import Collection, strings
from foils.compat.request import ArgumentError
from foils.errors import did_you_mean
from foils.positives import Int64


@dataclass(frozen=True, eq=False)
class Pairs:
    """The pairs of a data set.

    Attributes:
        collection: anchors and items in the order in which they first appear, the corpus before the positives.
        anchors: int64[P], anchor rows of the different pairs; ascending, and by appearance within an anchor.
        positives: int64[P], their item rows.
        anchor_column: name of the column of anchors.
        positive_column: name of the column of positives.
        left_out: rows of the data set with an empty anchor or positive.
    """

    collection: Collection
    anchors: Int64
    positives: Int64
    anchor_column: str
    positive_column: str
    left_out: int

    @property
    def most_positives(self) -> int:
        """Positives of the anchor that has most."""
        return int(np.bincount(self.anchors).max())


def read_pairs(
    dataset: Any, anchor_column: str | None, positive_column: str | None, corpus: Sequence[str] | None
) -> Pairs:
    """Read the two columns and the corpus.

    Args:
        dataset: a ``datasets.Dataset`` or ``IterableDataset``, or any rows with named columns.
        anchor_column: name of the column of anchors; default: the first.
        positive_column: the same for the positives; default: the second.
        corpus: further texts that may be negatives.

    Raises:
        ArgumentError: there is no row or no such column, or there are too few columns.
        DataError: a value is not a string.
    """
    names, columns = _columns(dataset)
    if len(names) < 2:
        raise ArgumentError(
            f"the data set has the column {', '.join(map(repr, names))} only; it needs an anchor and a positive"
        )
    anchor_column = _column("anchor_column_name", anchor_column, names, names[0])
    positive_column = _column("positive_column_name", positive_column, names, names[1])
    if anchor_column == positive_column:
        raise ArgumentError(
            f"anchor and positive are both the column {anchor_column!r}; name two: anchor_column_name=…, "
            f"positive_column_name=…, of {', '.join(map(repr, names))}"
        )
    texts, positives = columns(anchor_column), columns(positive_column)
    for name, values in ((anchor_column, texts), (positive_column, positives), ("corpus", corpus or [])):
        strings(name, values)
    full = [bool(text.strip() and positive.strip()) for text, positive in zip(texts, positives, strict=True)]
    if not any(full):
        raise ArgumentError("The dataset is empty. Please give at least one anchor with a positive.")
    texts = [text for text, keep in zip(texts, full, strict=True) if keep]
    positives = [text for text, keep in zip(positives, full, strict=True) if keep]
    anchors, anchor_rows = _numbered(texts)
    items, item_rows = _numbered([*(corpus or []), *positives])
    pairs = np.stack([anchor_rows, item_rows[len(corpus or []) :]], axis=1)
    first = np.sort(np.unique(pairs, axis=0, return_index=True)[1])
    pairs = pairs[first]
    collection = Collection.from_arrays(pairs, anchors=anchors, items=items, normaliser="text")
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    left_out = len(full) - len(texts)
    return Pairs(collection, pairs[:, 0].copy(), pairs[:, 1].copy(), anchor_column, positive_column, left_out)


def _column(argument: str, given: str | None, names: Sequence[str], default: str) -> str:
    """Take the column that was named, or the default."""
    if given is None:
        return default
    if given not in names:
        raise ArgumentError(f"{argument} is {given!r}; {did_you_mean(str(given), names)}")
    return given


def _columns(dataset: Any) -> tuple[list[str], Any]:
    """Give the names of the columns, and a function that reads one."""
    if hasattr(dataset, "__len__") and hasattr(dataset, "column_names"):
        return list(dataset.column_names), lambda name: list(dataset[name][:])
    rows = _rows(dataset)
    return list(rows[0]), lambda name: [row[name] for row in rows]


def _rows(dataset: Any) -> list[Mapping[str, Any]]:
    """Read a stream once."""
    if isinstance(dataset, str | Mapping):
        raise ArgumentError(
            f"the data set is {dataset!r:.80}; expected a datasets.Dataset, or rows with named columns: "
            "datasets.load_dataset(name, split='train'), or datasets.Dataset.from_dict(columns)"
        )
    rows: list[Any] = list(dataset)
    if not rows:
        raise ArgumentError("The dataset is empty. Please give at least one anchor with a positive.")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping) or row.keys() != rows[0].keys():
            expected = ", ".join(map(repr, rows[0])) if isinstance(rows[0], Mapping) else "anchor, positive"
            raise ArgumentError(
                f"row {number} of the data set is {row!r:.80}; expected a dict with the same columns in every row: "
                f"{expected}"
            )
    return rows


def _numbered(texts: list[str]) -> tuple[list[str], Int64]:
    """Give the different texts by first appearance, and int64[N], which of them each is."""
    encoded = pa.array(texts, pa.large_string()).dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)
