"""Evaluation of vectors: against a plain ranking, and what is refused before work."""

import numpy as np
import pytest

from foils.collection import Collection
from foils.errors import DataError, InputError
from foils.evaluating import evaluate_vectors

RNG = np.random.default_rng(0)
ANCHORS, ITEMS = RNG.normal(size=(6, 4)).astype(np.float32), RNG.normal(size=(30, 4)).astype(np.float32)
DATA = Collection.from_arrays(
    [(0, 3), (1, 4), (1, 9), (2, 29), (4, 0), (5, 7)],
    anchors=6,
    items=30,
    grades=[1, 2, 1, 1, 0, 1],
    splits=["test"] * 5 + ["train"],
)


def test_metrics_equal_a_plain_ranking():
    found = evaluate_vectors(DATA, ANCHORS, ITEMS, metrics=["mrr", "recall@3"])
    assert found.anchors.tolist() == [0, 1, 2]  # not 3 (nothing judged), 4 (judged negative only), 5 (another split)
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (ANCHORS, ITEMS)]
    order = np.argsort(-(unit[0] @ unit[1].T), axis=1)
    relevant = {0: {3}, 1: {4, 9}, 2: {29}}
    ranks = [next(place for place, item in enumerate(order[a], 1) if item in relevant[a]) for a in relevant]
    assert found.values["mrr"] == pytest.approx([1 / rank for rank in ranks])
    shares = [len(relevant[a] & set(order[a][:3].tolist())) / len(relevant[a]) for a in relevant]
    assert found.values["recall@3"] == pytest.approx(shares)


def test_a_zero_vector_is_similar_to_nothing_and_ties_with_everything():
    zero = ANCHORS.copy()
    zero[0] = 0
    found = evaluate_vectors(DATA, zero, ITEMS, metrics=["recall@3"])
    assert found.values["recall@3"][0] == pytest.approx(3 / 30)


def seen_world():
    """Anchors with positives in train, dev and test; anchor 2 has item 7 in train and in test."""
    pairs = [(0, 3), (0, 5), (1, 4), (2, 7), (2, 7), (0, 8), (1, 9), (2, 11)]
    splits = ["train", "train", "train", "train", "test", "test", "test", "dev"]
    return Collection.from_arrays(pairs, anchors=6, items=30, splits=splits)


@pytest.mark.parametrize("exclude", [(), ("train",), ("train", "dev"), ("dev",), ("train", "test")])
def test_what_an_anchor_has_in_the_excluded_splits_is_not_ranked(exclude):
    has = {
        "train": {0: {3, 5}, 1: {4}, 2: {7}},
        "dev": {2: {11}},
        "test": {0: {8}, 1: {9}, 2: {7}},
    }
    expected = []
    for anchor, asked in has["test"].items():
        known = set().union(*(has[name].get(anchor, set()) for name in exclude)) - asked
        order = [item for item in np.argsort(-(ITEMS @ ANCHORS[anchor])) if item not in known]
        expected.append(1 / (1 + next(place for place, item in enumerate(order) if item in asked)))
    found = evaluate_vectors(seen_world(), ANCHORS, ITEMS, exclude=exclude, metrics=["mrr"], similarity="dot")
    assert found.anchors.tolist() == [0, 1, 2]
    assert found.values["mrr"] == pytest.approx(expected)


def test_exact_duplicates_of_what_is_excluded_are_not_ranked_either():
    texts = ["a", "A ", "b", "c"]  # items 0 and 1 are exact duplicates
    data = Collection.from_arrays([(0, 0), (0, 3)], anchors=1, items=texts, splits=["train", "test"])
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [0.5, 1]], np.float32)
    options = {"metrics": ["mrr"], "similarity": "dot"}
    assert evaluate_vectors(data, vectors[:1], vectors, **options).values["mrr"] == pytest.approx([1 / 3])
    assert evaluate_vectors(data, vectors[:1], vectors, exclude=("train",), **options).values["mrr"] == [1.0]


def test_blocks_do_not_change_what_is_excluded():
    pairs = [(anchor, (7 * anchor + 3 * place) % 60) for anchor in range(600) for place in range(4)]
    splits = ["train", "train", "train", "test"] * 600
    wide = Collection.from_arrays(pairs, anchors=600, items=60, splits=splits)
    rng = np.random.default_rng(1)
    sides = rng.normal(size=(600, 4)).astype(np.float32), rng.normal(size=(60, 4)).astype(np.float32)
    small, large = (
        evaluate_vectors(wide, *sides, exclude=("train",), metrics=["ndcg@20"], memory_bytes=memory).values["ndcg@20"]
        for memory in (100_000, 1_000_000_000)
    )
    assert np.array_equal(small, large)
    assert small.mean() != evaluate_vectors(wide, *sides, metrics=["ndcg@20"]).values["ndcg@20"].mean()


def with_value(matrix, value):
    broken = matrix.copy()
    broken[2, 1] = value
    return broken


@pytest.mark.parametrize(
    ("anchors", "items", "words"),
    [
        (ANCHORS[:5], ITEMS, "5 rows for 6"),
        (ANCHORS, np.vstack([ITEMS, ITEMS]), "60 rows for 30"),
        (ANCHORS, ITEMS[:, :3], "4 dimensions and corpus vectors 3"),
        (with_value(ANCHORS, np.nan), ITEMS, "query vectors: row 2 .from 0. holds NaN"),
        (ANCHORS, with_value(ITEMS, np.inf), "corpus vectors: row 2 .from 0. holds infinity"),
        (ANCHORS.astype(np.int64), ITEMS, "expected float16, float32, float64"),
    ],
)
def test_broken_vectors_are_refused(anchors, items, words):
    with pytest.raises(DataError, match=words):
        evaluate_vectors(DATA, anchors, items)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": []}, "no metric"),
        ({"metrics": ["ndgc@10"]}, "ndcg@10"),
        ({"split": "dev"}, "there is no split 'dev'"),
        ({"exclude": ("trian",)}, "there is no split 'trian'.*train"),
        ({"exclude": "train"}, "give a tuple"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        evaluate_vectors(DATA, ANCHORS, ITEMS, **options)
