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
        (ANCHORS.astype(np.int64), ITEMS, "expected float16, float32 or float64"),
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
    ],
)
def test_what_cannot_be_evaluated_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        evaluate_vectors(DATA, ANCHORS, ITEMS, **options)
