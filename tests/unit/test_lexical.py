"""BM25: equal to bm25s on random problems, whatever is excluded, however it is cut into blocks."""

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.positives import Relation
from foils.search import LexicalIndex
from foils.search.lexical import words

TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6).map(" ".join), min_size=1, max_size=14)
FIELDS = st.fixed_dictionaries(
    {
        "k1": st.sampled_from([0.0, 0.9, 1.5]),
        "b": st.sampled_from([0.0, 0.4, 1.0]),
        "method": st.sampled_from(["lucene", "robertson", "atire"]),
    }
)
NONE = np.zeros(0, np.int64)


def nobody(anchors):
    return Relation(np.zeros(anchors + 1, np.int64), NONE)


def search(items, anchors, k, *, block=5, excluded=None, allowed=None, pairs=(NONE, NONE), **fields):
    index = LexicalIndex.build(items, block=block, **({"k1": 0.9, "b": 0.4, "method": "lucene"} | fields))
    everything = np.ones(len(items), bool) if allowed is None else allowed
    excluded = nobody(len(anchors)) if excluded is None else excluded
    return index.search(index.counts(anchors), k, excluded, allowed=everything, pairs=pairs)


def reference(items, anchors, **fields):
    """Ask bm25s for every score; a repeated word of an anchor counts as often as it stands there."""
    corpus = [words(text) for text in items]
    if not any(corpus):
        return np.zeros((len(anchors), len(items)))
    index = bm25s.BM25(dtype="float64", backend="numpy", **fields)
    index.index(corpus, show_progress=False)
    scores = np.zeros((len(anchors), len(items)))
    for row, text in enumerate(anchors):
        known = [word for word in words(text) if word in index.vocab_dict]
        if known:
            scores[row] = index.get_scores(known)
    return scores


@given(TEXTS, TEXTS, FIELDS, st.integers(1, 9), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_scores_and_order_are_those_of_bm25s(items, anchors, fields, block, k):
    expected = reference(items, anchors, **fields)
    rows, columns = (side.ravel() for side in np.indices(expected.shape))
    found, scores, pairs = search(items, anchors, k, block=block, pairs=(rows, columns), **fields)
    np.testing.assert_allclose(pairs.reshape(expected.shape), expected, rtol=1e-6)
    exact = pairs.reshape(expected.shape)  # sums that differ in their last bit tie in one of the two only
    for row in range(len(anchors)):
        order = [item for item in np.lexsort((np.arange(len(items)), -exact[row])) if exact[row, item] > 0][:k]
        assert found[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])
        assert np.isnan(scores[row, len(order) :]).all()


def test_the_best_are_those_that_bm25s_retrieves():
    rng = np.random.default_rng(0)
    vocabulary = [f"w{number}" for number in range(300)]
    weights = 1 / np.arange(1, 301)
    texts = [" ".join(rng.choice(vocabulary, 20, p=weights / weights.sum())) for _ in range(400)]
    anchors = [" ".join(rng.choice(vocabulary, 6, p=weights / weights.sum())) for _ in range(30)]
    index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    index.index([words(text) for text in texts], show_progress=False)
    theirs = index.retrieve([words(text) for text in anchors], k=10, show_progress=False)
    _, scores, _ = search(texts, anchors, 10, block=64, k1=1.5, b=0.75)
    np.testing.assert_allclose(scores, theirs.scores, rtol=1e-5)


@given(TEXTS, TEXTS, st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_excluded_leaves_room_for_others(items, anchors, data):
    cells = st.lists(st.tuples(st.integers(0, len(anchors) - 1), st.integers(0, len(items) - 1)), max_size=20)
    barred = np.array(data.draw(cells), np.int64).reshape(-1, 2)
    allowed = np.array(data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items))))
    excluded = Relation.from_pairs(barred[:, 0], barred[:, 1], len(anchors))
    everything, _, _ = search(items, anchors, len(items))
    found, _, _ = search(items, anchors, 3, excluded=excluded, allowed=allowed)
    for row in range(len(anchors)):
        left = [
            item
            for item in everything[row].tolist()
            if item >= 0 and allowed[item] and item not in barred[barred[:, 0] == row, 1]
        ]
        assert [item for item in found[row].tolist() if item >= 0] == left[:3]


def test_a_mask_counts_like_an_exclusion():
    items, anchors = ["a b", "a", "a c", "a d"], ["a", "a c"]
    barred = np.array([[False, True, False, False], [False, False, True, False]])
    index = LexicalIndex.build(items, k1=0.9, b=0.4, method="lucene", block=3)
    given = {"allowed": np.ones(4, bool), "pairs": (NONE, NONE)}
    masked = index.search(index.counts(anchors), 4, nobody(2), masked=lambda block: barred[:, block], **given)
    listed = index.search(index.counts(anchors), 4, Relation.from_pairs(*np.nonzero(barred), 2), **given)
    np.testing.assert_array_equal(masked[0], listed[0])
    np.testing.assert_array_equal(masked[1], listed[1])


def test_a_score_does_not_depend_on_the_anchors_beside_it():
    items = [f"{a} {b} {a}" for a in "abcdefg" for b in "abcxyz"]
    anchors = [f"{a} {b} {c}" for a in "abc" for b in "xyz" for c in "gfe"]
    whole, scores, _ = search(items, anchors, 9)
    for row, anchor in enumerate(anchors):
        alone = search(items, [anchor], 9, block=len(items))
        np.testing.assert_array_equal(alone[0][0], whole[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


@pytest.mark.parametrize("items", [["", "?!", " "], ["a"], ["", "a"]])
def test_without_a_shared_word_there_is_nothing(items):
    found, scores, _ = search(items, ["zebra", "…"], 2)
    assert (found == -1).all()
    assert np.isnan(scores).all()


def test_words_are_runs_of_letters_and_digits_case_folded():
    assert words("Straße_42: naïve CO₂ —Ωmega; 東京 タワー don't") == [
        "strasse", "42", "naïve", "co2", "ωmega", "東京", "タワー", "don", "t",
    ]  # fmt: skip
    assert words("हिन्दी किताब") == ["हिन्दी", "किताब"]  # vowel signs are marks, and parts of words
    assert words("nai\u0308ve \u0308 x") == ["naïve", "x"]
    assert words("plain words 4") == words("plain words 4 é")[:-1]
