"""The loss, its gradients and the training step agree with PyTorch's autograd."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import Collection
from foils.training import Cells, StaticSettings, bag_collection, fit_static, info_nce


def torch_loss(anchors, items, targets, masked, temperature):
    logits = anchors @ items.T / temperature
    hidden = torch.zeros(logits.shape, dtype=torch.bool)
    hidden[masked.rows, masked.columns] = True
    return torch.nn.functional.cross_entropy(logits.masked_fill(hidden, -torch.inf), torch.as_tensor(targets))


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_anchors=st.integers(1, 7),
    n_items=st.integers(1, 9),
    masked_share=st.sampled_from([0.0, 0.3, 1.0]),
    temperature=st.sampled_from([0.02, 0.05, 1.0]),
)
def test_loss_and_gradients_equal_autograd(seed, n_anchors, n_items, masked_share, temperature):
    rng = np.random.default_rng(seed)
    anchors, items = rng.standard_normal((n_anchors, 4)), rng.standard_normal((n_items, 4))
    targets = rng.integers(0, n_items, n_anchors)
    hidden = rng.random((n_anchors, n_items)) < masked_share
    hidden[np.arange(n_anchors), targets] = False
    masked = Cells(*np.nonzero(hidden))

    out = info_nce(anchors, items, targets, masked, temperature)
    by_table = info_nce(anchors, items, targets, hidden, temperature)
    assert by_table.loss == out.loss
    assert by_table.items.tobytes() == out.items.tobytes()

    leaves = [torch.tensor(vectors, requires_grad=True) for vectors in (anchors, items)]
    loss = torch_loss(*leaves, targets, masked, temperature)
    loss.backward()
    assert out.loss == pytest.approx(loss.item(), rel=1e-10, abs=1e-10)
    np.testing.assert_allclose(out.anchors, leaves[0].grad.numpy(), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(out.items, leaves[1].grad.numpy(), rtol=1e-10, atol=1e-10)


def test_float32_stays_float32_and_is_close():
    rng = np.random.default_rng(0)
    anchors, items = (rng.standard_normal((n, 16)).astype(np.float32) for n in (20, 30))
    anchors, items = (vectors / np.linalg.norm(vectors, axis=1)[:, None] for vectors in (anchors, items))
    targets, masked = np.arange(20), Cells(np.array([0, 3]), np.array([5, 5]))
    single = info_nce(anchors, items, targets, masked, 0.05)
    double = info_nce(anchors.astype(np.float64), items.astype(np.float64), targets, masked, 0.05)
    assert single.anchors.dtype == single.items.dtype == np.float32
    assert single.loss == pytest.approx(double.loss, rel=1e-5)
    np.testing.assert_allclose(single.anchors, double.anchors, atol=1e-5)
    np.testing.assert_allclose(single.items, double.items, atol=1e-5)


def token_gradient(embeddings, bags, targets, masked, temperature):
    """The gradient of one batch by the token vectors, in float64, through normalisation and mean."""
    leaf = torch.tensor(embeddings, dtype=torch.float64, requires_grad=True)
    anchors, items = (
        torch.nn.functional.normalize(torch.tensor(side.toarray(), dtype=torch.float64) @ leaf)
        for side in (bags.anchors, bags.items)
    )
    torch_loss(anchors, items, targets, masked, temperature).backward()
    return leaf.grad.numpy()


def test_a_training_step_is_adagrad_on_the_gradient_of_autograd():
    anchors = ["how to sort a list", "open a file for reading", "read a file", "length of a list"]
    items = ["sorted gives a list in order", "open reads or writes a file", "len counts what is in a list"]
    pairs = np.array([[0, 0], [1, 1], [2, 1], [3, 2]])
    collection = Collection.from_arrays(pairs, anchors=anchors, items=items)
    bags = bag_collection(collection, vocabulary_size=300)
    none = Cells(np.zeros(0, int), np.zeros(0, int))
    rate = 0.05

    def weights(epochs):
        chosen = StaticSettings(epochs=epochs, dim=8, learning_rate=rate, temperature=0.1)
        return fit_static(collection, bags=bags, settings=chosen).embeddings

    steps = [weights(epochs) for epochs in (0, 1, 2)]
    squares = np.zeros((len(steps[0]), 1))
    for before, after in pairwise(steps):
        gradient = token_gradient(before, bags, pairs[:, 1], none, 0.1)
        squares += (gradient**2).sum(axis=1, keepdims=True)
        move = np.divide(rate * gradient, np.sqrt(squares), out=np.zeros_like(gradient), where=squares > 0)
        assert np.abs(move).max() > 0.01
        np.testing.assert_allclose(after, before - move, atol=2e-5)
