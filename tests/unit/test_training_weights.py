"""Log-weights in training: the loss and its gradient, which cells they reach, and what a training follows from."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import Collection, InputError
from foils.errors import DataError
from foils.training import (
    AdapterSettings,
    Cells,
    MinedNegatives,
    Offsets,
    StaticSettings,
    as_rows,
    fit_adapter,
    fit_static,
    info_nce,
)
from foils.training.adapter_identity import pool_digest, weights_identity
from foils.training.batches import batch_of
from foils.training.pool import Pool
from foils.weights import NoiseTransition, Soft

TEMPERATURE = 0.3


def step(seed, anchors=4, items=6, dim=3):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, items, anchors)
    masked = rng.random((anchors, items)) < 0.2
    masked[np.arange(anchors), targets] = False
    cells = Cells(*np.nonzero((rng.random((anchors, items)) < 0.4) & (np.arange(items) != targets[:, None])))
    weights = np.log(rng.random(len(cells.rows))).astype(np.float32)
    vectors = rng.standard_normal((anchors, dim)), rng.standard_normal((items, dim))
    return vectors, targets, masked, Offsets(cells, weights)


def as_torch(vectors, targets, masked, offsets):
    anchors, items = (torch.tensor(side, requires_grad=True) for side in vectors)
    logits = anchors @ items.T / TEMPERATURE
    added = torch.zeros_like(logits)
    added[offsets.cells.rows, offsets.cells.columns] = torch.tensor(offsets.log_weights).double()
    logits = (logits + added).masked_fill(torch.tensor(masked), -torch.inf)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(targets))
    loss.backward()
    return loss.item(), anchors.grad.numpy(), items.grad.numpy()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_loss_and_gradients_are_those_of_pytorch(seed):
    problem = step(seed)
    out = info_nce(*problem[0], *problem[1:3], TEMPERATURE, problem[3])
    for found, expected in zip(out, as_torch(*problem), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_gradients_are_those_of_finite_differences():
    vectors, targets, masked, offsets = step(5)
    out = info_nce(*vectors, targets, masked, TEMPERATURE, offsets)
    width = 1e-6
    for side, gradient in enumerate((out.anchors, out.items)):
        for place in np.ndindex(*vectors[side].shape):
            losses = []
            for sign in (1, -1):
                moved = [array.copy() for array in vectors]
                moved[side][place] += sign * width
                losses.append(info_nce(*moved, targets, masked, TEMPERATURE, offsets).loss)
            assert (losses[0] - losses[1]) / (2 * width) == pytest.approx(gradient[place], abs=1e-7)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(5))
def test_minus_infinity_is_the_mask_and_zero_is_nothing_bit_for_bit(seed, dtype):
    vectors, targets, masked, offsets = step(seed)
    vectors = [side.astype(dtype) for side in vectors]

    def bits(mask, given):
        out = info_nce(*vectors, targets, mask, TEMPERATURE, given)
        return out.loss, out.anchors.tobytes(), out.items.tobytes()

    cells, out_of_it = offsets.cells, masked.copy()
    out_of_it[cells] = True
    assert bits(masked, Offsets(cells, np.full(len(cells.rows), -np.inf, np.float32))) == bits(out_of_it, None)
    assert bits(masked, Offsets(cells, np.zeros(len(cells.rows), np.float32))) == bits(masked, None)


def pool_of(mined, positives):
    return Pool.of(positives.examples(), positives, mined, np.ones(positives.n_items, bool))


@pytest.fixture
def positives():
    return Collection.from_arrays(np.array([[0, 0], [0, 1], [1, 2], [2, 3]]), anchors=3, items=9).positives()


with np.errstate(divide="ignore"):
    LOGS = np.log(np.array([[0.5, 0.25, 1], [0.75, 0.125, 0.0625], [1, 0.3, 0]], np.float32))
MINED = MinedNegatives(np.array([0, 1, 2]), np.array([[4, 5, -1], [4, 0, 3], [6, 7, 8]]), LOGS)


@pytest.mark.parametrize("negatives", ["both", "mined"])
def test_weights_reach_their_pairs_wherever_the_item_comes_from(positives, negatives):
    pool = pool_of(MINED, positives)
    batch = batch_of(
        pool, StaticSettings(negatives=negatives, mined_per_anchor=3, batch_size=9), np.arange(len(pool.examples)), 0, 0
    )
    found = np.ones((len(batch.anchors), len(batch.items)))
    found[batch.offsets.cells] = np.exp(batch.offsets.log_weights)
    weights = {
        (0, 4): 0.5, (0, 5): 0.25, (1, 4): 0.75, (1, 0): 0.125, (1, 3): 0.0625, (2, 7): 0.3, (2, 8): 0.0
    }  # fmt: skip
    for row, anchor in enumerate(batch.anchors):
        for column, item in enumerate(batch.items):
            expected = weights.get((anchor, item), 1.0)  # anchor 1 meets 0 and 3 as positives of the others
            assert found[row, column] == pytest.approx(expected, rel=1e-6)


def test_a_pair_that_is_repeated_has_its_lowest_weight(positives):
    rows = np.array([[4, 5], [5, 4]])
    pool = pool_of(MinedNegatives(np.zeros(2, int), rows, np.array([[-1, -2], [-3, -0.5]], np.float32)), positives)
    assert pool.mined_items.tolist() == [4, 5]
    assert pool.mined_log_weights.tolist() == [-1, -3]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((3, 2), np.float32), r"float32\[3, 2\]; expected float32 \[3, 3\]"),
        (np.zeros((3, 3), int), r"log_weights are int64\[3, 3\]"),
        (np.full((3, 3), np.nan, np.float32), "hold NaN or numbers above 0"),
        (np.full((3, 3), 0.5, np.float32), "hold NaN or numbers above 0"),
    ],
)
def test_weights_that_are_none_are_refused(positives, weights, message):
    with pytest.raises(DataError, match=message):
        pool_of(MinedNegatives(MINED.anchors, MINED.items, weights), positives)


def test_what_is_absent_needs_no_weight(positives):
    weights = MINED.log_weights.copy()
    weights[0, 2] = np.nan
    assert np.isfinite(
        pool_of(MinedNegatives(MINED.anchors, MINED.items, weights), positives).mined_log_weights[:2]
    ).all()


def world(n=40):
    rng = np.random.default_rng(0)
    words = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (2, n, 6))
    texts = [[" ".join(row) for row in side] for side in words]
    data = Collection.from_arrays(np.tile(np.arange(n), (2, 1)).T, anchors=texts[0], items=texts[1])
    mined = np.stack([(np.arange(n) + shift) % n for shift in (1, 2, 3)], axis=1)
    vectors = rng.standard_normal((n, 8)), rng.standard_normal((n, 8))
    return data, mined, [side.astype(np.float32) for side in vectors]


def test_models_follow_the_weights():
    data, mined, vectors = world()
    anchors = np.arange(len(mined))
    zeros, some = np.zeros(mined.shape, np.float32), np.full(mined.shape, -2, np.float32)

    def static(weights):
        given = MinedNegatives(anchors, mined, weights)
        return fit_static(data, mined=given, settings=StaticSettings(dim=8, epochs=2, batch_size=10)).digest

    def adapter(weights):
        settings = AdapterSettings(epochs=2, batch_size=10, patience=0)
        return fit_adapter(
            data, *vectors, mined=MinedNegatives(anchors, mined, weights), settings=settings
        ).adapter.digest

    for fit in (static, adapter):
        assert fit(zeros) == fit(None) != fit(some)


def test_negatives_without_weight_are_as_if_they_were_not_mined():
    data, mined, _ = world()
    settings = StaticSettings(dim=8, epochs=2, batch_size=10, negatives="mined", mined_per_anchor=3)
    weights = np.zeros(mined.shape, np.float32)
    weights[:, 2] = -np.inf
    fewer = np.where(weights == 0, mined, -1)

    def digest(items, log_weights):
        given = MinedNegatives(np.arange(len(mined)), items, log_weights)
        return fit_static(data, mined=given, settings=settings).embeddings

    np.testing.assert_allclose(digest(mined, weights), digest(fewer, None), atol=1e-6)


def test_the_weights_are_in_the_identity(positives):
    assert weights_identity(None) == {}
    assert weights_identity(NoiseTransition(label_miss_rate=0.2)) != weights_identity(NoiseTransition())
    assert weights_identity(Soft()) == {"weights": {"Soft": {}}}
    plain = pool_of(MinedNegatives(MINED.anchors, MINED.items), positives)
    assert pool_digest(plain) != pool_digest(pool_of(MINED, positives))


@pytest.mark.parametrize("mined", [None, MINED, object()])
def test_weights_need_a_result(mined):
    data, _, _ = world()
    with pytest.raises(InputError, match=r"mined result|expected a Mined"):
        as_rows(mined, data, "train", Soft())


def recall(seed, probabilities):
    """Train an adapter with mined negatives of which two in four are positive; share of the topic among the first four.

    Args:
        seed: of the data.
        probabilities: p of the hidden positives, and of the others.
    """
    rng = np.random.default_rng(seed)
    topics, per_topic, dim = 60, 4, 12
    centres = rng.standard_normal((topics, dim))
    items = np.repeat(centres, per_topic, axis=0) + 0.6 * rng.standard_normal((topics * per_topic, dim))
    topic = np.arange(3 * topics) % topics
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    queries = 0.7 * (centres[topic] @ turn + centres[topic]) + 0.4 * rng.standard_normal((3 * topics, dim))
    place = rng.integers(0, per_topic, len(topic))
    pairs = np.stack([np.arange(len(topic)), topic * per_topic + place], axis=1)
    hidden = topic[:, None] * per_topic + (place[:, None] + [1, 2]) % per_topic
    others = (hidden + rng.integers(per_topic, (topics - 1) * per_topic, hidden.shape)) % len(items)
    with np.errstate(divide="ignore"):
        weights = np.log1p(-np.repeat(np.float32(probabilities), 2)[None].repeat(len(topic), axis=0))
    mined = MinedNegatives(np.arange(len(topic)), np.concatenate([hidden, others], axis=1), weights)
    settings = AdapterSettings(
        epochs=30, batch_size=30, patience=0, learning_rate=3e-3, negatives="mined", temperature=0.1
    )
    queries, items = (side.astype(np.float32) for side in (queries, items))
    data = Collection.from_arrays(pairs, anchors=len(queries), items=len(items))
    found = fit_adapter(data, queries, items, mined=mined, settings=settings, seed=seed).adapter
    cosines = found.queries(queries) @ (items / np.linalg.norm(items, axis=1, keepdims=True)).T
    return (np.argsort(-cosines, axis=1)[:, :per_topic] // per_topic == topic[:, None]).mean()


@pytest.mark.parametrize("seed", range(3))
def test_right_probabilities_make_a_better_model(seed):
    full, soft, certain = (recall(seed, probabilities) for probabilities in ((0, 0), (0.9, 0.05), (1, 0)))
    assert min(soft, certain) > full + 0.04
