"""Weights of a training step in PyTorch, and the loss of soft labels."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import InputError
from foils.errors import DataError
from foils.rules import RelativeMargin
from foils.torch import Collator, InfoNCE, SymmetricKL, info_nce
from foils.torch.mined import Example, WeighedExample

BATCH, M, N, DIM, ITEMS = 5, 4, 3, 3, 9


def problem(seed, *, in_batch=True, own=True):
    rng = np.random.default_rng(seed)
    vectors = [torch.tensor(rng.standard_normal((BATCH, DIM)), requires_grad=True) for _ in range(2)]
    items = rng.integers(0, ITEMS, BATCH)
    table = rng.standard_normal((ITEMS + 1, DIM))
    shape = (BATCH, M) if own else (N,)
    negatives = rng.integers(-1, ITEMS, shape)
    given = torch.tensor(table[negatives], requires_grad=True)
    positives = vectors[1] if in_batch else vectors[1][:, None]
    weights = np.log(rng.random((BATCH, M if own else N)))
    if own:  # one weight per pair, whatever the column
        pairs = np.log(rng.random((BATCH, ITEMS + 1)))
        weights = np.take_along_axis(pairs, negatives, axis=1)
    arguments = {"anchors": np.arange(BATCH), "items": items, "negative_vectors": given, "negatives": negatives}
    return vectors[0], positives, arguments, weights


def expected(anchors, positives, arguments, weights, *, in_batch, own, temperature):
    """The loss by plain loops: every item once, with the weight of the pair where one was given."""
    total = []
    vectors = positives if positives.ndim == 2 else positives[:, 0]
    for row in range(BATCH):
        seen, negatives, target = set(), [], int(arguments["items"][row])
        listed = arguments["negatives"][row] if own else arguments["negatives"]
        known = {int(item): weights[row][place] for place, item in reversed(list(enumerate(listed))) if item >= 0}
        columns = list(zip(arguments["items"], vectors, strict=True)) if in_batch else []
        cells = arguments["negative_vectors"][row] if own else arguments["negative_vectors"]
        columns += list(zip(listed, cells, strict=True))
        for item, vector in columns:
            if item in seen or item in (-1, target):
                continue
            seen.add(int(item))
            negatives.append(anchors[row] @ vector / temperature + known.get(int(item), 0.0))
        logits = torch.stack([anchors[row] @ vectors[row] / temperature, *negatives])
        total.append(torch.logsumexp(logits, dim=0) - logits[0])
    return torch.stack(total)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("in_batch", "own"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_that_of_plain_loops(monkeypatch, seed, in_batch, own, tiled):
    if tiled:
        monkeypatch.setattr(info_nce, "TILE_CELLS", 16)
    anchors, positives, arguments, weights = problem(seed, in_batch=in_batch, own=own)
    leaves = [anchors, arguments["negative_vectors"]]
    out = InfoNCE(0.3)(anchors, positives, **arguments, log_weights=weights)
    want = expected(anchors, positives, arguments, weights, in_batch=in_batch, own=own, temperature=0.3)
    torch.testing.assert_close(out.per_anchor, want)
    for found, other in zip(
        torch.autograd.grad(out.loss, leaves),
        torch.autograd.grad(want.mean(), leaves, materialize_grads=True),
        strict=True,
    ):
        torch.testing.assert_close(found, other)


def bits(out, leaves):
    return [value.detach().numpy().tobytes() for value in (out.per_anchor, *torch.autograd.grad(out.loss, leaves))]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rules", [(), (RelativeMargin(0.1),)])
def test_zero_is_nothing_and_minus_infinity_is_the_mask_bit_for_bit(seed, rules):
    anchors, positives, arguments, weights = problem(seed, in_batch=False)
    leaves = [anchors, arguments["negative_vectors"]]
    loss = InfoNCE(0.3, rules=rules)
    plain = loss(anchors, positives, **arguments)
    zero = loss(anchors, positives, **arguments, log_weights=torch.zeros(BATCH, M))
    assert bits(plain, leaves) == bits(zero, leaves)
    absent = {**arguments, "negatives": np.where(np.arange(M) % 2, arguments["negatives"], -1)}
    absent = dict(arguments)
    same_items = np.isin(arguments["negatives"], arguments["negatives"][:, ::2])  # a pair has one weight
    weights = np.where(same_items, -np.inf, 0)
    absent["negatives"] = np.where(same_items, -1, arguments["negatives"])
    out = loss(anchors, positives, **arguments, log_weights=weights)
    assert bits(out, leaves) == bits(loss(anchors, positives, **absent), leaves)
    assert out.stats["masked_weightless"] > 0
    assert "masked_weightless" not in plain.stats


def test_an_anchor_whose_negatives_all_weigh_nothing_has_the_loss_zero():
    anchors, positives, arguments, weights = problem(0, in_batch=False)
    out = InfoNCE(0.3)(anchors, positives, **arguments, log_weights=np.full_like(weights, -np.inf))
    assert (out.per_anchor == 0).all()
    assert out.stats["negatives"] == 0
    assert not torch.autograd.grad(out.loss, anchors)[0].any()


def test_no_gradient_flows_through_weights():
    anchors, positives, arguments, weights = problem(0)
    given = torch.tensor(weights, requires_grad=True)
    out = InfoNCE(0.3)(anchors, positives, **arguments, log_weights=given)
    assert torch.autograd.grad(out.loss, [given], allow_unused=True) == (None,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w[:, :2], r"log_weights are \[5, 2\]; expected one per anchor and given negative, \[5, 4\]"),
        (lambda w: np.where(np.arange(M) == 1, np.nan, w), r"log_weights\[\d, 1\] is nan; expected a logarithm"),
        (lambda w: np.where(np.arange(M) == 2, np.inf, w), r"log_weights\[\d, 2\] is inf"),
    ],
)
def test_weights_that_are_none_are_refused(change, message):
    anchors, positives, arguments, weights = problem(0)
    arguments["negatives"] = np.abs(arguments["negatives"])
    with pytest.raises(DataError, match=message):
        InfoNCE(0.3)(anchors, positives, **arguments, log_weights=change(weights))


def test_a_collator_hands_on_the_weights():
    rows = np.array([3, -1])
    weighed = [WeighedExample(0, 1, rows, np.array([-0.5, -np.inf], np.float32))] * 2
    batch = Collator()(weighed)
    assert batch.log_weights.tolist() == [[-0.5, -np.inf]] * 2
    assert Collator()([Example(0, 1, rows)]).log_weights is None


# Soft labels


def divergence(p, q):
    return sum(a * (np.log(a) - np.log(b)) for a, b in zip(p, q, strict=True) if a > 0)


def softmax(values):
    shares = np.exp(np.asarray(values) - np.max(values))
    return shares / shares.sum()


finite = st.floats(-3, 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=6), st.floats(0.1, 2), st.floats(0.1, 2))
def test_it_is_half_of_both_divergences(pairs, temperature, judge_temperature):
    scores, labels = (np.array(side) for side in zip(*pairs, strict=True))
    p, q = softmax(labels / judge_temperature), softmax(scores / temperature)
    want = 0.5 * (divergence(p, q) + divergence(q, p))
    found = SymmetricKL(temperature, judge_temperature)(torch.tensor(scores)[None], torch.tensor(labels)[None])
    assert found.loss.item() == pytest.approx(want, rel=1e-6, abs=1e-9)
    swapped = SymmetricKL(judge_temperature, temperature)(torch.tensor(labels)[None], torch.tensor(scores)[None])
    assert swapped.loss.item() == pytest.approx(found.loss.item(), rel=1e-9, abs=1e-12)


def test_it_is_zero_just_where_both_agree_and_blind_to_constants():
    labels = torch.tensor([[0.9, 0.2, 0.4], [0.1, 0.8, 0.3]], dtype=torch.float64)
    loss = SymmetricKL(0.1, 0.2)
    assert loss(labels / 2 + 5, labels).loss.item() == pytest.approx(0, abs=1e-12)
    scores = torch.tensor([[0.3, 0.5, 0.1], [0.6, 0.2, 0.9]], dtype=torch.float64)
    moved = loss(scores + torch.tensor([[2.0], [-1.0]]), labels - 7)
    torch.testing.assert_close(moved.per_anchor, loss(scores, labels).per_anchor)
    assert (loss(scores, labels).per_anchor > 0.01).all()


def test_a_certain_judge_is_cross_entropy_and_its_reverse():
    """P → one-hot at the positive: KL(P‖Q) → −log Q of it, and both stay finite."""
    scores = torch.tensor([[0.5, 0.4, 0.1]], dtype=torch.float64)
    labels = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    out = SymmetricKL(0.1, 0.001)(scores, labels)
    q = softmax(scores[0].numpy() / 0.1)
    assert out.loss.item() == pytest.approx(
        0.5 * (-np.log(q[0]) + q[1:].sum() * 1000 + divergence(q, np.ones(3))), rel=1e-6
    )


def test_what_is_not_judged_is_left_out_in_value_and_gradient():
    scores = torch.tensor([[0.5, 0.4, 9.0, 0.1], [1.0, 2.0, 3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([[1.0, 0.6, np.nan, 0.0], [np.nan] * 4], dtype=torch.float64)
    out = SymmetricKL(0.3)(scores, labels)
    alone = SymmetricKL(0.3)(scores[:1, [0, 1, 3]], labels[:1, [0, 1, 3]])
    torch.testing.assert_close(out.per_anchor[0], alone.loss)
    assert out.per_anchor[1] == 0
    gradient = torch.autograd.grad(out.loss, scores)[0]
    assert torch.isfinite(gradient).all()
    assert not gradient[0, 2]
    assert not gradient[1].any()
    assert gradient[0, 0]
    assert out.stats["listed"] == 1.5


def test_its_gradient_is_right():
    rng = np.random.default_rng(0)
    scores = torch.tensor(rng.standard_normal((2, 4)), requires_grad=True)
    labels = torch.tensor(rng.random((2, 4)))
    labels[0, 3] = torch.nan
    assert torch.autograd.gradcheck(lambda given: SymmetricKL(0.5, 0.2)(given, labels).loss, [scores])


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="judge_temperature is 0; expected a number above 0"):
        SymmetricKL(0.1, 0)
    with pytest.raises(InputError, match="temperature is 'hot'"):
        SymmetricKL("hot")
    with pytest.raises(DataError, match=r"scores are \[2, 3\] and labels \[2, 2\]"):
        SymmetricKL()(torch.zeros(2, 3), torch.zeros(2, 2))
