"""Constraints: which pairs each of them forbids, told apart from plain loops, and what is refused."""

import datetime
import itertools
import re

import numpy as np
import pyarrow as pa
import pytest

from foils.collection import Collection
from foils.constraints import After, Allow, Before, Deny, Different, Same, resolve
from foils.errors import DataError, InputError
from foils.formats.id_pairs import read_id_pairs
from foils.search import Forbidden

UTC = datetime.UTC


def collection(anchor_fields, item_fields):
    sizes = [len(next(iter(fields.values()))) for fields in (anchor_fields, item_fields)]
    return Collection.from_arrays(
        [(0, 0)], anchors=sizes[0], items=sizes[1], anchor_fields=anchor_fields, item_fields=item_fields
    )


def bound(constraints, data):
    return resolve(constraints, data, read_id_pairs)


def forbidden(constraint, of_anchors, of_items, name="f"):
    """Give bool[A, I], and check that blocks and pairs agree."""
    data = collection({name: of_anchors}, {name: of_items})
    (mask,) = bound([constraint], data).masks
    anchors, items = np.arange(len(of_anchors)), np.arange(len(of_items))
    block = mask.block(anchors, items)
    rows, columns = (side.ravel() for side in np.meshgrid(anchors, items, indexing="ij"))
    np.testing.assert_array_equal(mask.pairs(rows, columns).reshape(block.shape), block)
    np.testing.assert_array_equal(mask.block(anchors[::-1], items[::-2]), block[::-1, ::-2])
    return block


VALUES = {
    "texts": (["en", "de", None, "", "en"], ["de", "EN", " ", "en", None, "fr"]),
    "numbers": ([1, 2, None, 3], [2, 2, 1, None]),
    "fractions": ([1.5, float("nan"), 2.0], [2.0, 1.5, float("nan"), 7.25]),
    "whole numbers and fractions": ([1, 2, None], [1.0, 2.5, None]),
    "truth values": ([True, False, None], [False, True, None]),
    "dates": (
        [datetime.date(2024, 5, 3), None],
        [datetime.date(2024, 5, 3), datetime.date(2023, 1, 1), None],
    ),
    "categories": (pa.array(["a", None, "b"]).dictionary_encode(), pa.array(["b", "a", "a"]).dictionary_encode()),
}


@pytest.mark.parametrize("kind", VALUES)
def test_same_and_different_compare_values(kind):
    of_anchors, of_items = VALUES[kind]

    def missing(value):
        return value is None or value != value or (isinstance(value, str) and not value.strip())

    plain = [values.to_pylist() if isinstance(values, pa.Array) else values for values in (of_anchors, of_items)]
    for constraint, holds in ((Same("f"), lambda a, i: a == i), (Different("f"), lambda a, i: a != i)):
        expected = [[missing(a) or missing(i) or not holds(a, i) for i in plain[1]] for a in plain[0]]
        np.testing.assert_array_equal(forbidden(constraint, of_anchors, of_items), expected)


def test_before_and_after_compare_numbers_strictly():
    of_anchors, of_items = [1, 2.5, None, 2**53 + 0.0], [0, 1, 2.5, 3, None]
    for constraint, holds in ((Before("f"), lambda a, i: i < a), (After("f"), lambda a, i: i > a)):
        expected = [[a is None or i is None or not holds(a, i) for i in of_items] for a in of_anchors]
        np.testing.assert_array_equal(forbidden(constraint, of_anchors, of_items), expected)
    np.testing.assert_array_equal(forbidden(Before("f"), [2**62 + 1], [2**62, 2**62 + 1]), [[False, True]])
    np.testing.assert_array_equal(forbidden(Before("f"), ["10", " 9 "], ["9", "9.5"]), [[False, False], [True, True]])


MOMENTS = {
    "2023": (datetime.datetime(2023, 1, 1), datetime.datetime(2024, 1, 1)),
    "2024-05": (datetime.datetime(2024, 5, 1), datetime.datetime(2024, 6, 1)),
    "2023-12": (datetime.datetime(2023, 12, 1), datetime.datetime(2024, 1, 1)),
    "2024-05-03": (datetime.datetime(2024, 5, 3), datetime.datetime(2024, 5, 4)),
    "20240504": (datetime.datetime(2024, 5, 4), datetime.datetime(2024, 5, 5)),
    "2024-05-03T12:00:00": (datetime.datetime(2024, 5, 3, 12),) * 2,
    "2024-05-03T12:00:00Z": (datetime.datetime(2024, 5, 3, 12),) * 2,
    "2024-05-03 12:00:00.000001": (datetime.datetime(2024, 5, 3, 12, 0, 0, 1),) * 2,
    "2024-05-04T01:00+02:00": (datetime.datetime(2024, 5, 3, 23),) * 2,
    "1900-01-01": (datetime.datetime(1900, 1, 1), datetime.datetime(1900, 1, 2)),
    "9999-12-30": (datetime.datetime(9999, 12, 30), datetime.datetime(9999, 12, 31)),
}


def test_dates_are_before_and_after_only_where_that_is_certain():
    texts = list(MOMENTS)

    def first(text):
        return MOMENTS[text][0]

    def last(text):
        low, high = MOMENTS[text]
        return low if low == high else high - datetime.timedelta(microseconds=1)

    before = [[last(i) >= first(a) for i in texts] for a in texts]
    np.testing.assert_array_equal(forbidden(Before("f"), texts, texts), before)
    after = [[first(i) <= last(a) for i in texts] for a in texts]
    np.testing.assert_array_equal(forbidden(After("f"), texts, texts), after)
    assert before != [[first(i) >= first(a) for i in texts] for a in texts]  # the end of a span matters


def test_dates_of_any_type_are_compared():
    moments = [datetime.datetime(2024, 5, 3, 12, tzinfo=UTC), datetime.datetime(2024, 5, 2, tzinfo=UTC)]
    days = [datetime.date(2024, 5, 3), datetime.date(2024, 5, 2), None]
    expected = [[True, False, True], [True, True, True]]
    for of_anchors in (
        moments,
        pa.array(moments, pa.timestamp("ns", "Europe/Berlin")),
        pa.array([one.replace(tzinfo=None) for one in moments], pa.timestamp("s")),
        [one.isoformat() for one in moments],
    ):
        for of_items in (days, [None if one is None else one.isoformat() for one in days]):
            np.testing.assert_array_equal(forbidden(Before("f"), of_anchors, of_items), expected)


def test_years_beside_dates_are_dates():
    np.testing.assert_array_equal(forbidden(Before("f"), ["2024-05-03"], ["2023", "2024"]), [[False, True]])


def test_an_allow_list_binds_the_anchors_that_it_names():
    data = collection({"f": [0] * 4}, {"f": [0] * 5})
    pairs = [("0", "1"), ("0", "3"), ("2", "4"), ("0", "1")]
    (mask,) = bound([Allow(pairs)], data).masks
    expected = [
        [True, False, True, False, True],
        [False] * 5,
        [True, True, True, True, False],
        [False] * 5,
    ]
    np.testing.assert_array_equal(mask.block(np.arange(4), np.arange(5)), expected)
    for anchors, items in itertools.product(([0], [2, 0], [3, 1, 0]), ([4, 1], [3], [], [0, 4, 2, 1])):
        block = mask.block(np.array(anchors, np.int64), np.array(items, np.int64))
        np.testing.assert_array_equal(block, np.array(expected)[np.ix_(anchors, np.array(items, int))])


def test_denied_pairs_join_the_sparse_part():
    data = collection({"f": [0] * 3}, {"f": [0] * 5})
    resolved = bound([Deny([("1", "2"), ("1", "0")]), Deny(iter([("1", "2"), ("0", "4")]))], data)
    assert resolved.masks == ()
    assert [resolved.denied.items[low:high].tolist() for low, high in itertools.pairwise(resolved.denied.indptr)] == [
        [4],
        [0, 2],
        [],
    ]
    whole = Forbidden.of(data.positives(), resolved).whole(np.array([1, 0]))
    assert (whole.indptr.tolist(), whole.items.tolist()) == ([0, 2, 4], [0, 2, 0, 4])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.tsv", "anchor_id\titem_id\n0\t1\n1\t2\n"),
        ("l.csv", 'note,item_id,anchor_id\n"a, b",1,0\n,2,1\n'),
        ("l.jsonl", '{"anchor_id": 0, "item_id": "1"}\n\n{"anchor_id": "1", "item_id": 2, "why": "x"}\n'),
    ],
)
def test_lists_are_read_from_files(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    data = collection({"f": [0] * 3}, {"f": [0] * 5})
    for pairs in (tmp_path / name, str(tmp_path / name)):
        from_file = bound([Deny(pairs)], data)
        in_memory = bound([Deny([("0", "1"), ("1", "2")])], data)
        assert from_file.digests == in_memory.digests
        np.testing.assert_array_equal(from_file.denied.items, [1, 2])


def test_the_digests_name_what_a_result_rests_on():
    data = collection({"f": ["a", "b"], "g": [1, 2]}, {"f": ["b", "a", "b"], "g": [1, 1, 2]})
    constraints = [Same("f"), Before("g"), Allow([("0", "1")]), Deny([("0", "2")]), Allow([("1", "1")])]
    once = bound(constraints, data)
    assert list(once.digests) == ["allow", "allow 2", "before g", "deny", "same f"]
    assert len(set(once.digests.values())) == 5
    again = bound([*reversed(constraints), Same("f")], data)
    assert again.digests == once.digests
    assert again.facts == once.facts
    assert len(again.masks) == 4
    other = collection({"f": ["a", "b"], "g": [1, 2]}, {"f": ["b", "a", "a"], "g": [1, 1, 2]})
    changed = bound(constraints, other).digests
    assert {name for name in changed if changed[name] != once.digests[name]} == {"same f"}
    assert bound([Same("f")], collection({"f": [7, 9]}, {"f": [9, 7, 9]})).digests == bound([Same("f")], data).digests


def test_what_is_missing_and_listed_is_counted():
    data = collection({"f": ["a", None, ""]}, {"f": ["b", "a", None, None]})
    assert bound([Same("f"), Deny([("0", "1"), ("0", "2")])], data).facts == (
        {"constraint": "deny", "pairs": 2, "anchors_listed": 1},
        {"constraint": "same f", "anchors_without_value": 2, "items_without_value": 2},
    )


GOOD = {"language": ["en", "de"], "date": ["2024-01-01", "2023-01-01"], "tags": [["a"], ["b"]], "empty": [None, ""]}
REFUSED = [
    (Same("langage"), InputError, "same langage: the anchors have no field 'langage'; did you mean 'language'?"),
    (Same("other"), InputError, "same other: the items have no field 'other'; "),
    (Same("tags"), DataError, "same tags: the field 'tags' of the anchors holds list<item: string>; expected one"),
    (Same("empty"), DataError, "same empty: none of the 2 anchors has a value in the field 'empty'"),
    (Different("mixed"), DataError, "holds string for the anchors and int64 for the items"),
    (Before("language"), DataError, "before language: the value 'en' of one of the anchors is no date"),
    (After("date"), DataError, "after date: the items hold int64; expected dates or numbers"),
    (Before("week"), DataError, "the value '2024-W01' of one of the items is no date"),
    (Deny([("0", "1"), ("5", "1")]), DataError, "Deny: pair 1: the collection has no anchor '5'; 1 of the 2 pairs"),
    (Allow([("0", "1"), ("0", "9")]), DataError, "Allow: pair 1: the collection has no item '9'"),
    (Allow(["01"]), DataError, "Allow: pair 0 is '01'; expected (anchor id, item id), two strings"),
    (Allow([(0, 1)]), DataError, "Allow: pair 0 is (0, 1); expected"),
    (Allow("no such file.tsv"), DataError, "no such file.tsv: there is no such file"),
    ("language", InputError, "'language' is no constraint; give a list of those in foils.constraints: Same, "),
]


@pytest.mark.parametrize(("constraint", "error", "complaint"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_cannot_hold_is_refused_with_its_reason(constraint, error, complaint):
    items = {
        **GOOD,
        "date": [1, 2],
        "mixed": [1, 2],
        "week": ["2024-W01", "2024"],
    }
    data = collection({**GOOD, "other": [1, 2], "mixed": ["1", "2"], "week": ["2024", "2025-01"]}, items)
    with pytest.raises(error, match=re.escape(complaint)):
        bound([constraint], data)


def test_constraints_are_a_list():
    with pytest.raises(InputError, match=r"give a list of those in foils\.constraints"):
        bound(Deny, collection(GOOD, GOOD))
    with pytest.raises(InputError, match="give a list"):
        bound(Same("language"), collection(GOOD, GOOD))
    bare = Collection.from_arrays([(0, 0)], anchors=1, items=1)
    with pytest.raises(InputError, match=r"same f: the anchors have no field 'f'; they have none at all. Fields are"):
        bound([Same("f")], bare)


def test_fields_in_memory_have_one_value_per_record():
    with pytest.raises(DataError, match="the field 'f' has 2 values for 3 records"):
        Collection.from_arrays([(0, 0)], anchors=1, items=3, item_fields={"f": [1, 2]})
    with pytest.raises(DataError, match=r"the field 'f' cannot be read .*; give values of one type"):
        Collection.from_arrays([(0, 0)], anchors=1, items=3, item_fields={"f": [1, "a", 2]})
