"""Vectors that do not belong to the data are told; weak, few or ordinary ones are not complained about."""

import numpy as np
import pytest

import foils
from foils.collection import Collection
from foils.mining.sanity import ANCHORS, ITEMS, Separation, complaints, separation

ANCHOR_COUNT, ITEM_COUNT, DIM = 300, 400, 16
COMPLAINT = "positives cannot be told by their scores from random items"


def data(anchors=ANCHOR_COUNT, items=ITEM_COUNT, **options):
    return Collection.from_arrays([(row, row) for row in range(anchors)], anchors=anchors, items=items, **options)


def vectors(signal, seed=0, anchors=ANCHOR_COUNT, items=ITEM_COUNT):
    """Item vectors of noise; each anchor's is its positive's, times ``signal``, and noise."""
    rng = np.random.default_rng(seed)
    corpus = rng.standard_normal((items, DIM))
    return signal * corpus[:anchors] + rng.standard_normal((anchors, DIM)), corpus


def separated(collection, queries, corpus):
    return separation(collection, collection.positives(), queries, corpus)


def shuffled(matrix, seed=1):
    return np.random.default_rng(seed).permutation(matrix)


@pytest.mark.parametrize("signal", [0.3, 1.0, 10.0])
def test_vectors_that_know_something_are_not_complained_about(signal):
    found = separated(data(), *vectors(signal))
    assert not found.suspicious
    assert found.share > 0.6
    assert found.anchors == ANCHOR_COUNT


@pytest.mark.parametrize("side", ["queries", "corpus", "both"])
@pytest.mark.parametrize("seed", range(5))
def test_rows_in_another_order_are_noticed(side, seed):
    queries, corpus = vectors(10.0, seed)
    assert not separated(data(), queries, corpus).suspicious
    queries = shuffled(queries, seed) if side != "corpus" else queries
    corpus = shuffled(corpus, seed + 100) if side != "queries" else corpus
    found = separated(data(), queries, corpus)
    assert found.suspicious
    assert found.low < 0.5 < found.high < 0.6


def test_the_share_is_that_of_all_comparisons():
    """With as many draws as there are, the sample's share is close to the area under the curve by brute force."""
    queries, corpus = vectors(0.4)
    scores = queries @ corpus.T
    own = scores[np.arange(ANCHOR_COUNT), np.arange(ANCHOR_COUNT)]
    exact = (own[:, None] > scores).sum() / (ANCHOR_COUNT * (ITEM_COUNT - 1))
    assert separated(data(), queries, corpus).share == pytest.approx(exact, abs=0.03)


def test_vectors_that_are_all_the_same_know_nothing():
    found = separated(data(), np.ones((ANCHOR_COUNT, DIM)), np.ones((ITEM_COUNT, DIM)))
    assert (found.share, found.suspicious) == (0.5, True)


@pytest.mark.parametrize("seed", range(20))
def test_another_order_of_160_anchors_is_noticed(seed):
    queries, corpus = vectors(10.0, seed, anchors=160)
    found = separated(data(160), shuffled(queries, seed), corpus)
    assert found.suspicious, found
    assert "cannot be told" in found.complaint() if found.low <= 0.5 else "hardly better" in found.complaint()
    assert f"in {found.share:.0%} of cases [{100 * found.low:.0f}, " in found.complaint()


@pytest.mark.parametrize("anchors", [20, 40, 80, 160, 1000])
def test_a_share_of_seven_in_ten_is_doubted_once_in_two_hundred_times_at_most(anchors):
    """By the widest spread that a share of 0.7 leaves, and the threshold that the rule amounts to."""
    spread = np.sqrt(1 / 12)
    reach = 2.5758293035489004 * spread / np.sqrt(anchors)
    draws = 0.7 + spread / np.sqrt(anchors) * np.random.default_rng(0).standard_normal(4000)
    rings = [
        Separation(share=x, low=x - reach, high=x + reach, anchors=anchors, looks=anchors).suspicious for x in draws
    ]
    assert np.mean(rings) <= 0.0075


@pytest.mark.parametrize("anchors", [20, 30, 60, 160])
def test_weak_encoders_with_few_anchors_are_left_in_peace(anchors):
    found = [separated(data(anchors), *vectors(0.3, seed, anchors=anchors)) for seed in range(15)]
    assert 0.6 < np.mean([one.share for one in found]) < 0.85
    assert not any(one.suspicious for one in found)


def test_a_result_of_before_is_read_too():
    old = {"share": 0.52, "low": 0.43, "high": 0.61, "anchors": 160}
    assert len(complaints({"model": old})) == 1
    assert complaints({"model": old | {"looks": 19}}) == []


@pytest.mark.parametrize("anchors", [1, 10, 19])
def test_few_anchors_never_ring(anchors):
    queries, corpus = vectors(1.0, anchors=anchors)
    assert not separated(data(anchors), shuffled(queries), shuffled(corpus)).suspicious


def test_a_few_labels_are_few_looks():
    """A thousand anchors of five labels: one order of five in which most are wrong is no proof."""
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=1000)
    collection = Collection.from_arrays([(row, int(label)) for row, label in enumerate(labels)], anchors=1000, items=5)
    corpus = np.eye(5, DIM)
    found = separated(collection, corpus[(labels + 1) % 5] + 0.01, corpus)
    assert found.share < 0.5
    assert not found.suspicious


def test_known_positives_and_empty_texts_are_no_random_items():
    texts = [f"item {row}" if row < 2 else "" for row in range(100)]
    collection = Collection.from_arrays([(row, 0) for row in range(80)], anchors=80, items=texts)
    found = separated(collection, np.ones((80, 2)), np.eye(100, 2))
    assert found.share == 0.5  # item 1 alone, which ties
    whole = Collection.from_arrays([(0, 0)], anchors=1, items=1)
    assert separated(whole, np.ones((1, 2)), np.ones((1, 2))) is None


def test_vectors_of_either_similarity_are_understood():
    """Lengths that mean nothing spoil inner products, and lengths that mean popularity spoil cosines."""
    queries, corpus = vectors(10.0)
    lengths = np.exp(4 * np.random.default_rng(2).standard_normal((ITEM_COUNT, 1)))
    assert not separated(data(), queries, corpus * lengths).suspicious
    popular = np.where(np.arange(ITEM_COUNT)[:, None] < ANCHOR_COUNT, 100.0, 0.01)
    assert not separated(data(), np.ones((ANCHOR_COUNT, 1)), popular).suspicious


def test_the_sample_is_bounded_and_the_same_in_every_run():
    n = ANCHORS + 500
    queries, corpus = vectors(1.0, anchors=n, items=n)
    found = separated(data(n, n), queries, corpus)
    assert found.anchors == ANCHORS
    assert found == separated(data(n, n), queries, corpus)
    assert ITEMS * ANCHORS <= 10_000


def test_a_run_warns_and_so_does_what_is_made_of_it(tmp_path):
    queries, corpus = vectors(10.0)
    sane = foils.mine(data(), "naive-top-k", negatives=2, query_vectors=queries, item_vectors=corpus)
    assert sane.stats["separation"]["model"]["share"] > 0.9
    assert not any(COMPLAINT in warning for warning in sane.stats["warnings"])
    given = {"query_vectors": queries, "item_vectors": shuffled(corpus)}
    mined = foils.mine(data(), "nv-retriever", negatives=2, out=tmp_path / "a", **given)
    assert COMPLAINT in mined.stats["warnings"][0]
    assert f"warning: {COMPLAINT}" in mined.summary()
    again = mined.rethreshold(["rules.relative_margin.margin=0.2"], tmp_path / "b")
    assert again.stats["separation"] == mined.stats["separation"]
    assert COMPLAINT in again.stats["warnings"][0]
    assert COMPLAINT in foils.plan(data(), "nv-retriever", negatives=2, **given).warnings[0]


def test_further_vectors_are_named():
    queries, corpus = vectors(10.0)
    mined = foils.mine(
        data(),
        "guide",
        negatives=2,
        query_vectors=queries,
        item_vectors=corpus,
        vectors={"guide": (queries, shuffled(corpus))},
    )
    assert [warning for warning in mined.stats["warnings"] if COMPLAINT in warning] == complaints(
        {"guide": mined.stats["separation"]["guide"]}
    )
    assert f"{COMPLAINT} by the vectors 'guide'" in mined.stats["warnings"][0]


def test_nothing_is_looked_at_where_no_vectors_are_read():
    mined = foils.mine(data(), "uniform", negatives=2)
    assert mined.stats["separation"] == {}
