"""Found positives: what they add to a collection, who overrules whom, and who never sees them."""

import numpy as np
import pyarrow as pa
import pytest

from foils.collection import Collection
from foils.errors import DataError
from foils.evaluating import evaluate_vectors
from foils.found import found_by_people, found_table
from foils.positives import PROVENANCES


def collection(**options):
    pairs = [(0, 0), (0, 1), (1, 2), (1, 3), (2, 4)]
    texts = ["a", "b", "c", "d", "e", "f", "F", "h"]
    grades, splits = [1, 0, 1, 0, 1], ["train"] * 4 + ["test"]
    made = {"anchors": ["x", "y", "z"], "items": texts, "grades": grades, "splits": splits}
    return Collection.from_arrays(pairs, **{**made, **options})


def table(*rows):
    columns = list(zip(*rows, strict=True))
    return pa.table(
        {
            "anchor_id": pa.array(columns[0], pa.string()),
            "item_id": pa.array(columns[1], pa.string()),
            "grade": pa.array(columns[2], pa.float32()),
            "provenance": pa.array(columns[3], pa.string()),
        }
    )


def known(positives):
    rows, items = positives.relation.coordinates()
    names = [PROVENANCES[code] for code in positives.provenance]
    return {(int(a), int(i)): name for a, i, name in zip(rows, items, names, strict=True)}


def test_found_positives_join_with_their_provenance_and_their_duplicates():
    laid = collection().with_found(table(("0", "5", 1.0, "llm"), ("1", "7", 2.0, "human")))
    assert known(laid.positives()) == {
        (0, 0): "given", (0, 5): "llm", (0, 6): "exact_duplicate", (1, 2): "given", (1, 7): "human"
    }  # fmt: skip
    assert laid.positives().examples().positives.tolist() == [0, 5, 2, 7]


def test_verified_negatives_are_trusted():
    laid = collection().with_found(table(("0", "7", 0.0, "human"), ("2", "0", 0.0, "llm")))
    rows, items = laid.trusted_negatives().coordinates()
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == [(0, 1), (0, 7), (1, 3), (2, 0)]
    assert known(laid.positives()) == known(collection().positives())


@pytest.mark.parametrize(
    ("rows", "positive", "trusted"),
    [
        ([("0", "0", 0.0, "human")], True, False),  # as given: positive
        ([("0", "1", 1.0, "llm")], False, True),  # as given: negative, above a judge
        ([("0", "1", 1.0, "human")], True, False),  # and below a person
        ([("0", "7", 1.0, "llm"), ("0", "7", 0.0, "human")], False, True),
        ([("0", "7", 0.0, "llm"), ("0", "7", 1.0, "human")], True, False),
        ([("0", "7", 0.0, "llm"), ("0", "7", 1.0, "llm")], True, False),
    ],
)
def test_who_overrules_whom(rows, positive, trusted):
    item = int(rows[0][1])
    whole = collection().with_found(table(*rows))
    stepwise = collection()
    for row in rows:
        stepwise = stepwise.with_found(table(row))
    for laid in (whole, stepwise):
        pair = np.array([0]), np.array([item])
        assert laid.positives().contains(*pair)[0] == positive
        assert laid.trusted_negatives().contains(*pair)[0] == trusted


def test_the_digest_tells_an_overlay():
    data = collection()
    found = table(("0", "5", 1.0, "llm"))
    assert data.with_found(found).digest("train") != data.digest("train")
    assert data.with_found(found).digest("test") == data.digest("test")
    assert data.with_found(table(("0", "5", 1.0, "human"))).digest("train") != data.with_found(found).digest("train")
    assert data.with_found(table(("0", "0", 1.0, "llm"))).digest("train") == data.digest("train")


def test_evaluation_never_sees_what_was_found():
    data = collection()
    laid = data.with_found(table(("2", "5", 1.0, "human"), ("0", "5", 1.0, "llm")), "test")
    laid = laid.with_found(table(("0", "5", 1.0, "llm")), "train")
    assert laid.filter_index().digest == data.filter_index().digest
    noise = np.random.default_rng(0)
    vectors = noise.normal(size=(3, 4)), noise.normal(size=(8, 4))
    for exclude in ((), ("train",)):
        scores = [evaluate_vectors(one, *vectors, split="test", exclude=exclude).means() for one in (data, laid)]
        assert scores[0] == scores[1]


def test_training_sees_it():
    laid = collection().with_found(table(("2", "5", 1.0, "llm")))
    assert (2, 5) in zip(*(side.tolist() for side in vars(laid.positives().examples()).values()), strict=True)


def test_a_part_of_a_collection_keeps_its_part():
    laid = collection().with_found(table(("0", "5", 1.0, "llm"), ("1", "7", 1.0, "human")))
    part = laid.part(np.array([1, 2]), np.array([2, 6, 7]))
    assert known(part.positives()) == {(0, 0): "given", (0, 2): "human"}


def test_labels_become_found_pairs():
    ids = pa.array(["0", "0", "0", "1"], pa.large_string()), pa.array(["5", "7", "1", "7"], pa.large_string())
    found = found_by_people(*ids, np.array([1, 0, -1, -2], np.int8))
    assert found.select(["anchor_id", "item_id", "grade", "provenance"]).to_pylist() == [
        {"anchor_id": "0", "item_id": "5", "grade": 1.0, "provenance": "human"},
        {"anchor_id": "0", "item_id": "7", "grade": 0.0, "provenance": "human"},
    ]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (table(("9", "5", 1.0, "llm")), "1 of 1 pairs name an anchor that the collection does not have: '9'"),
        (table(("0", "\x1b", 1.0, "llm")), r"name an item that .*: '\\\\x1b'"),
        (table(("0", "5", float("nan"), "llm")), "a grade is not a number"),
        (table(("0", "5", 1.0, "given")), "the provenance 'given' is none; use human or llm"),
        (table((None, "5", 1.0, "llm")), "a value of anchor_id is missing"),
        (pa.table({"anchor_id": ["0"]}), "there is no column item_id"),
    ],
)
def test_what_cannot_be_found_is_said(found, said):
    with pytest.raises(DataError, match=said):
        collection().with_found(found)
    with pytest.raises(DataError, match="no split 'nowhere'"):
        collection().with_found(table(("0", "5", 1.0, "llm")), "nowhere")


def test_nothing_found_changes_nothing():
    empty = found_table(
        pa.array([], pa.string()), pa.array([], pa.string()), np.zeros(0, "f4"), "llm", np.zeros(0, "f4")
    )
    assert collection().with_found(empty).digest("train") == collection().digest("train")
