"""Reranking of the best items against a loop over queries."""

import numpy as np
import pytest

from foils import Collection
from foils.cli.reranking import rerank
from foils.evaluating import rank_vectors

QUERIES, ITEMS = 20, 12


class Lengths:
    """Scores a pair by a number that hangs on both texts."""

    def identity(self):
        return {"scorer": "lengths"}

    def logits(self, pairs):
        return np.array([-10.0 + (len(left) * 7 + len(right) * 3) % 5 for left, right in pairs], np.float32)


@pytest.mark.parametrize("depth", [1, 5, 12, 100])
def test_the_first_are_ordered_anew_and_the_rest_stays(depth, tmp_path):
    rng = np.random.default_rng(0)
    texts = ["x" * (row + 1) for row in range(ITEMS)]
    texts[3] = " "
    pairs = np.stack([np.arange(QUERIES), np.arange(QUERIES) % 3], axis=1)
    collection = Collection.from_arrays(pairs, anchors=["q" * (row + 1) for row in range(QUERIES)], items=texts)
    vectors = rng.standard_normal((QUERIES, 4)), rng.standard_normal((ITEMS, 4))
    first = rank_vectors(collection, *vectors, depth=ITEMS, split="train")
    assert (first.items[:, -1] == -1).all()
    found = rerank(collection, first, Lengths(), depth, tmp_path)
    for row, anchor in enumerate(first.anchors):
        ranked = [item for item in first.items[row].tolist() if item >= 0]
        head = ranked[:depth]
        scores = Lengths().logits([("q" * (anchor + 1), texts[item]) for item in head])
        head = [head[place] for place in np.argsort(-scores, kind="stable")]
        assert found.items[row].tolist() == [*head, *ranked[depth:], -1]
    assert (np.diff(found.scores[:, :-1], axis=1) <= 0).all()
