"""Records and collections: splits, exact duplicates, trusted negatives, digests."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import records
from foils.collection import NORMALISERS, Collection, Records
from foils.errors import DataError

PASSAGE = "The Cat sat on the mat."
VARIANTS = {
    "as it is": PASSAGE,
    "one more space": "The Cat  sat on the mat.",
    "space at the end": "The Cat sat on the mat. ",
    "a line break": "The Cat sat\non the mat.",
    "another case": "the cat SAT on the mat.",
    "full width": unicodedata.normalize("NFKC", PASSAGE).replace("mat", "\uff4d\uff41\uff54"),
    "another word": "The Cat sat on the mats.",
}
EQUAL_UNDER = {
    "text": {"as it is", "one more space", "space at the end", "a line break", "another case", "full width"},
    "code": {"as it is", "one more space", "space at the end", "a line break"},
    "none": {"as it is"},
}


@pytest.mark.parametrize("normaliser", EQUAL_UNDER)
@pytest.mark.parametrize("variant", VARIANTS)
def test_exact_duplicates_of_a_positive_are_positives(normaliser: str, variant: str):
    """A positive with one more space or in another case must not come back as its own anchor's negative."""
    collection = Collection.from_arrays(
        [(0, 0)], anchors=["cat"], items=[PASSAGE, VARIANTS[variant], "other"], normaliser=normaliser
    )
    is_known = variant in EQUAL_UNDER[normaliser]
    assert collection.positives().contains(np.array([0]), np.array([[0, 1, 2]])).tolist() == [[True, is_known, False]]
    assert collection.positives().given().items.tolist() == [0]
    assert set(EQUAL_UNDER) == set(NORMALISERS)


def test_titles_count_for_duplicates():
    collection = Collection.from_arrays(
        [(0, 0)],
        anchors=1,
        items=["text", "text", "TEXT ", "text", "b text"],
        item_titles=["a", "b", " A", "", "a"],
    )
    groups = collection.duplicate_groups
    assert groups[0] == groups[2] >= 0
    assert groups[[1, 3, 4]].tolist() == [-1, -1, -1]


@pytest.mark.parametrize("normaliser", NORMALISERS)
def test_titles_and_texts_are_kept_apart(normaliser: str):
    collection = Collection.from_arrays(
        [(0, 0)],
        anchors=1,
        items=["b\0c", "c", "bc", "1 x", "x", "c"],
        item_titles=["a", "a\0b", "a", "", "1", "ab"],
        normaliser=normaliser,
    )
    assert collection.duplicate_groups.tolist() == [-1] * 6


def test_equal_hashes_are_not_equal_texts(monkeypatch):
    items = ["a text", "another", "A  TEXT", "", "a third"]
    arrays = Collection.from_arrays([(0, 1)], anchors=["q"], items=items)
    expected = arrays.duplicate_groups.tolist()
    monkeypatch.setattr(records, "hash", lambda _: 0, raising=False)
    again = Collection.from_arrays([(0, 1)], anchors=["q"], items=items)
    assert again.duplicate_groups.tolist() == expected


def test_empty_items_are_no_duplicates_of_each_other():
    collection = Collection.from_arrays([(0, 0)], anchors=1, items=["", " ", "\u3000", "x", "X"])
    assert collection.duplicate_groups[:3].tolist() == [-1, -1, -1]
    assert collection.positives().items.tolist() == [0]


def test_what_is_positive_for_an_anchor_is_for_its_duplicates():
    """A question that is asked twice, under two ids, must not get the answers of the other as negatives."""
    collection = Collection.from_arrays(
        [(0, 0), (1, 1), (2, 2)],
        anchors=["speed of light", "Speed of  light", "sound"],
        items=["299,792 km/s", "c", "343 m/s", "C "],
        splits=["train", "train", "dev"],
    )
    positives = collection.positives()
    assert [positives.row(anchor).tolist() for anchor in range(3)] == [[0, 1, 3], [0, 1, 3], []]
    assert positives.given().items.tolist() == [0, 1]
    assert collection.filter_index().row(2).tolist() == [2]


def test_stated_groups_replace_the_anchors_texts_too():
    collection = Collection.from_arrays([(0, 0), (1, 1)], anchors=["Ann", "ann"], items=2, item_groups=[-1, -1])
    assert collection.duplicate_anchors.tolist() == [-1, -1]
    assert [collection.positives().row(anchor).tolist() for anchor in range(2)] == [[0], [1]]


def test_what_is_judged_otherwise_for_a_duplicate_is_not_trusted():
    collection = Collection.from_arrays([(0, 0), (1, 0)], anchors=["q", "Q"], items=["a"], grades=[1, 0])
    assert collection.trusted_negatives().items.tolist() == []


def test_items_without_texts_have_no_duplicates():
    assert Collection.from_arrays([(0, 0)], anchors=1, items=3).duplicate_groups.tolist() == [-1, -1, -1]


def test_groups_that_the_user_states():
    huge = 2**62
    collection = Collection.from_arrays(
        [(0, 0), (1, 3)], anchors=2, items=["same", "same", "same", "other"], item_groups=[huge, -1, huge, -9]
    )
    assert collection.positives().row(0).tolist() == [0, 2]
    assert collection.positives().row(1).tolist() == [3]


@settings(max_examples=50, deadline=None)
@given(
    items=st.lists(
        st.tuples(st.sampled_from(["", "T", "t "]), st.text("aA \t\n\x1cé\xa0É", max_size=5)), min_size=1, max_size=12
    ),
    normaliser=st.sampled_from(sorted(NORMALISERS)),
)
def test_groups_are_those_that_loops_find(items: list[tuple[str, str]], normaliser: str):
    collection = Collection.from_arrays(
        [(0, 0)],
        anchors=1,
        items=[text for _, text in items],
        item_titles=[title for title, _ in items],
        normaliser=normaliser,
    )
    normalise = NORMALISERS[normaliser]
    classes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, (title, text) in enumerate(items):
        if title.strip() or text.strip():
            classes[normalise(title), normalise(text)].append(row)
    expected = {tuple(rows) for rows in classes.values() if len(rows) > 1}
    groups = collection.duplicate_groups
    found = {tuple(np.flatnonzero(groups == code).tolist()) for code in set(groups[groups >= 0].tolist())}
    assert found == expected


SPLIT_DATA: dict[str, Any] = {
    "pairs": [(0, 0), (0, 1), (0, 2), (1, 3), (1, 0)],
    "anchors": ["q", "r"],
    "items": ["a", "b", "c", "d", "A"],
    "grades": [1, 1, 0, 2, 0],
    "splits": ["train", "test", "train", "dev", "train"],
}


def test_only_the_named_splits_are_known():
    collection = Collection.from_arrays(**SPLIT_DATA)
    assert collection.splits == ("train", "dev", "test")
    assert collection.positives().row(0).tolist() == [0, 4]
    assert collection.positives().row(1).tolist() == []
    assert collection.positives(("test",)).row(0).tolist() == [1]
    assert collection.positives(("dev", "test")).items.tolist() == [1, 3]
    with pytest.raises(DataError, match="no split 'valid'"):
        collection.positives(("valid",))


def test_filter_index_knows_all_splits():
    collection = Collection.from_arrays(**SPLIT_DATA)
    assert collection.filter_index().row(0).tolist() == [0, 1, 4]
    assert collection.filter_index().row(1).tolist() == [3]


def trusted(collection: Collection, splits: tuple[str, ...] = ("train",)) -> list[tuple[int, int]]:
    anchors, items = collection.trusted_negatives(splits).coordinates()
    return list(zip(anchors.tolist(), items.tolist(), strict=True))


def test_trusted_negatives():
    collection = Collection.from_arrays(**SPLIT_DATA)
    assert trusted(collection) == [(0, 2), (1, 0)]
    assert trusted(collection, ("test",)) == []
    assert trusted(collection, ("train", "dev", "test")) == [(0, 2), (1, 0)]


def test_a_trusted_negative_is_positive_in_none_of_the_splits():
    collection = Collection.from_arrays(
        [(0, 0), (0, 0), (0, 1), (0, 2), (0, 2)],
        anchors=1,
        items=["x", "X", "y"],
        grades=[1, 0, 0, 0, -1],
        splits=["train", "dev", "train", "train", "dev"],
    )
    assert trusted(collection, ("dev",)) == [(0, 0), (0, 2)]
    assert trusted(collection, ("train",)) == [(0, 2)], "the second item is an exact duplicate of a positive"
    assert trusted(collection, ("train", "dev")) == [(0, 2)]


def reversed_pairs(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, **{name: data[name][::-1] for name in ("pairs", "grades", "splits")}}


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_digest_does_not_depend_on_the_order_of_judgements(split: str):
    first, second = Collection.from_arrays(**SPLIT_DATA), Collection.from_arrays(**reversed_pairs(SPLIT_DATA))
    assert first.digest(split) == second.digest(split)


@pytest.mark.parametrize(
    ("changes", "changed_splits"),
    [
        ({"items": ["a", "b", "c", "d", "B"]}, {"train", "dev", "test"}),
        ({"anchors": ["q", "s"]}, {"train", "dev", "test"}),
        ({"item_titles": ["", "", "", "", "t"]}, {"train", "dev", "test"}),
        ({"grades": [1, 2, 0, 2, 0]}, {"test"}),
        ({"pairs": [(0, 0), (0, 1), (0, 3), (1, 3), (1, 0)]}, {"train"}),
        ({"pairs": [(0, 0), (0, 1), (1, 2), (1, 3), (1, 0)]}, {"train"}),
        ({"normaliser": "none"}, {"train"}),
        ({"splits": ["train", "test", "train", "other", "train"]}, set()),
    ],
)
def test_digest_changes_with_what_mining_depends_on(changes: dict[str, Any], changed_splits: set[str]):
    before, after = Collection.from_arrays(**SPLIT_DATA), Collection.from_arrays(**{**SPLIT_DATA, **changes})
    splits = set(before.splits) & set(after.splits)
    assert {split for split in splits if before.digest(split) != after.digest(split)} == changed_splits


def test_digest_tells_where_one_text_ends():
    first, second = Records.of(["1", "2"], ["ab", "c"]), Records.of(["1", "2"], ["a", "bc"])
    assert first.digest != second.digest
    assert Records.of(["a"], ["b"]).digest != Records.of(["a"], titles=["b"]).digest


def test_rows_of_ids():
    records = Records.of(["x", "", "NULL", "é"])
    assert records.rows(["é", "none", "", "x", "x"]).tolist() == [3, -1, 1, 0, 0]
    assert records.rows(pa.array(["NULL"], pa.string())).tolist() == [2]
    assert records.rows([]).tolist() == []


def test_full_texts_join_title_and_text():
    records = Records.of(["1", "2", "3"], ["text", "", "more"], ["Title", "Only", ""])
    assert records.full_texts() == ["Title text", "Only", "more"]
    assert records.full_texts(1, 2) == ["Only"]
    assert Records.of(["1"], [" as it is "]).full_texts() == [" as it is "]
    with pytest.raises(DataError, match="holds no texts; build it from texts, or give vectors"):
        Records.of(["1"]).full_texts()


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ((["a", "a"],), "id 'a' is given more than once"),
        ((["a"], ["x", "y"]), "texts has 2 entries and ids has 1"),
        ((["a"], None, []), "titles has 0 entries and ids has 1"),
        (([1],), r"ids\[0\] is 1; expected a string"),
        ((["a", None],), r"ids\[1\] is None; expected a string"),
        ((["a"], ["\ud800"]), r"texts\[0\] holds a lone surrogate .* repair the text"),
    ],
)
def test_records_reject(arguments: tuple[Any, ...], pattern: str):
    with pytest.raises(DataError, match=pattern):
        Records.of(*arguments)


def test_collection_rejects():
    one, judged = Records.of(["1"], ["x"]), Collection.from_arrays([(0, 0)], anchors=1, items=1).judgements
    with pytest.raises(DataError, match=r"no normaliser 'Text'; did you mean 'text'\?"):
        Collection(one, one, judged, "Text")
    with pytest.raises(DataError, match="item_groups has 2 entries for 1 items"):
        Collection(one, one, judged, item_groups=np.array([0, 0]))
