"""From rows with grades and splits to judgements: grades that are numbers, and every pair once per split.

``place`` names, for messages, where a row was given: "qrels/train.tsv, line 7".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from foils.errors import DataError
from foils.formats.rows import first_true
from foils.positives import Int64, Judgements

FIRST_SPLITS = ("train", "dev", "valid", "validation", "test")
MOST_SPLITS = int(np.iinfo(np.int16).max)

Float32 = npt.NDArray[np.float32]
Int16 = npt.NDArray[np.int16]
Place = Callable[[int], str]


def in_split_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort split names: train, dev, valid, validation, test, then by alphabet."""
    ranks = {name: rank for rank, name in enumerate(FIRST_SPLITS)}
    return tuple(sorted(names, key=lambda name: (ranks.get(name, len(ranks)), name)))


def split_codes(names: pa.Array, place: Place) -> tuple[Int16, tuple[str, ...]]:
    """Number the splits.

    Args:
        names: large_string[P], a split name per row.
        place: names a row.

    Returns:
        int16[P], positions in the names; the names in their order.

    Raises:
        DataError: a name is empty, or there are too many.
    """
    blank = pc.equal(pc.utf8_trim_whitespace(names), "")
    if pc.any(blank).as_py():
        raise DataError(f"{place(first_true(blank))}: the split has no name; write train, dev, test or another name")
    encoded = names.dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if len(found) > MOST_SPLITS:
        raise DataError(f"there are {len(found)} splits; expected names of a few, such as train and test")
    ordered = in_split_order(found)
    codes = np.array([ordered.index(name) for name in found], np.int16)
    return codes[encoded.indices.to_numpy(zero_copy_only=False)], ordered


def checked_grades(values: npt.NDArray[np.float64], place: Place) -> Float32:
    """Narrow grades to float32.

    Raises:
        DataError: a grade is not finite, or becomes infinite or zero when narrowed.
    """
    with np.errstate(over="ignore", under="ignore"):
        grades = values.astype(np.float32)
    # A grade that underflowed to 0 would turn a positive into a trusted negative.
    bad = ~np.isfinite(grades) | ((grades == 0) != (values == 0))
    if bad.any():
        row = first_true(bad)
        raise DataError(
            f"{place(row)}: the grade {values[row]} is not a finite number between 1e-38 and 1e38 (or 0, or "
            "negative); "
            "give a number: above 0 = positive, 0 = judged negative"
        )
    return grades


def once_per_pair(judgements: Judgements, place: Place) -> Judgements:
    """Keep the first of rows that say the same.

    Raises:
        DataError: two rows of one split give a pair different grades.
    """
    order = np.lexsort((judgements.items, judgements.anchors, judgements.splits))
    key = np.stack([judgements.splits[order], judgements.anchors[order], judgements.items[order]])
    first = np.ones(len(order), bool)
    first[1:] = (key[:, 1:] != key[:, :-1]).any(axis=0)
    # lexsort is stable, so each run of equal pairs begins with the row that was given first.
    begins = order[first][np.cumsum(first) - 1]
    clash = judgements.grades[order] != judgements.grades[begins]
    if clash.any():
        at = np.flatnonzero(clash)[np.argmin(order[clash])]
        row, before = int(order[at]), int(begins[at])
        raise DataError(
            f"{place(row)}: the pair gets the grade {judgements.grades[row]:g}, and had "
            f"{judgements.grades[before]:g} "
            f"before ({place(before)}); keep one of the two"
        )
    if first.all():
        return judgements
    keep = np.sort(order[first])
    return Judgements(
        judgements.anchors[keep],
        judgements.items[keep],
        judgements.grades[keep],
        judgements.splits[keep],
        judgements.split_names,
    )


def of_one_split(anchors: Int64, items: Int64, grades: Float32, name: str, place: Place) -> Judgements:
    """Make the judgements of a single split, every pair once."""
    return once_per_pair(Judgements(anchors, items, grades, np.zeros(len(anchors), np.int16), (name,)), place)


def joined(parts: list[Judgements]) -> Judgements:
    """Join the judgements of several splits, in this order."""
    codes = [np.full(len(part), code, np.int16) for code, part in enumerate(parts)]
    return Judgements(
        np.concatenate([part.anchors for part in parts]),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.grades for part in parts]),
        np.concatenate(codes),
        tuple(name for part in parts for name in part.split_names),
    )
