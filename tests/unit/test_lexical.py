"""BM25: equal to a naive reference and to bm25s, whatever is excluded, in both bodies, for any blocks and threads."""

import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import bm25s
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import _compiled
from foils.positives import Relation
from foils.search import LexicalIndex, lexical_numba, lexical_numpy
from foils.search.lexical import word_counts
from foils.search.lexical_words import words
from foils.search.postings import Postings

BODIES = {"numba": lexical_numba, "numpy": lexical_numpy}
TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6).map(" ".join), min_size=1, max_size=14)
FIELDS = st.fixed_dictionaries(
    {
        "k1": st.sampled_from([0.0, 0.9, 1.5]),
        "b": st.sampled_from([0.0, 0.4, 1.0]),
        "method": st.sampled_from(["lucene", "robertson", "atire"]),
    }
)
USUAL = {"k1": 0.9, "b": 0.4, "method": "lucene"}


@pytest.fixture(params=BODIES, autouse=True, scope="module")
def body(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_compiled, "kernels", lambda name: BODIES[request.param])
        yield request.param


def search(items, anchors, k, *, excluded=None, asked=None, masked=None, **fields):
    index = LexicalIndex.build(items, **(USUAL | fields))
    excluded = Relation.empty(len(anchors)) if excluded is None else excluded
    return index.search(index.counts(anchors), k, excluded, asked=asked, masked=masked)


def everything(anchors, items):
    """Ask for the scores of all pairs."""
    return Relation(np.arange(anchors + 1) * items, np.tile(np.arange(items), anchors))


def reference(items, anchors, *, k1, b, method):
    """Add up the formula in float64, word by word."""
    held = [Counter(words(text)) for text in items]
    lengths = [sum(found.values()) for found in held]
    n, mean = len(items), max(sum(lengths) / len(items), 1e-9)
    scores = np.zeros((len(anchors), n))
    for row, text in enumerate(anchors):
        for word in words(text):
            having = sum(word in found for found in held)
            odds = (n - having + 0.5) / (having + 0.5)
            for item, found in enumerate(held):
                if found[word]:
                    share = found[word] / (found[word] + k1 * (1 - b + b * lengths[item] / mean))
                    scores[row, item] += {
                        "lucene": math.log(1 + odds) * share,
                        "robertson": math.log(max(odds, 1)) * share,
                        "atire": math.log(n / having) * share * (k1 + 1),
                    }[method]
    return scores


def best_of(scores, k):
    """Order (item, score) of one row by (−score, item), zeros left out."""
    return [item for item in np.lexsort((np.arange(len(scores)), -scores)) if scores[item] > 0][:k]


@given(TEXTS, TEXTS, FIELDS, st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_scores_and_order_are_those_of_the_formula(items, anchors, fields, k):
    found, scores, exact = search(items, anchors, k, asked=everything(len(anchors), len(items)), **fields)
    exact = exact.reshape(len(anchors), len(items))
    np.testing.assert_allclose(exact, reference(items, anchors, **fields), rtol=1e-6)
    for row in range(len(anchors)):  # sums that differ in their last bit tie in one of the two only
        order = best_of(exact[row], k)
        assert found[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])
        assert np.isnan(scores[row, len(order) :]).all()


@pytest.mark.parametrize("method", ["lucene", "robertson", "atire"])
def test_impacts_and_their_layout_are_those_of_bm25s(method):
    texts = zipf_texts(np.random.default_rng(1), 300, 20, 400)
    index = bm25s.BM25(k1=1.5, b=0.75, method=method)
    index.index([words(text) for text in texts], show_progress=False)
    own = LexicalIndex.build(texts, k1=1.5, b=0.75, method=method)
    order = [index.vocab_dict[word] for word in own.vocabulary.to_pylist()]
    theirs = [slice(*index.scores["indptr"][number : number + 2]) for number in order]
    np.testing.assert_array_equal(own.postings.degrees, [part.stop - part.start for part in theirs])
    np.testing.assert_array_equal(own.postings.indices, np.concatenate([index.scores["indices"][p] for p in theirs]))
    np.testing.assert_allclose(own.postings.data, np.concatenate([index.scores["data"][p] for p in theirs]), rtol=3e-7)
    assert (own.postings.data.dtype, own.postings.indices.dtype) == (np.float32, np.int32)


def test_the_best_are_those_that_bm25s_retrieves():
    rng = np.random.default_rng(0)
    texts, anchors = zipf_texts(rng, 400, 20, 300), zipf_texts(rng, 30, 6, 300)
    index = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    index.index([words(text) for text in texts], show_progress=False)
    theirs = index.retrieve([words(text) for text in anchors], k=10, show_progress=False)
    _, scores, _ = search(texts, anchors, 10, k1=1.5, b=0.75)
    np.testing.assert_allclose(scores, theirs.scores, rtol=1e-5)


@given(TEXTS, TEXTS, st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_excluded_leaves_room_for_others(items, anchors, data):
    cells = st.lists(st.tuples(st.integers(0, len(anchors) - 1), st.integers(0, len(items) - 1)), max_size=20)
    barred = np.array(data.draw(cells), np.int64).reshape(-1, 2)
    masked = np.array(data.draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items))))
    excluded = Relation.from_pairs(barred[:, 0], barred[:, 1], len(anchors))
    whole, _, exact = search(items, anchors, len(items), asked=everything(len(anchors), len(items)))
    found, _, again = search(
        items, anchors, 3, excluded=excluded, masked=np.tile(masked, (len(anchors), 1)),
        asked=everything(len(anchors), len(items)),
    )  # fmt: skip
    for row in range(len(anchors)):
        gone = set(barred[barred[:, 0] == row, 1].tolist()) | set(np.flatnonzero(masked).tolist())
        left = [item for item in whole[row].tolist() if item >= 0 and item not in gone]
        assert [item for item in found[row].tolist() if item >= 0] == left[:3]
    np.testing.assert_array_equal(again, exact)  # what is asked for is scored all the same


def test_items_that_are_not_allowed_are_not_returned_and_change_no_score():
    items, anchors = ["a b", "a", "a c", "a d"], ["a", "a c"]
    index = LexicalIndex.build(items, **USUAL)
    whole, scores, _ = index.search(index.counts(anchors), 4, Relation.empty(2))
    found, fewer, _ = index.only(np.array([True, False, True, True])).search(
        index.counts(anchors), 4, Relation.empty(2)
    )
    for row in range(2):
        kept = (whole[row] != 1) & (whole[row] >= 0)
        assert found[row].tolist() == [*whole[row, kept], -1]
        np.testing.assert_array_equal(fewer[row, :3], scores[row, kept])
    assert index.only(np.ones(4, bool)).postings is index.postings


def test_ties_are_ordered_by_row_at_the_cut_too():
    items = ["x y", *["a b"] * 300, *["b a"] * 300, "a"]
    found, scores, _ = search(items, ["a b", "a"], 250)
    assert found[0].tolist() == list(range(1, 251))
    assert found[1].tolist() == [601, *range(1, 250)]
    assert len(set(scores[0].tolist())) == 1


def test_a_score_does_not_depend_on_the_anchors_beside_it():
    items = [f"{a} {b} {a}" for a in "abcdefg" for b in "abcxyz"]
    anchors = [f"{a} {b} {c}" for a in "abc" for b in "xyz" for c in "gfe"]
    whole, scores, _ = search(items, anchors, 9)
    for row, anchor in enumerate(anchors):
        alone = search(items, [anchor], 9)
        np.testing.assert_array_equal(alone[0][0], whole[row])
        np.testing.assert_array_equal(alone[1][0], scores[row])


@pytest.mark.parametrize("items", [["", "?!", " "], ["a"], ["", "a"], []])
def test_without_a_shared_word_there_is_nothing(items):
    found, scores, _ = search(items, ["zebra", "…", ""], 2)
    assert (found == -1).all()
    assert np.isnan(scores).all()
    assert search(items, [], 2)[0].shape == (0, 2)


def test_k_must_be_positive():
    with pytest.raises(ValueError, match="k is 0"):
        search(["a"], ["a"], 0)


def test_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(5)
    texts, anchors = zipf_texts(rng, 500, 20, 200), zipf_texts(rng, 60, 5, 200)
    index = LexicalIndex.build(texts, **USUAL)
    counts = index.counts(anchors)
    whole = index.search(counts, 20, Relation.empty(60))
    with ThreadPoolExecutor(4) as pool:
        rows = [np.arange(start, start + 5) for start in range(0, 60, 5)]
        parts = list(pool.map(lambda rows: index.search(counts.take(rows), 20, Relation.empty(5)), rows))
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), whole[0])
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), whole[1])


def test_items_beyond_one_block_are_found_as_well():
    """More items than a block holds; words from rare to common, so that lists are walked, spans looked at, and both."""
    rng = np.random.default_rng(2)
    n, k = 2 * lexical_numba.WIDTH + 77, 40
    numbers = np.minimum(np.exp(rng.exponential(2.0, 3 * n)), 5000).astype(np.int32) - 1
    postings = Postings.of(numbers, np.arange(0, 3 * n + 1, 3), 5000, k1=0.9, b=0.4, method="lucene")
    asked_words = np.array([0, 1, 7, 4000, 4000, 0, 900, 2500, 4999, 4998, 4997, 30, 40, 50], np.int32)
    counts = word_counts(asked_words, np.array([0, 5, 6, 8, 11, 14]), postings)
    index = LexicalIndex(None, postings)
    excluded = np.sort(rng.choice(n, 5000, replace=False))
    excluded = Relation(np.array([0, 0, 5000, 5000, 5000, 5000]), excluded)
    masked = np.zeros((5, n), bool)
    masked[4, : n // 3] = True
    found, scores, exact = index.search(counts, k, excluded, masked=masked, asked=everything(5, n))
    exact = exact.reshape(5, n)
    np.testing.assert_allclose(exact, dense(postings, counts), rtol=1e-6)
    exact = np.where(masked, 0, exact)
    exact[excluded.coordinates()] = 0
    for row in range(5):
        order = best_of(exact[row], k)
        assert found[row].tolist() == order + [-1] * (k - len(order))
        np.testing.assert_array_equal(scores[row, : len(order)], exact[row, order])


def test_the_bodies_agree_bit_for_bit():
    rng = np.random.default_rng(3)
    texts, anchors = zipf_texts(rng, 2000, 30, 500), zipf_texts(rng, 50, 12, 500)
    index = LexicalIndex.build(texts, **USUAL)
    counts, results = index.counts(anchors), []
    for kernels in BODIES.values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_compiled, "kernels", lambda name, kernels=kernels: kernels)
            results.append(index.search(counts, 100, Relation.empty(50), asked=everything(50, 2000)))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one.view(f"i{one.itemsize}"), other.view(f"i{other.itemsize}"))


def dense(postings, counts):
    """Add up all impacts in float64."""
    scores = np.zeros((len(counts), postings.n_items))
    for row in range(len(counts)):
        for at in range(counts.indptr[row], counts.indptr[row + 1]):
            part = slice(*postings.indptr[counts.numbers[at] : counts.numbers[at] + 2])
            scores[row, postings.indices[part]] += counts.counts[at] * postings.data[part].astype(float)
    return scores


def zipf_texts(rng, count, length, vocabulary):
    weights = 1 / np.arange(1, vocabulary + 1)
    drawn = rng.choice(vocabulary, (count, length), p=weights / weights.sum())
    return [" ".join(f"w{number}" for number in row) for row in drawn]
