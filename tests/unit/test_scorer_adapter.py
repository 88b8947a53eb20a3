"""The judge learnt on frozen vectors, and the fit that it shares with the detector of hidden positives."""

import numpy as np
import pytest
from scipy.optimize import minimize

import foils
from foils._array import Key
from foils.collection import Collection
from foils.errors import DataError
from foils.positives import Relation
from foils.scorers import AdapterScorer
from foils.scorers.adapter import features_of, pairs_to_learn
from foils.scorers.adapter_fit import chosen_positives, fit_folds, folds_of
from foils.search import Blocks, Forbidden, Inputs

KEY = Key(0, "test", 0)


def inputs(pairs, anchors, items, seed=0, blocks=None):
    data = Collection.from_arrays(pairs, anchors=len(anchors), items=len(items))
    positives = data.positives()
    return Inputs(
        positives=positives,
        trusted=data.trusted_negatives(),
        mineable=np.ones(len(items), bool),
        matrices={"model": (np.asarray(anchors, np.float32), np.asarray(items, np.float32))},
        negatives=2,
        seed=seed,
        blocks=blocks or Blocks(8, 16, 64),
        collection=data,
        forbidden=Forbidden.of(positives),
    )


def grouped(seed, n_anchors=150, dim=12):
    """Make pairs whose scores lie on another level in each of two groups of anchors.

    The first component tells the group, the rest the topic. In one group true pairs score as false ones do in the
    other, so that no threshold on the cosine serves both.
    """
    rng = np.random.default_rng(seed)
    topics = rng.normal(size=(n_anchors, dim))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    near = np.where(np.arange(n_anchors) % 2 == 0, 3.0, 0.0)[:, None]
    anchors = np.concatenate([near, topics], axis=1)
    right = np.concatenate([near, topics + 0.15 * rng.normal(size=topics.shape)], axis=1)
    hidden = np.concatenate([near, topics + 0.15 * rng.normal(size=topics.shape)], axis=1)
    wrong = np.concatenate([near, rng.normal(size=topics.shape) / np.sqrt(dim)], axis=1)
    items = np.concatenate([right, hidden, wrong])
    return anchors, items


def auc(scores, labels):
    above = (scores[labels][:, None] > scores[~labels][None, :]).mean()
    return above + 0.5 * (scores[labels][:, None] == scores[~labels][None, :]).mean()


def test_it_finds_hidden_positives_where_no_threshold_on_the_cosine_does():
    n = 150
    anchors, items = grouped(0, n)
    run = inputs([(row, row) for row in range(n)], anchors, items)
    rows = np.tile(np.arange(n), 2)
    asked = np.concatenate([np.arange(n, 2 * n), np.arange(2 * n, 3 * n)])
    labels = np.arange(2 * n) < n
    cosine = run.vectors("model", "cosine").pair_scores(rows, asked)
    learnt = AdapterScorer(ambiguous=10, depth=60).open(run).score(rows, asked)
    assert auc(cosine, labels) < 0.9
    assert auc(learnt, labels) > 0.95
    assert ((learnt >= 0) & (learnt <= 1)).all()


@pytest.mark.parametrize("fields", [AdapterScorer(ambiguous=5, depth=30, folds=4)])
def test_an_anchor_is_scored_by_a_model_that_never_saw_it(fields):
    anchors, items = grouped(1, 40)
    pairs = [(row, row) for row in range(40)]
    run = inputs(pairs, anchors, items)
    opened = fields.open(run)
    # Other positives of the anchors of one fold change the models of all folds but theirs.
    moved = [(row, (row + 40) if opened.folds[row] == 2 else row) for row, _ in pairs]
    other = fields.open(inputs(moved, anchors, items))
    np.testing.assert_array_equal(other.folds, opened.folds)
    same = [np.array_equal(*pair) for pair in zip(other.models.weights, opened.models.weights, strict=True)]
    assert same == [False, False, True, False]
    theirs = np.flatnonzero(opened.folds == 2)
    np.testing.assert_array_equal(other.score(theirs, theirs), opened.score(theirs, theirs))


def test_it_is_the_same_each_time_and_in_any_block():
    anchors, items = grouped(2, 60)
    pairs = [(row, row) for row in range(60)]
    rows, asked = np.divmod(np.arange(60 * 90), 90)
    fields = AdapterScorer(ambiguous=5, depth=30)
    whole = fields.open(inputs(pairs, anchors, items)).score(rows, asked)
    small = fields.open(inputs(pairs, anchors, items, blocks=Blocks(3, 7, 5)))
    order = np.random.default_rng(0).permutation(len(rows))
    parts = [small.score(rows[part], asked[part]) for part in np.array_split(order, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[order])


def test_the_score_is_the_formula():
    anchors, items = grouped(3, 30)
    run = inputs([(row, row) for row in range(30)], anchors, items)
    opened = AdapterScorer(ambiguous=2, depth=20).open(run)
    left, right = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (anchors, items))
    rows, asked = np.divmod(np.arange(30 * 90), 90)
    q, d = left[rows], right[asked]
    features = np.concatenate([q * d, np.abs(q - d), (q * d).sum(axis=1, keepdims=True)], axis=1)
    np.testing.assert_allclose(features_of(opened.pair, rows, asked), features, rtol=0, atol=1e-6)
    model = opened.folds[rows]
    logits = (features * opened.models.weights[model]).sum(axis=1) + opened.models.offsets[model]
    np.testing.assert_allclose(opened.score(rows, asked), 1 / (1 + np.exp(-logits)), rtol=0, atol=1e-4)


def test_negatives_are_learnt_from_behind_the_ambiguous_band_and_from_all_items():
    anchors, items = grouped(4, 40)
    run = inputs([(row, row) for row in range(40)] + [(0, 41)], anchors, items)
    pair = run.vectors("model", "cosine")
    taught = pairs_to_learn(run, pair, (10, 20), (3, 0))
    negative = ~taught.labels
    assert taught.labels.sum() == 40
    assert negative.sum() == 120
    assert not run.positives.contains(taught.anchors[negative], taught.items[negative]).any()
    assert run.positives.contains(taught.anchors, taught.unseen).all()
    cosines = pair.pair_scores(*(side.ravel() for side in np.indices((40, 120)))).reshape(40, 120)
    cosines[run.positives.examples().anchors, run.positives.examples().positives] = -np.inf
    ranks = (-cosines).argsort(axis=1).argsort(axis=1) + 1
    at = ranks[taught.anchors[negative], taught.items[negative]]
    assert at.min() > 10
    assert at.max() <= 20
    anywhere = pairs_to_learn(run, pair, (0, 1), (0, 5))
    assert not run.positives.contains(anywhere.anchors[~anywhere.labels], anywhere.items[~anywhere.labels]).any()
    assert len(np.unique(anywhere.items)) > 60
    beyond = pairs_to_learn(run, pair, (500, 900), (3, 0))  # there are no such ranks
    assert beyond.labels.all()


def naive_fit(features, labels, ridge):
    """Fit by a slow, general method; features vary and none is missing."""
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    costs = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())

    def loss(at):
        logits = standard @ at[:-1] + at[-1]
        return (costs * np.logaddexp(0, np.where(labels, -logits, logits))).sum() + ridge / 2 * at[:-1] @ at[:-1]

    powell = {"method": "Powell", "options": {"xtol": 1e-9, "ftol": 1e-14}}
    direction = minimize(loss, np.zeros(features.shape[1] + 1), **powell).x[:-1]
    standard, ridge = (standard @ direction)[:, None], 1e-4
    stretch, offset = minimize(loss, np.zeros(2), **powell).x
    weights = stretch * direction / features.std(axis=0)
    return weights, offset - features.mean(axis=0) @ weights


def test_the_fit_is_the_minimum():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(80, 3)) * [1, 20, 0.01] + [0, 5, 1]
    labels = features[:, 0] + 0.05 * features[:, 1] + rng.normal(size=80) > 0.5
    folds = np.arange(80) % 2
    fitted = fit_folds(features, labels, folds, 2, 0.01)
    for fold in range(2):
        weights, offset = naive_fit(features[folds != fold], labels[folds != fold], 0.01)
        np.testing.assert_allclose(fitted.weights[fold], weights, rtol=2e-3)
        np.testing.assert_allclose(fitted.offsets[fold], offset, rtol=2e-3, atol=2e-3)


def test_features_that_say_nothing_or_are_missing():
    rng = np.random.default_rng(1)
    labels = np.arange(60) < 20
    features = np.stack([labels + 0.3 * rng.normal(size=60), np.full(60, 7.0), np.full(60, np.nan)], axis=1)
    features[::3, 0] = np.nan
    fitted = fit_folds(features, labels, np.arange(60) % 3, 3, 1e-3)
    assert (fitted.weights[:, 0] > 1).all()
    np.testing.assert_array_equal(fitted.weights[:, 1:], 0)
    assert np.isfinite(fitted.offsets).all()
    for fold in range(3):
        kept = features[np.arange(60) % 3 != fold, 0]
        np.testing.assert_allclose(fitted.means[fold, 0], np.nanmean(kept))


def test_folds_have_equal_sizes_and_depend_on_the_key():
    given = Relation.from_pairs(np.arange(0, 40, 2), np.zeros(20, np.int64), 41)
    folds = folds_of(given, 4, KEY)
    assert np.bincount(folds[::2][:20]).tolist() == [5, 5, 5, 5]
    assert not folds[1::2].any()
    assert not np.array_equal(folds, folds_of(given, 4, Key(1, "test", 0)))


def test_one_positive_is_drawn_of_each_anchor():
    pairs = np.array([(a, i) for a in range(30) for i in range(1 + a % 4)])
    given = Relation.from_pairs(pairs[:, 0], pairs[:, 1], 31)
    anchors, items = chosen_positives(given, 100, KEY)
    np.testing.assert_array_equal(anchors, np.arange(30))
    assert given.contains(anchors, items).all()
    assert len(np.unique(items)) == 4
    few = chosen_positives(given, 7, KEY)
    assert set(zip(*(side.tolist() for side in few), strict=True)) < set(
        zip(anchors.tolist(), items.tolist(), strict=True)
    )
    assert len(few[0]) == 7


def test_the_recipe_spares_hidden_positives():
    n = 150
    anchors, items = grouped(5, n)
    data = Collection.from_arrays([(row, row) for row in range(n)], anchors=n, items=3 * n)
    given = {"query_vectors": anchors.astype(np.float32), "item_vectors": items.astype(np.float32), "negatives": 8}
    narrow = ["source.dense.k=40", "scorers.adapter.ambiguous=10", "scorers.adapter.depth=60"]

    def hits(*settings):
        mined = foils.mine(data, "rrra", settings=[*narrow, *settings], **given)
        rows = mined.negatives.to_pylist()
        return sum(str(int(row["anchor_id"]) + n) in row["negative_ids"] for row in rows)

    assert hits() < 0.5 * hits("sampler.resample.gamma=0")


def test_too_few_anchors_teach_nothing():
    anchors, items = grouped(0, 8)
    run = inputs([(row, row) for row in range(8)], anchors, items)
    with pytest.raises(DataError, match="adapter learns from known positives, and only 8 anchors have one"):
        AdapterScorer().check(run)
