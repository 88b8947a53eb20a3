"""The training of an adapter agrees with PyTorch's autograd and its AdamW."""

import numpy as np
import pytest
import torch

from foils.search import Vectors
from foils.training import AdapterSettings, Cells
from foils.training.adapter_state import AdapterState
from foils.training.adapter_step import adapter_step
from foils.training.batches import Batch

DIM = 6


def unit_rows(rng, rows):
    vectors = rng.standard_normal((rows, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype(np.float32)


def torch_loss(queries, items, deltas, batch, temperature):
    eye = torch.eye(DIM, dtype=torch.float64)
    q, c = (
        torch.nn.functional.normalize(torch.tensor(side, dtype=torch.float64) @ (eye + delta))
        for side, delta in zip((queries[batch.anchors], items[batch.items]), deltas, strict=True)
    )
    hidden = torch.zeros((len(q), len(c)), dtype=torch.bool)
    hidden[batch.masked] = True
    logits = (q @ c.T / temperature).masked_fill(hidden, -torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.as_tensor(batch.targets))


@pytest.mark.parametrize("sides", ["query", "both"])
def test_steps_are_adamw_on_the_gradient_of_autograd(sides):
    rng = np.random.default_rng(3)
    queries, items = unit_rows(rng, 12), unit_rows(rng, 15)
    settings = AdapterSettings(sides=sides, learning_rate=0.01, decay=2.0, temperature=0.2)
    state = AdapterState.start(DIM, both=sides == "both")
    leaves = [torch.zeros((DIM, DIM), dtype=torch.float64, requires_grad=True) for _ in range(2)]
    trained = leaves if sides == "both" else leaves[:1]
    optimiser = torch.optim.AdamW(trained, lr=0.01, weight_decay=2.0, eps=1e-8, betas=(0.9, 0.999))
    vectors = Vectors(queries, "cosine"), Vectors(items, "cosine")
    for step in range(6):
        anchors = rng.choice(12, 5, replace=False)
        columns = np.sort(rng.choice(15, 8, replace=False))
        targets = rng.integers(0, 8, 5)
        masked = Cells(np.array([0, 1]), (targets[:2] + 1) % 8)
        batch = Batch(anchors, columns, targets, masked)
        loss = adapter_step(state, vectors, batch, settings)
        optimiser.zero_grad()
        expected = torch_loss(queries, items, leaves, batch, 0.2)
        expected.backward()
        optimiser.step()
        assert loss == pytest.approx(expected.item(), rel=1e-5), step
        for mine, theirs in zip(state.deltas, leaves, strict=True):
            if mine is None:
                assert not theirs.any()
            else:
                assert np.abs(mine).max() > 0.005
                np.testing.assert_allclose(mine, theirs.detach().numpy(), atol=2e-5)
