"""Neighbours: the vote, the nearest missed positive, and the detector learnt by hiding positives."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foils
from foils.collection import Collection
from foils.errors import DataError
from foils.scorers import GraphCleaner, MissedPositives, Neighbours
from foils.scorers.neighbours_learned import Evidence
from foils.search import Blocks, Forbidden, Inputs

problems = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py"))
)  # fmt: skip
N_ANCHORS, N_ITEMS, DIM = 9, 30, 6
ROWS, ITEMS = np.divmod(np.arange(N_ANCHORS * N_ITEMS), N_ITEMS)


def inputs(pairs, seed=0, n_anchors=N_ANCHORS, vectors=None):
    """Give the inputs of a run over these known positives."""
    rng = np.random.default_rng(seed)
    anchors, items = vectors or (rng.normal(size=(n_anchors, DIM)), rng.normal(size=(N_ITEMS, DIM)))
    data = Collection.from_arrays(sorted(pairs), anchors=len(anchors), items=len(items))
    positives = data.positives()
    return Inputs(
        positives=positives,
        trusted=data.trusted_negatives(),
        mineable=np.ones(len(items), bool),
        matrices={"model": (np.asarray(anchors, np.float32), np.asarray(items, np.float32))},
        negatives=2,
        seed=0,
        blocks=Blocks(8, 16, 64),
        collection=data,
        forbidden=Forbidden.of(positives),
    )


def some_pairs(seed, per_anchor=3, n_anchors=N_ANCHORS):
    rng = np.random.default_rng(100 + seed)
    return {(a, int(i)) for a in range(n_anchors) for i in rng.choice(N_ITEMS, per_anchor, replace=False)}


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def nearest(similarities, k, eligible):
    """List the k nearest of each row but itself, ties by row."""
    lists = []
    for row, scores in enumerate(similarities):
        order = sorted(
            (item for item in range(len(scores)) if item != row and eligible[item]), key=lambda i: -scores[i]
        )
        lists.append(order[:k])
    return lists


def naive_vote(run, k, m, mutual):
    """Vote, one pair after the other."""
    anchors, items = (unit(matrix.astype(np.float64)) for matrix in run.matrices["model"])
    near_items = nearest(items @ items.T, k, run.mineable)
    known = run.positives.given()
    near_anchors = nearest(anchors @ anchors.T, m, known.degrees > 0)
    votes = np.zeros((len(anchors), len(items)))
    for a in range(len(anchors)):
        for i in range(len(items)):
            total = summed = 0.0
            for j in near_items[i]:
                if mutual and i not in near_items[j]:
                    continue
                weight = max(items[i] @ items[j], 0)
                labels = [1.0 if j in known.row(a) else 0.0]
                labels += [max(anchors[a] @ anchors[b], 0) for b in near_anchors[a] if j in known.row(b)]
                total, summed = total + weight, summed + weight * max(labels)
            votes[a, i] = summed / total if total else 0
    return votes.ravel()


@pytest.mark.parametrize(("k", "m", "mutual"), [(5, 0, False), (5, 3, False), (4, 2, True), (100, 100, False)])
@pytest.mark.parametrize("seed", range(3))
def test_the_vote_is_that_of_a_naive_count(k, m, mutual, seed):
    run = inputs(some_pairs(seed), seed)
    votes = Neighbours(k=k, anchors=m, mutual=mutual).open(run).score(ROWS, ITEMS)
    np.testing.assert_allclose(votes, naive_vote(run, k, m, mutual), rtol=0, atol=1e-6)
    assert (votes > 0).any()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, N_ANCHORS - 1), st.integers(0, N_ITEMS - 1), st.booleans())
def test_a_pairs_own_label_is_not_seen(seed, anchor, item, mutual):
    pairs = some_pairs(seed)
    # Another positive of the anchor keeps it among those that have one.
    without, with_it = pairs - {(anchor, item)} | {(anchor, (item + 1) % N_ITEMS)}, pairs | {(anchor, item)}
    with_it |= {(anchor, (item + 1) % N_ITEMS)}
    asked = np.array([anchor]), np.array([item])
    scorer = Neighbours(k=5, anchors=3, mutual=mutual)
    assert scorer.open(inputs(without)).score(*asked) == scorer.open(inputs(with_it)).score(*asked)
    for pairs in (without, with_it):
        evidence = evidence_of(inputs(pairs), GraphCleaner(k=4, anchors=2))
        found = evidence.features(*asked, asked[1])
        if pairs is without:
            expected = found
    np.testing.assert_array_equal(found, expected)


def evidence_of(run, fields):
    return Evidence.of(run, run.vectors("model", "cosine"), fields)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, N_ANCHORS - 1), st.integers(0, N_ITEMS - 1))
def test_another_positive_never_lowers_a_vote(seed, anchor, item):
    pairs = some_pairs(seed)
    scorer = Neighbours(k=5, anchors=0)
    before, after = (scorer.open(inputs(known)).score(ROWS, ITEMS) for known in (pairs, pairs | {(anchor, item)}))
    assert (after >= before).all()
    assert (after <= 1).all()


def test_without_neighbours_nobody_votes_and_nothing_is_left_out():
    run = inputs(some_pairs(0))
    np.testing.assert_array_equal(Neighbours(k=0).open(run).score(ROWS, ITEMS), 0)
    rng = np.random.default_rng(0)
    data = Collection.from_arrays(sorted(some_pairs(0)), anchors=N_ANCHORS, items=N_ITEMS)
    vectors = {"query_vectors": rng.normal(size=(N_ANCHORS, DIM)), "item_vectors": rng.normal(size=(N_ITEMS, DIM))}
    voted = foils.mine(data, "neighbours", negatives=4, settings=["scorers.neighbours.k=0"], **vectors)
    plain = foils.mine(data, "naive-top-k", negatives=4, **vectors)
    assert voted.negatives["negative_ids"].equals(plain.negatives["negative_ids"])


def test_the_recipe_leaves_out_what_lies_among_the_positives():
    rng = np.random.default_rng(1)
    cluster = rng.normal(size=(4, DIM)) * 0.05 + 1
    items = np.concatenate([cluster, rng.normal(size=(26, DIM))])
    anchors = np.concatenate([np.ones((1, DIM)), -np.ones((1, DIM))])
    data = Collection.from_arrays([(0, 0), (0, 1), (1, 9)], anchors=2, items=30)
    mined = foils.mine(data, "neighbours", negatives=6, query_vectors=anchors, item_vectors=items)
    negatives = mined.negatives.to_pylist()[0]["negative_ids"]
    assert not {"2", "3"} & set(negatives)
    plain = foils.mine(data, "naive-top-k", negatives=6, query_vectors=anchors, item_vectors=items)
    assert {"2", "3"} <= set(plain.negatives.to_pylist()[0]["negative_ids"])


def test_the_recipe_graph_cleaner_keeps_what_its_detector_takes_for_no_positive():
    rng = np.random.default_rng(2)
    topics = rng.normal(size=(40, DIM))
    items = np.repeat(topics, 4, axis=0) + 0.1 * rng.normal(size=(160, DIM))
    pairs = [(anchor, 4 * anchor + place) for anchor in range(40) for place in (0, 1)]  # the other two are hidden
    data = Collection.from_arrays(pairs, anchors=40, items=160)
    vectors = {"query_vectors": topics, "item_vectors": items}

    def hidden(recipe):
        rows = foils.mine(data, recipe, negatives=4, **vectors).negatives.to_pylist()
        return sum(int(item) // 4 == int(row["anchor_id"]) for row in rows for item in row["negative_ids"])

    assert hidden("naive-top-k") == 80
    assert hidden("graph-cleaner") <= 8


def test_the_recipe_missed_positives_leaves_out_what_is_like_the_pairs_that_the_encoder_misses():
    rng = np.random.default_rng(3)
    topics = np.eye(4, 12)
    anchors = np.repeat(topics, 10, axis=0) + 0.05 * rng.normal(size=(40, 12))
    found = anchors + 0.2 * rng.normal(size=(40, 12))  # easy positives
    missed = np.repeat(np.eye(4, 12, k=4) + 0.6 * topics, 10, axis=0) + 0.05 * rng.normal(size=(40, 12))
    others = np.repeat(np.eye(4, 12, k=8) + 0.8 * topics, 10, axis=0) + 0.05 * rng.normal(size=(40, 12))
    # Of each topic every other anchor has a positive that the encoder misses; so has its neighbour, but nobody knows.
    pairs = [(anchor, anchor) for anchor in range(40)] + [(anchor, 40 + anchor) for anchor in range(0, 40, 2)]
    data = Collection.from_arrays(pairs, anchors=40, items=120)
    vectors = {"query_vectors": anchors, "item_vectors": np.concatenate([found, missed, others])}

    def hidden(recipe):
        rows = foils.mine(data, recipe, negatives=35, **vectors).negatives.to_pylist()
        return sum(
            40 <= int(item) < 80 and int(item) % 40 // 10 == int(row["anchor_id"]) // 10
            for row in rows
            for item in row["negative_ids"]
        )

    assert hidden("missed-positives") <= hidden("naive-top-k") / 10


def test_the_recipe_missed_positives_keeps_what_has_no_score():
    data = Collection.from_arrays([(0, 0)], anchors=1, items=4)
    vectors = {
        "query_vectors": np.ones((1, 2)),
        "item_vectors": np.array([[1.0, 1.0], [1.0, 0.5], [1.0, 0.2], [0.0, 1.0]]),
    }
    mined = foils.mine(data, "missed-positives", negatives=3, **vectors)
    assert sorted(mined.negatives.to_pylist()[0]["negative_ids"]) == ["1", "2", "3"]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_missed_positive_is_that_of_a_naive_search(share, seed):
    run = inputs(some_pairs(seed), seed)
    anchors, items = (unit(matrix.astype(np.float64)) for matrix in run.matrices["model"])
    examples = run.positives.examples()
    scores = (anchors[examples.anchors] * items[examples.positives]).sum(axis=1)
    lowest = np.argsort(scores)[: int(np.ceil(share * len(scores)))]
    missed = {(int(examples.anchors[at]), int(examples.positives[at])) for at in lowest}
    expected = [
        max((anchors[a] @ anchors[b] + items[i] @ items[p]) / 2 for b, p in missed if (b, p) != (a, i))
        for a, i in zip(ROWS, ITEMS, strict=True)
    ]
    found = MissedPositives(share=share).open(run).score(ROWS, ITEMS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_the_only_missed_positive_is_not_compared_with_itself():
    run = inputs({(0, 0), (1, 1)}, vectors=(np.eye(2), np.array([[1.0, 0.0], [0.5, 1.0], [1.0, 1.0]])))
    found = MissedPositives(share=0.5).open(run).score(np.array([1, 0, 1]), np.array([1, 0, 2]))
    assert np.isnan(found[0])  # of the two it is the one that is missed
    assert not np.isnan(found[1:]).any()


def naive_features(run, k, m, anchor, item, unseen):
    """Make the features of one pair as they are described."""
    anchors, items = (unit(matrix.astype(np.float64)) for matrix in run.matrices["model"])
    known = run.positives.given()
    near_items, near_anchors = (
        nearest(items @ items.T, k, run.mineable),
        nearest(anchors @ anchors.T, m, known.degrees > 0),
    )

    def vote(i):
        weights = np.array([max(items[i] @ items[j], 0) for j in near_items[i]])
        labels = []
        for j in near_items[i]:
            own = 1.0 if j in known.row(anchor) and j != unseen else 0.0
            labels.append(
                max([own] + [max(anchors[anchor] @ anchors[b], 0) for b in near_anchors[anchor] if j in known.row(b)])
            )
        return weights @ np.array(labels) / weights.sum() if weights.sum() else 0.0

    weights = np.array([max(items[item] @ items[j], 0) for j in near_items[item]])
    total = weights.sum() or np.inf
    top = np.sort(np.maximum(items @ anchors[anchor], 0))[::-1][:k]
    own = [items[item] @ items[p] for p in known.row(anchor) if p not in (unseen, item)]
    owners = [anchors[anchor] @ anchors[b] for b in range(len(anchors)) if b != anchor and item in known.row(b)]
    return [
        anchors[anchor] @ items[item],
        anchors[anchor] @ items[item] - top.sum() / k,
        weights @ np.array([anchors[anchor] @ items[j] for j in near_items[item]]) / total,
        vote(item),
        weights @ np.array([vote(j) for j in near_items[item]]) / total,
        max(own, default=np.nan),
        max(owners, default=np.nan),
        np.log1p(len(owners)),
        weights.sum() / k,
    ]


@pytest.mark.parametrize("seed", range(2))
def test_the_features_are_what_they_are_called(seed):
    run = inputs(some_pairs(seed, per_anchor=2), seed)
    evidence = evidence_of(run, GraphCleaner(k=4, anchors=2))
    unseen = np.where(ITEMS % 3 == 0, ITEMS, run.positives.items[run.positives.indptr[ROWS]])
    found = evidence.features(ROWS, ITEMS, unseen)
    expected = [naive_features(run, 4, 2, *pair) for pair in zip(ROWS, ITEMS, unseen, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert np.isnan(found).any()


def clustered(seed, n_anchors=120, per_anchor=4):
    """Put the positives of an anchor near to each other, and only roughly near to the anchor."""
    rng = np.random.default_rng(seed)
    anchors = unit(rng.normal(size=(n_anchors, 16)))
    centres = anchors + 0.45 * rng.normal(size=anchors.shape)
    items = np.repeat(centres, per_anchor, axis=0) + 0.08 * rng.normal(size=(n_anchors * per_anchor, 16))
    noise = np.repeat(anchors, 3, axis=0) + 0.4 * rng.normal(size=(3 * n_anchors, 16))
    pairs = [(a, a * per_anchor + place) for a in range(n_anchors) for place in range(per_anchor)]
    return np.array(pairs), anchors, np.concatenate([items, noise])


def auc(scores, labels):
    """Give the chance that a positive is above a negative, ties half."""
    above = (scores[labels][:, None] > scores[~labels][None, :]).mean()
    return above + 0.5 * (scores[labels][:, None] == scores[~labels][None, :]).mean()


def test_neighbours_find_hidden_positives_that_the_encoder_ranks_low():
    pairs, anchors, items = clustered(0)
    hidden = pairs[::4]  # one of four of every anchor
    shown = np.delete(pairs, np.s_[::4], axis=0)
    run = inputs({tuple(pair) for pair in shown.tolist()}, vectors=(anchors, items))
    rng = np.random.default_rng(0)
    others = np.stack([np.repeat(np.arange(120), 5), rng.integers(480, 840, 600)])
    asked = np.concatenate([hidden.T, others], axis=1)
    labels = np.arange(asked.shape[1]) < len(hidden)
    cosine = run.vectors("model", "cosine").pair_scores(*asked)
    vote = Neighbours(k=5).open(run).score(*asked)
    learnt = GraphCleaner(k=5, depth=30).open(run).score(*asked)
    assert auc(vote, labels) > 0.95
    assert auc(learnt, labels) > 0.97
    assert auc(learnt, labels) > auc(cosine, labels)
    assert ((learnt > 0) & (learnt < 1)).all()


def test_a_learnt_detector_does_not_see_the_anchor_that_it_scores():
    pairs, anchors, items = clustered(1, n_anchors=40)
    run = inputs({tuple(pair) for pair in pairs.tolist()}, vectors=(anchors, items))
    fields = GraphCleaner(k=5, depth=30, folds=4)
    opened = fields.open(run)
    again = fields.open(run)
    np.testing.assert_array_equal(opened.models.weights, again.models.weights)
    assert sorted(np.bincount(opened.folds)) == [10, 10, 10, 10]
    # All models differ, for each left out other anchors.
    assert len(np.unique(opened.models.weights, axis=0)) == 4


def test_too_few_anchors_teach_nothing():
    run = inputs(some_pairs(0))
    with pytest.raises(DataError, match="graph_cleaner learns from known positives, and only 9 anchors have one"):
        GraphCleaner().check(run)


def test_results_do_not_depend_on_blocks():
    pairs, anchors, items = clustered(2, n_anchors=30)
    run = inputs({tuple(pair) for pair in pairs.tolist()}, vectors=(anchors, items))
    rows, columns = np.divmod(np.arange(30 * 50), 50)
    for scorer in (Neighbours(k=5), GraphCleaner(k=3, depth=20), MissedPositives()):
        whole = scorer.open(run).score(rows, columns)
        small = scorer.open(replace(run, blocks=Blocks(3, 7, 5)))
        order = np.random.default_rng(0).permutation(len(rows))
        parts = [small.score(rows[part], columns[part]) for part in np.array_split(order, 11)]
        np.testing.assert_array_equal(np.concatenate(parts), whole[order])
