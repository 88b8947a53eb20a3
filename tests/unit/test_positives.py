"""Judgements and the relation of known positives, against sets and loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import DataError
from foils.positives import EXACT_DUPLICATE, GIVEN, Judgements, Positives, gather_segments

SPLITS = ("train", "dev", "test")
Row = tuple[int, int, float, int]


def judgements(rows: list[Row]) -> Judgements:
    anchors, items, grades, splits = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Judgements(
        np.array(anchors, np.int64),
        np.array(items, np.int64),
        np.array(grades, np.float32),
        np.array(splits, np.int16),
        SPLITS,
    )


def positives(rows: list[Row], n_anchors: int = 6, n_items: int = 8, groups: list[int] | None = None) -> Positives:
    item_groups = None if groups is None else np.array(groups, np.int64)
    return Positives.from_judgements(judgements(rows), n_anchors=n_anchors, n_items=n_items, item_groups=item_groups)


ROW = st.tuples(st.integers(0, 5), st.integers(0, 7), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), st.integers(0, 2))
ROWS = st.lists(ROW, max_size=30)
GROUPS = st.lists(st.sampled_from([-7, -1, 0, 3, 2**40]), min_size=8, max_size=8)


def expected_relation(rows: list[Row], groups: list[int] | None) -> dict[tuple[int, int], tuple[float, int]]:
    """(anchor, item) → highest grade and provenance, by loops."""
    given = {}
    for anchor, item, grade, _ in rows:
        if grade > 0:
            given[anchor, item] = max(grade, given.get((anchor, item), 0))
    widened: dict[tuple[int, int], tuple[float, int]] = {}
    for (anchor, item), grade in given.items():
        for twin in range(8):
            if groups is not None and twin != item and groups[twin] == groups[item] >= 0:
                best = max(grade, widened.get((anchor, twin), (0, 0))[0])
                widened[anchor, twin] = best, EXACT_DUPLICATE
    return widened | {pair: (grade, GIVEN) for pair, grade in given.items()}


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, groups=st.none() | GROUPS)
def test_relation_is_what_loops_find(rows: list[Row], groups: list[int] | None):
    relation = positives(rows, groups=groups)
    anchors = np.repeat(np.arange(6), relation.degrees)
    found = {
        (int(anchor), int(item)): (float(grade), int(provenance))
        for anchor, item, grade, provenance in zip(
            anchors, relation.items, relation.grades, relation.provenance, strict=True
        )
    }
    assert found == expected_relation(rows, groups)
    assert len(found) == len(relation.items), "every pair once"
    for anchor in range(6):
        row = relation.row(anchor)
        assert (np.diff(row) > 0).all(), "ascending"
    assert relation.n_anchors == 6
    assert relation.n_items == 8


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, groups=st.none() | GROUPS)
def test_contains_agrees_with_a_set(rows: list[Row], groups: list[int] | None):
    relation, known = positives(rows, groups=groups), expected_relation(rows, groups)
    anchors = np.array([5, 0, 0, 3])
    items = np.tile(np.arange(-2, 9), (4, 1))
    expected = [[(int(anchor), int(item)) in known for item in row] for anchor, row in zip(anchors, items, strict=True)]
    assert relation.contains(anchors, items).tolist() == expected
    for column in range(items.shape[1]):
        flat = relation.contains(anchors, items[:, column])
        assert flat.tolist() == [row[column] for row in expected]


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, groups=GROUPS, data=st.data())
def test_digest_does_not_depend_on_order_or_repetition(rows: list[Row], groups: list[int], data: st.DataObject):
    shuffled = data.draw(st.permutations(rows))
    again = [*shuffled, *(row for row in shuffled if row[2] > 0)]
    assert positives(again, groups=groups).digest == positives(rows, groups=groups).digest


@pytest.mark.parametrize(
    "other",
    [
        positives([(0, 1, 1.0, 0), (1, 1, 1.0, 0)]),
        positives([(0, 1, 1.0, 0), (1, 3, 1.0, 0)]),
        positives([(0, 1, 2.0, 0), (1, 2, 1.0, 0)]),
        positives([(0, 1, 1.0, 0), (1, 2, 1.0, 0)], n_items=9),
        positives([(0, 1, 1.0, 0), (1, 2, 1.0, 0)], n_anchors=7),
        positives([(0, 1, 1.0, 0), (1, 2, 1.0, 0), (2, 0, 1.0, 0)]),
        positives([(0, 1, 1.0, 0), (0, 2, 1.0, 0)]),
    ],
)
def test_digest_tells_relations_apart(other: Positives):
    assert other.digest != positives([(0, 1, 1.0, 0), (1, 2, 1.0, 0)]).digest


def test_digest_tells_a_duplicate_from_a_given_positive():
    groups = [0, 0, -1, -1, -1, -1, -1, -1]
    widened, stated = positives([(0, 0, 1.0, 0)], groups=groups), positives([(0, 0, 1.0, 0), (0, 1, 1.0, 0)])
    assert widened.items.tolist() == stated.items.tolist()
    assert widened.digest != stated.digest


def test_digest_is_stable_over_versions():
    # Digests are written into results: a change of this number makes every result on disk another one.
    relation = positives([(0, 1, 1.0, 0), (3, 2, 0.5, 1)], groups=[0, 4, 4, -1, -1, -1, -1, -1])
    assert relation.digest == "2ae81b5858dead3cac9a4a166072049c"


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, groups=GROUPS)
def test_given_examples_and_units_leave_duplicates_out(rows: list[Row], groups: list[int]):
    widened, plain = positives(rows, groups=groups), positives(rows)
    assert widened.given().digest == plain.digest
    pairs = sorted({(anchor, item) for anchor, item, grade, _ in rows if grade > 0})
    examples = widened.examples()
    assert list(zip(examples.anchors.tolist(), examples.positives.tolist(), strict=True)) == pairs
    assert len(examples) == len(pairs)

    per_anchor = widened.units()
    assert per_anchor.anchors.tolist() == sorted({anchor for anchor, _ in pairs})
    assert per_anchor.keys.tolist() == per_anchor.anchors.tolist()
    for unit, anchor in enumerate(per_anchor.anchors):
        own = per_anchor.positives[per_anchor.indptr[unit] : per_anchor.indptr[unit + 1]]
        assert own.tolist() == [item for other, item in pairs if other == anchor]
    assert per_anchor.indptr[-1] == len(pairs)

    per_pair = widened.units("pair")
    assert list(zip(per_pair.anchors.tolist(), per_pair.positives.tolist(), strict=True)) == pairs
    assert len(set(per_pair.keys.tolist())) == len(pairs)
    assert per_pair.pair_anchors().tolist() == [anchor for anchor, _ in pairs]
    assert per_anchor.pair_anchors().tolist() == [anchor for anchor, _ in pairs]


def test_keys_of_units_do_not_depend_on_other_pairs():
    few, many = positives([(3, 4, 1.0, 0)]), positives([(0, 0, 1.0, 0), (3, 4, 1.0, 0), (3, 2, 1.0, 0)])
    assert few.units("pair").keys[0] in many.units("pair").keys
    assert few.units().keys.tolist() == [3]


def test_units_can_be_taken():
    units = positives([(0, 1, 1.0, 0), (0, 2, 1.0, 0), (2, 5, 1.0, 0), (4, 0, 1.0, 0)]).units()
    taken = units.take(np.array([2, 0]))
    assert taken.anchors.tolist() == taken.keys.tolist() == [4, 0]
    assert taken.indptr.tolist() == [0, 1, 3]
    assert taken.positives.tolist() == [0, 1, 2]
    assert len(units.take(np.array([], np.int64))) == 0


@settings(max_examples=50, deadline=None)
@given(lengths=st.lists(st.integers(0, 4), max_size=6), data=st.data())
def test_gather_segments_agrees_with_slices(lengths: list[int], data: st.DataObject):
    indptr = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8)) if lengths else []
    picked, positions = gather_segments(indptr, np.array(rows, np.int64))
    segments = [list(range(indptr[row], indptr[row + 1])) for row in rows]
    assert positions.tolist() == [position for segment in segments for position in segment]
    assert np.diff(picked).tolist() == [len(segment) for segment in segments]


def test_the_highest_grade_of_a_pair_stays():
    relation = positives([(0, 1, 1.0, 1), (0, 1, 3.0, 2), (0, 1, 0.0, 0)])
    assert relation.grades.tolist() == [3.0]
    assert relation.splits.tolist() == [2]


def test_a_given_positive_stays_given_beside_its_duplicate():
    relation = positives([(0, 1, 1.0, 0), (0, 2, 5.0, 0)], groups=[-1, 9, 9, 9, -1, -1, -1, -1])
    assert relation.items.tolist() == [1, 2, 3]
    assert relation.grades.tolist() == [1.0, 5.0, 5.0]
    assert relation.provenance.tolist() == [GIVEN, GIVEN, EXACT_DUPLICATE]


def test_a_judged_negative_is_no_positive():
    relation = positives([(0, 1, 0.0, 0), (0, 2, -1.0, 0)])
    assert relation.degrees.tolist() == [0] * 6
    assert not relation.contains(np.array([0]), np.array([1])).any()
    assert len(relation.units()) == len(relation.units("pair")) == len(relation.examples()) == 0


def test_select_keeps_the_named_splits():
    rows = [(0, 1, 1.0, 0), (0, 2, 1.0, 1), (1, 3, 0.0, 2), (2, 4, 1.0, 0)]
    chosen = judgements(rows).select(("test", "train"))
    assert chosen.items.tolist() == [1, 3, 4]
    assert chosen.splits.tolist() == [0, 2, 0]
    assert chosen.split_names == SPLITS
    assert len(judgements(rows).select(())) == 0


def test_select_an_unknown_split():
    with pytest.raises(DataError, match=r"no split 'tets'; did you mean 'test'\? Valid: dev, test, train"):
        judgements([]).select(("train", "tets"))


def test_select_by_a_single_string():
    with pytest.raises(DataError, match=r"single string 'train'; give a tuple: \('train',\)"):
        judgements([]).select("train")
