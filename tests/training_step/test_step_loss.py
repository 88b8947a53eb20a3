"""InfoNCE of a training step: equal to plain loops in value and gradient, whatever the tiles, shapes and masks."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import Collection, InputError
from foils.errors import DataError
from foils.rules import AbsoluteMargin, MaxScore, MeanStd, RelativeMargin
from foils.torch import Guide, InfoNCE
from foils.training import info_nce
from foils.training.batches import known_cells

N_ANCHORS, N_ITEMS, DIM = 8, 12, 4
TEMPERATURE = 0.3


def relation(rng, density=0.25):
    cells = np.argwhere(rng.random((N_ANCHORS, N_ITEMS)) < density)
    pairs = np.concatenate([cells, [[0, 0]]])
    return Collection.from_arrays(pairs, anchors=N_ANCHORS, items=N_ITEMS).positives()


def leaf(rng, *shape):
    return torch.tensor(rng.standard_normal(shape), requires_grad=True)


def problem(seed, *, in_batch, kind, with_law, n=5, m=3, batch=6):
    """Draw a step with everything awkward: repeated anchors and items, new ones, absent ones, known positives."""
    rng = np.random.default_rng(seed)
    anchors = rng.integers(-2, N_ANCHORS, batch)
    anchors[anchors == -1] = -2
    items = rng.integers(-2, N_ITEMS, batch)
    items[items == -1] = -2
    positives = leaf(rng, batch, DIM)
    arguments = {"anchors": anchors, "items": items}
    shape = {"none": None, "shared": (n,), "own": (batch, m)}[kind]
    vectors = None
    if shape is not None:
        vectors = leaf(rng, *shape, DIM)
        arguments |= {"negative_vectors": vectors, "negatives": rng.integers(-2, N_ITEMS, shape)}
    if with_law:
        if in_batch:
            arguments["positive_log_q"] = rng.normal(size=batch)
        if shape is not None:
            law = rng.normal(size=shape)
            law[arguments["negatives"] == -1] = np.nan
            arguments["log_q"] = law
    return leaf(rng, batch, DIM), positives, vectors, arguments, relation(rng)


def cells_of(anchor_vectors, positive_vectors, vectors, arguments, *, in_batch, row):
    """List what one anchor sees: item, vector, log q, whether it is the target."""
    found = []
    if in_batch:
        law = arguments.get("positive_log_q", np.zeros(len(anchor_vectors)))
        for other, item in enumerate(arguments["items"].tolist()):
            found.append((item, positive_vectors[other], law[other], other == row))
    if vectors is not None:
        items, law = arguments["negatives"], arguments.get("log_q")
        mine = (items, vectors) if items.ndim == 1 else (items[row], vectors[row])
        law = np.zeros(len(mine[0])) if law is None else law if items.ndim == 1 else law[row]
        found += [(item, vector, q, False) for item, vector, q in zip(mine[0].tolist(), mine[1], law, strict=True)]
    return found


def naive(anchor_vectors, positive_vectors, vectors, arguments, positives, *, in_batch, rules=(), guide=None):
    """Compute the loss of each anchor by plain loops; rules by their formulas."""
    with_law = "log_q" in arguments or "positive_log_q" in arguments
    losses, counted, reasons = [], 0, {"absent": 0, "known_positive": 0, "repeated": 0, "rule": 0}
    for row, anchor in enumerate(arguments["anchors"].tolist()):
        own = arguments["items"][row]
        known = {own} if own >= 0 else set()
        if positives is not None and anchor >= 0:
            known |= set(positives.row(anchor).tolist())
        positive = anchor_vectors[row] @ positive_vectors[row]
        logits, seen = [positive / TEMPERATURE], set()
        for place, (item, vector, q, is_target) in enumerate(
            cells_of(anchor_vectors, positive_vectors, vectors, arguments, in_batch=in_batch, row=row)
        ):
            if is_target:
                seen |= {item} if item >= 0 else set()
                continue
            score = anchor_vectors[row] @ vector
            if item == -1:
                reasons["absent"] += 1
            elif item in known:
                reasons["known_positive"] += 1
            elif item in seen and not with_law:
                reasons["repeated"] += 1
            elif any(rejects(rule, *(guide(row, place) if guide else (positive, score))) for rule in rules):
                reasons["rule"] += 1
                seen |= {item} if item >= 0 else set()
            else:
                counted += 1
                logits.append(score / TEMPERATURE - (q if with_law else 0.0))
                seen |= {item} if item >= 0 else set()
        losses.append(torch.logsumexp(torch.stack(logits), 0) - logits[0])
    return torch.stack(losses), counted, reasons


def rejects(rule, positive, score):
    if isinstance(rule, MaxScore):
        return score >= rule.threshold
    if isinstance(rule, AbsoluteMargin):
        return score >= positive - rule.margin
    return score >= positive - rule.margin * abs(positive)


def gradients(loss, leaves):
    return torch.autograd.grad(loss, [leaf for leaf in leaves if leaf is not None], allow_unused=True)


def assert_equal_gradients(found, expected):
    for one, other in zip(found, expected, strict=True):
        zero = torch.zeros_like(one if one is not None else other) if one is not None or other is not None else None
        torch.testing.assert_close(zero if one is None else one, zero if other is None else other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["none", "shared", "own"])
@pytest.mark.parametrize("in_batch", [True, False])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    with_law=st.booleans(),
    knows=st.booleans(),
    tile=st.sampled_from([1, 20, 1 << 22]),
    rules=st.sampled_from([(), (MaxScore(0.5),), (RelativeMargin(0.3),), (AbsoluteMargin(0.4), MaxScore(1.0))]),
)
def test_it_equals_plain_loops(in_batch, kind, seed, with_law, knows, tile, rules):
    anchor, positive, vectors, arguments, positives = problem(seed, in_batch=in_batch, kind=kind, with_law=with_law)
    positives = positives if knows else None
    expected, counted, reasons = naive(anchor, positive, vectors, arguments, positives, in_batch=in_batch, rules=rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("foils.torch.info_nce.TILE_CELLS", tile)
        given_positive = positive if in_batch else positive[:, None]
        out = InfoNCE(TEMPERATURE, positives=positives, rules=rules)(anchor, given_positive, **arguments)
        found = gradients(out.loss, (anchor, positive, vectors))
    torch.testing.assert_close(out.per_anchor, expected, rtol=1e-10, atol=1e-10)
    assert out.loss.item() == pytest.approx(expected.mean().item(), rel=1e-10)
    assert_equal_gradients(found, gradients(expected.mean(), (anchor, positive, vectors)))
    assert out.stats["negatives"].item() * len(expected) == pytest.approx(counted)
    total = counted + sum(reasons.values())
    for name in ("absent", "known_positive", "repeated"):
        assert out.stats[f"masked_{name}"].item() == pytest.approx(reasons[name] / max(total, 1))
    by_rule = [value.item() for name, value in out.stats.items() if name.removeprefix("masked_") in
               ("max_score", "absolute_margin", "relative_margin")]  # fmt: skip
    assert sum(by_rule) == pytest.approx(reasons["rule"] / max(total, 1))
    assert len(by_rule) == len(rules)


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_loss_in_numpy(seed):
    rng = np.random.default_rng(seed)
    positives = relation(rng)
    items = np.sort(rng.choice(N_ITEMS, 9, replace=False))
    targets = rng.choice(9, 6, replace=False)
    anchors = rng.choice(N_ANCHORS, 6, replace=False)
    sides = rng.standard_normal((6, DIM)), rng.standard_normal((9, DIM))
    expected = info_nce(*sides, targets, known_cells(positives, anchors, items, targets), TEMPERATURE)
    queries, columns = (torch.tensor(side, requires_grad=True) for side in sides)
    rest = np.setdiff1d(np.arange(9), targets)
    out = InfoNCE(TEMPERATURE, positives=positives)(
        queries, columns[targets], anchors=anchors, items=items[targets],
        negative_vectors=columns[rest], negatives=items[rest],
    )  # fmt: skip
    out.loss.backward()
    assert out.loss.item() == pytest.approx(expected.loss, rel=1e-10)
    np.testing.assert_allclose(queries.grad, expected.anchors, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(columns.grad, expected.items, rtol=1e-9, atol=1e-10)


def test_a_row_without_negatives_has_loss_and_gradient_zero():
    noise = torch.Generator().manual_seed(3)
    anchor, positive = (torch.randn(3, DIM, generator=noise, requires_grad=True) for _ in range(2))
    own = torch.randn(3, 2, DIM, generator=noise, requires_grad=True)
    out = InfoNCE(0.02)(
        anchor, positive[:, None], anchors=[0, 1, 2] @ np.eye(3, dtype=int), items=np.array([0, 1, 2]),
        negative_vectors=own, negatives=np.array([[-1, -1], [1, 1], [5, 6]]),
    )  # fmt: skip
    out.loss.backward()
    assert out.per_anchor[:2].tolist() == [0.0, 0.0]
    assert out.per_anchor[2] > 0
    for grown in (anchor.grad, positive.grad, own.grad):
        assert torch.isfinite(grown).all()
        assert not grown[:2].any()
        assert grown[2].any()


@pytest.mark.parametrize("in_batch", [True, False])
def test_an_empty_batch_has_loss_zero(in_batch):
    anchor = torch.zeros(0, DIM, requires_grad=True)
    positive = torch.zeros(0, DIM) if in_batch else torch.zeros(0, 1, DIM)
    none = np.zeros(0, np.int64)
    out = InfoNCE(0.1)(anchor, positive, anchors=none, items=none)
    out.loss.backward()
    assert out.loss.item() == 0
    assert out.per_anchor.shape == (0,)
    assert all(torch.isfinite(value) for value in out.stats.values())


def test_one_own_negative_without_the_batch_is_bpr():
    anchor, positive, negative = (torch.randn(5, DIM, dtype=torch.float64) for _ in range(3))
    rows = np.arange(5)
    out = InfoNCE(1.0)(
        anchor, positive[:, None], anchors=rows, items=rows, negative_vectors=negative[:, None],
        negatives=rows[:, None] + 5,
    )  # fmt: skip
    margin = (anchor * negative).sum(1) - (anchor * positive).sum(1)
    torch.testing.assert_close(out.per_anchor, torch.nn.functional.softplus(margin))


# --- rules and guides -------------------------------------------------------------------------------------------------


def guided(seed, rules, *, student=1.0, extra=None):
    """Give a step of nine examples with a guide; ``extra`` adds a shared negative of the given guide vector."""
    rng = np.random.default_rng(seed)
    anchor, positive, negative = (torch.tensor(student * rng.standard_normal((9, DIM)), requires_grad=True)
                                  for _ in range(3))  # fmt: skip
    views = [torch.nn.functional.normalize(torch.tensor(rng.standard_normal((9, 6)))) for _ in range(3)]
    rows, shared, seen = np.arange(9), negative, views[2]
    if extra is not None:
        shared, seen = torch.cat([negative, torch.ones(1, DIM)]), torch.cat([views[2], extra(views)])
    out = InfoNCE(TEMPERATURE, rules=rules)(
        anchor, positive, anchors=rows, items=rows, negative_vectors=shared, negatives=np.full(len(shared), -2),
        guide=Guide(views[0], views[1], seen),
    )  # fmt: skip
    return out, gradients(out.loss, (anchor, positive, negative)), views


@pytest.mark.parametrize("rule", [AbsoluteMargin(0.0), AbsoluteMargin(0.2), RelativeMargin(0.3), MaxScore(0.4)])
def test_the_guide_decides_and_the_student_does_not(rule):
    """GISTEmbed's rule: what the guide scores at or above the positive is no negative."""
    out, _, (queries, positives, negatives) = guided(0, [rule])
    sure = (queries * positives).sum(1, keepdim=True)
    scores = torch.cat([queries @ positives.T, queries @ negatives.T], dim=1)
    out_of_it = rejects_all(rule, sure, scores)
    out_of_it[:, :9].fill_diagonal_(False)  # the target is no cell
    (name,) = [name for name in out.stats if "margin" in name or "max_score" in name]
    assert out.stats[name].item() == pytest.approx(out_of_it.sum().item() / (9 * 18 - 9))
    assert 0 < out_of_it.sum() < 9 * 17
    assert guided(0, [rule], student=3.0)[0].stats[name] == out.stats[name]


def rejects_all(rule, positive, scores):
    if isinstance(rule, MaxScore):
        return scores >= rule.threshold
    share = abs(positive) if isinstance(rule, RelativeMargin) else 1.0
    return scores >= positive - rule.margin * share


def test_a_candidate_above_the_positive_changes_no_bit():
    rules = [AbsoluteMargin(0.0)]
    plain, grown, _ = guided(1, rules)
    more, grown_more, _ = guided(1, rules, extra=above_all)
    assert torch.equal(plain.per_anchor, more.per_anchor)
    assert all(torch.equal(one, other) for one, other in zip(grown, grown_more, strict=True))


def above_all(views):
    """Find a vector that every anchor of the guide scores above its positive."""
    sure = (views[0] * views[1]).sum(1)
    solved = torch.linalg.lstsq(views[0], sure + 5.0).solution[None]
    assert (views[0] @ solved[0] > sure).all()
    return solved


def test_more_margin_masks_more():
    shares = [guided(2, [AbsoluteMargin(m)])[0].stats["masked_absolute_margin"].item() for m in (0.0, 0.1, 0.4, 2.5)]
    assert shares == sorted(shares)
    assert len(set(shares)) == 4
    assert shares[-1] == 1.0


def test_a_rule_may_ask_for_the_students_scores():
    own = guided(3, [MaxScore(0.1, column="student")])[0].stats["masked_max_score"]
    assert own != guided(3, [MaxScore(0.1)])[0].stats["masked_max_score"]
    assert guided(3, [MaxScore(0.1, column="guide")])[0].stats == guided(3, [MaxScore(0.1)])[0].stats


def test_mean_std_looks_at_what_is_left():
    """Known positives are no candidates, so they move no mean; the rest is judged as mining would."""
    scores = torch.tensor([[1.0, 5.0, 0.0, 0.1, 0.2, 0.1, 1.5]])
    anchor, columns = torch.ones(1, 1), scores.T.clone()
    items = np.array([1, 2, 3, 4, 5, 6])
    positives = Collection.from_arrays([(0, 0), (0, 1)], anchors=1, items=9).positives()
    out = InfoNCE(1.0, positives=positives, rules=[MeanStd(deviations=1.5)])(
        anchor, columns[:1], anchors=np.array([0]), items=np.array([0]), negative_vectors=columns[1:], negatives=items
    )
    assert out.stats["masked_known_positive"].item() == pytest.approx(1 / 6)
    assert out.stats["masked_mean_std"].item() == pytest.approx(1 / 6)
    assert out.loss.item() == pytest.approx(np.log(np.exp([1.0, 0.0, 0.1, 0.2, 0.1]).sum()) - 1.0, rel=1e-6)


# --- memory, precision ------------------------------------------------------------------------------------------------


def kept_bytes(batch):
    """Count what a step keeps for its gradient; of tiles that are computed again, nothing."""
    kept = {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    rng = np.random.default_rng(0)
    sides = [torch.tensor(rng.standard_normal((batch, 8), dtype=np.float32), requires_grad=True) for _ in range(2)]
    rows = np.arange(batch)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        out = InfoNCE(0.1, rules=[RelativeMargin(0.05)])(*sides, anchors=rows, items=rows)
    out.loss.backward()
    assert all(side.grad.abs().sum() > 0 for side in sides)
    return sum(kept.values())


def test_memory_is_linear_in_the_batch(monkeypatch):
    """Tiles have a bounded size, and no table of all pairs is kept between them."""
    batch, table = 512, 4 * 512 * 512
    assert kept_bytes(batch) > table  # in one tile, as a plain loss would
    monkeypatch.setattr("foils.torch.info_nce.TILE_CELLS", table // 32)
    assert kept_bytes(batch) < table / 32


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    rng = np.random.default_rng(0)
    sides = [torch.nn.functional.normalize(torch.tensor(rng.standard_normal((8, 16)))).to(dtype) for _ in range(2)]
    rows = np.arange(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = InfoNCE(0.02)(*sides, anchors=rows, items=rows)
    wide = InfoNCE(0.02)(*(side.double() for side in sides), anchors=rows, items=rows)
    assert out.loss.dtype == torch.float32
    assert out.loss.item() == pytest.approx(wide.loss.item(), rel=1e-4)


def test_rows_may_be_tensors_or_arrays():
    anchor, positive = torch.randn(4, DIM), torch.randn(4, DIM)
    rows = np.array([0, 1, 2, 0])
    by_array = InfoNCE(0.1)(anchor, positive, anchors=rows, items=rows)
    by_tensor = InfoNCE(0.1)(anchor, positive, anchors=torch.tensor(rows), items=torch.tensor(rows, dtype=torch.int32))
    assert torch.equal(by_array.per_anchor, by_tensor.per_anchor)


# --- messages ---------------------------------------------------------------------------------------------------------

NOTHING = object()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"anchors": np.arange(3)}, r"anchors are int64\[3\]; expected int64 .* \[4\]"),
        ({"items": np.arange(4) / 2}, r"items are float64\[4\]"),
        ({"items": np.array([0, -1, 2, 3])}, r"items\[1\] is −1 \(absent\)"),
        ({"items": np.array([0, 1, 2, 99])}, r"items hold rows from 0 to 99; the positives are of 12"),
        ({"anchors": np.array([0, 1, 2, 8])}, r"anchors hold rows from 0 to 8; the positives are of 8"),
        ({"negatives": NOTHING}, "give negative_vectors and negatives .* together"),
        ({"negatives": np.arange(5)}, r"negatives are int64\[5\]"),
        ({"negatives": np.array([[0, 1]] * 3 + [[0, 40]])}, "negatives hold rows from 0 to 40"),
        ({"negative_vectors": torch.zeros(4, 2, DIM + 1)}, r"negative vectors are \[4, 2, 5\]"),
        ({"negative_vectors": torch.zeros(3, 2, DIM)}, r"\[3, 2, d\] for 4 anchors"),
        ({"log_q": np.zeros((4, 2))}, r"positive_log_q is missing.*positive_vectors\[:, None\]"),
        ({"positive_log_q": np.zeros(4)}, "log_q is missing"),
        ({"positive_log_q": np.zeros(4), "log_q": np.full((4, 2), np.nan)}, r"log_q\[0, 0\] is nan: .* no law"),
        ({"positive_log_q": np.array([0, 0, np.inf, 0]), "log_q": np.zeros((4, 2))}, r"positive_log_q\[2\] is inf"),
        ({"positive_log_q": np.zeros(4), "log_q": np.zeros(4)}, r"log_q is \[4\] and the rows are \[4, 2\]"),
        ({"guide": Guide(torch.zeros(4, 3), torch.zeros(4, 3))}, "the guide needs vectors of the same negatives"),
        ({"guide": Guide(torch.zeros(4, 3), torch.zeros(4, 2), torch.zeros(4, 2, 3))}, "guide positive vectors are"),
        ({"guide": Guide(torch.zeros(4, 3), torch.zeros(4, 3), torch.zeros(4, 9, 3))}, "guide negative vectors are"),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    arguments = {
        "anchors": np.arange(4), "items": np.arange(4), "negative_vectors": torch.zeros(4, 2, DIM),
        "negatives": np.array([[5, 6]] * 4),
    } | changes  # fmt: skip
    arguments = {name: value for name, value in arguments.items() if value is not NOTHING}
    loss = InfoNCE(0.1, positives=relation(np.random.default_rng(0)))
    with pytest.raises(DataError, match=message):
        loss(torch.zeros(4, DIM), torch.zeros(4, DIM), **arguments)


def test_the_positives_shape_is_checked():
    rows = np.arange(4)
    with pytest.raises(DataError, match=r"positive vectors are \[4, 2, 4\] .* leave in-batch negatives out"):
        InfoNCE(0.1)(torch.zeros(4, DIM), torch.zeros(4, 2, DIM), anchors=rows, items=rows)


def test_a_law_of_what_is_no_column_is_refused():
    rows, sides = np.arange(4), (torch.zeros(4, DIM), torch.zeros(4, DIM))
    with pytest.raises(DataError, match="positive_log_q is given and the positives are no columns"):
        InfoNCE(0.1)(sides[0], sides[1][:, None], anchors=rows, items=rows, positive_log_q=np.zeros(4))
    with pytest.raises(DataError, match=r"log_q is \[4, 2\] and the rows are \[0\]"):
        InfoNCE(0.1)(*sides, anchors=rows, items=rows, positive_log_q=np.zeros(4), log_q=np.zeros((4, 2)))


def test_fields_are_checked():
    with pytest.raises(InputError, match="temperature is 0"):
        InfoNCE(0.0)
    with pytest.raises(InputError, match="a rule looks at the column 'dense'"):
        InfoNCE(0.1, rules=[RelativeMargin(0.05, column="dense")])
    rows = np.arange(2)
    with pytest.raises(InputError, match=r"give guide=foils\.torch\.Guide"):
        InfoNCE(0.1, rules=[RelativeMargin(0.05, column="guide")])(
            torch.zeros(2, DIM), torch.zeros(2, DIM), anchors=rows, items=rows
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rules": ["relative_margin"]}, r"rules holds 'relative_margin'; expected rules, as in rules=\[foils"),
        ({"rules": "relative_margin"}, "rules holds 'relative_margin'"),
        ({"rules": RelativeMargin(0.05)}, r"rules is a single rule, .*put it in a list"),
        ({"positives": Collection.from_arrays([(0, 0)], anchors=1, items=2)}, r"expected known positives: collection"),
        ({"temperature": "0.05"}, "temperature is '0.05'; expected a number above 0"),
    ],
)
def test_what_is_easily_given_instead_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        InfoNCE(**given)
