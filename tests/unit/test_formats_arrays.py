"""Collections from what is in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from foils.collection import Collection
from foils.errors import DataError


def test_rows_become_ids():
    collection = Collection.from_arrays([(0, 1), (1, 0)], anchors=["q", "r"], items=["x", "y"], item_titles=["X", ""])
    assert collection.anchors.ids.to_pylist() == ["0", "1"]
    assert collection.items.titles.to_pylist() == ["X", ""]
    assert collection.judgements.anchors.tolist() == [0, 1]
    assert collection.judgements.items.tolist() == [1, 0]
    assert collection.judgements.grades.tolist() == [1, 1]
    assert collection.splits == ("train",)


def test_counts_instead_of_texts():
    collection = Collection.from_arrays(np.array([[2, 0]], np.uint8), anchors=3, items=np.int64(1))
    assert collection.anchors.texts is None
    assert collection.items.ids.to_pylist() == ["0"]
    assert not collection.anchors.empty.any()
    assert collection.duplicate_groups.tolist() == [-1]


def test_grades_and_splits():
    collection = Collection.from_arrays(
        [(0, 0), (0, 1), (0, 2)], anchors=1, items=3, grades=[1, 0, 0.5], splits=["zeta", "dev", "train"]
    )
    assert collection.splits == ("train", "dev", "zeta")
    assert collection.judgements.splits.tolist() == [2, 1, 0]
    assert collection.judgements.grades.tolist() == [1, 0, 0.5]


def test_a_pair_given_twice_counts_once_per_split():
    pairs = [(0, 1), (0, 0), (0, 1), (0, 1)]
    collection = Collection.from_arrays(pairs, anchors=1, items=2, splits=["train", "train", "train", "test"])
    assert collection.judgements.items.tolist() == [1, 0, 1]
    assert collection.judgements.splits.tolist() == [0, 0, 1]


def test_no_pair_is_accepted():
    assert len(Collection.from_arrays([], anchors=1, items=1).positives().items) == 0
    assert Collection.from_arrays(np.zeros((0, 2), int), anchors=1, items=1, splits=[]).splits == ()


def test_input_is_copied():
    pairs, groups = np.array([[0, 0]]), np.array([3, 3])
    collection = Collection.from_arrays(pairs, anchors=1, items=2, item_groups=groups)
    pairs[:], groups[:] = 1, -1
    assert collection.judgements.items.tolist() == [0]
    assert collection.positives().row(0).tolist() == [0, 1]


PLAIN: dict[str, Any] = {"pairs": [(0, 0), (1, 1)], "anchors": ["a", "b"], "items": ["x", "y", "z"]}

REJECTED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "row outside the anchors": (
        {"pairs": [(0, 0), (2, 0)]},
        ["pairs[1] is (2, 0)", "2 anchors and 3 items", "1 of 2"],
    ),
    "row outside the items": ({"pairs": [(0, 3)]}, ["pairs[0] is (0, 3)", "rows count from 0"]),
    "negative row": ({"pairs": [(0, -1)]}, ["pairs[0] is (0, -1)"]),
    "huge row": ({"pairs": np.array([[0, 2**64 - 1]], np.uint64)}, ["pairs[0] is (0, 18446744073709551615)"]),
    "rows that are no whole numbers": (
        {"pairs": [(0.5, 1.0)]},
        ["type float64", "whole numbers of shape (P, 2)"],
    ),
    "truth values": ({"pairs": np.ones((2, 2), bool)}, ["type bool"]),
    "three columns": ({"pairs": [(0, 1, 2)]}, ["shape (1, 3)"]),
    "flat pairs": ({"pairs": [0, 1]}, ["shape (2,)"]),
    "ragged pairs": ({"pairs": [(0, 1), (1,)]}, ["pairs is not an array", "equal length"]),
    "grades of another length": ({"grades": [1.0]}, ["grades has the shape (1,)", "2 numbers"]),
    "grades in words": ({"grades": ["a", "b"]}, ["grades has the shape (2,) and type <U1"]),
    "grade that is not finite": ({"grades": [1.0, np.nan]}, ["grades[1]: the grade nan"]),
    "two grades": (
        {"pairs": [(0, 0), (0, 0)], "grades": [1, 0]},
        ["pairs[1]", "grade 0, and had 1 before (pairs[0])"],
    ),
    "splits of another length": ({"splits": ["train"]}, ["splits is ['train']", "2 names"]),
    "one string as splits": ({"splits": "ab"}, ["splits is 'ab'", "2 names"]),
    "split without a name": ({"splits": ["train", " "]}, ["splits[1]", "no name"]),
    "split that is no string": ({"splits": ["train", None]}, ["splits[1] is None", "expected a string"]),
    "text that is no string": ({"items": ["x", 3, "z"]}, ["texts[1] is 3", "expected a string"]),
    "text that is None": ({"items": ["x", None, "z"]}, ["texts[1] is None", "expected a string"]),
    "text in bytes": ({"items": ["x", b"y", "z"]}, ["texts[1] is b'y'", "expected a string"]),
    "lone surrogate": (
        {"items": ["x", "\udc00", "z"]},
        ["texts[1]", "lone surrogate", r"'\udc00'", "repair"],
    ),
    "empty anchor": ({"anchors": ["a", "\t "]}, ["anchors[1] is empty", "1 of 2"]),
    "one string as texts": ({"items": "xyz"}, ["single text 'xyz'", "put it in a list"]),
    "no anchors": ({"pairs": [], "anchors": []}, ["0 records", "at least one"]),
    "negative number of items": ({"items": -1}, ["-1 records"]),
    "titles of another length": ({"item_titles": ["X"]}, ["titles has 1 entries"]),
    "groups of another length": ({"item_groups": [0]}, ["item_groups has the shape (1,)", "3 whole numbers"]),
    "fractional groups": ({"item_groups": [0.5, 0.6, 1]}, ["type float64", "3 whole numbers"]),
    "unknown normaliser": ({"normaliser": "txt"}, ["no normaliser 'txt'", "did you mean 'text'?"]),
}


@pytest.mark.parametrize("case", REJECTED)
def test_rejected(case: str):
    changes, fragments = REJECTED[case]
    with pytest.raises(DataError) as caught:
        Collection.from_arrays(**{**PLAIN, **changes})
    message = str(caught.value)
    assert [fragment for fragment in fragments if fragment not in message] == [], message
