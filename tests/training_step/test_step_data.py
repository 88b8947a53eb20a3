"""What feeds a training step: negatives that rotate by epoch, batches with rows, texts and vectors; DNS."""

import itertools
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from foils import Collection, Examples, InputError, Mined, NegativeStream, mine
from foils.errors import DataError
from foils.torch import Collator, InfoNCE, MinedDataset, hardest
from foils.torch.mined import Example

N_ANCHORS, N_ITEMS, STORED = 6, 30, 7


def texts(n_items=N_ITEMS):
    items = [f"item {row}" for row in range(n_items)]
    items[3] = " "
    return items


def collection():
    pairs = [(anchor, item) for anchor in range(N_ANCHORS) for item in (anchor, anchor + 10)]
    pairs += [(0, item) for item in range(N_ITEMS) if item not in (3, 4, 8, 9)]  # three are left to anchor 0
    return Collection.from_arrays(sorted(set(pairs)), anchors=[f"anchor {row}" for row in range(N_ANCHORS)],
                                  items=texts())  # fmt: skip


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    return mine(collection(), "uniform", negatives=STORED, out=tmp_path_factory.mktemp("mined") / "run")


def pool_of(mined):
    anchors, items = mined.rows(mined.collection)
    return {anchor: {item for item in row if item >= 0}
            for anchor, row in zip(anchors.tolist(), items.tolist(), strict=True)}  # fmt: skip


def test_every_pair_is_there_and_those_without_text_are_not(mined):
    dataset = MinedDataset(mined)
    pairs = {(example.anchor, example.positive) for example in dataset}
    given = collection().positives().given()
    assert pairs == {(a, int(i)) for a in range(N_ANCHORS) for i in given.row(a)} - {(0, 3), (3, 3)}
    assert len(dataset) == len(pairs)
    assert all(example.negatives.shape == (STORED,) for example in dataset)


@pytest.mark.parametrize("m", [1, 3, 7])
def test_negatives_rotate_through_the_pool(mined, m):
    dataset, pool = MinedDataset(mined, negatives=m), pool_of(mined)
    seen = [Counter() for _ in range(len(dataset))]
    for epoch in range(STORED * 3):  # a multiple of every pool's size: three, and seven
        dataset.set_epoch(epoch)
        for place, example in enumerate(dataset):
            row = example.negatives.tolist()
            given = [item for item in row if item >= 0]
            assert row == given + [-1] * (m - len(given))
            assert len(set(given)) == len(given) == min(m, len(pool[example.anchor]))
            assert set(given) <= pool[example.anchor]
            seen[place].update(given)
    for place, counts in enumerate(seen):
        assert set(counts) == pool[dataset[place].anchor]
        assert len(set(counts.values())) == 1  # each equally often


def test_epochs_differ_and_an_epoch_is_what_it_is(mined):
    first = np.stack([example.negatives for example in MinedDataset(mined, negatives=2)])
    again, later = MinedDataset(mined, negatives=2, epoch=5), MinedDataset(mined, negatives=2)
    later.set_epoch(5)
    fifth = np.stack([example.negatives for example in again])
    np.testing.assert_array_equal(fifth, np.stack([later[place].negatives for place in range(len(later))]))
    wide = first[:, 0] >= 0
    assert (fifth[wide] != first[wide]).mean() > 0.5
    # Pairs of one anchor rotate by themselves, so that an epoch mixes ranks.
    assert len({tuple(row) for row in first[[e.anchor == 1 for e in again]].tolist()}) > 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_sees_the_epoch_in_its_workers_too(mined, workers):
    dataset = MinedDataset(mined, negatives=2)
    loader = DataLoader(
        dataset,
        batch_size=4,
        num_workers=workers,
        persistent_workers=workers > 0,
        collate_fn=Collator(mined.collection),
    )
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        negatives = torch.cat([batch.negatives for batch in loader]).numpy()
        np.testing.assert_array_equal(negatives, np.stack([example.negatives for example in dataset]))


def test_a_loader_without_a_collator_gives_rows(mined):
    batch = next(iter(DataLoader(MinedDataset(mined, negatives=2), batch_size=3)))
    assert batch.anchor.dtype == batch.positive.dtype == batch.negatives.dtype == torch.int64
    assert batch.negatives.shape == (3, 2)


def test_batches_hold_texts_and_vectors_of_their_rows():
    rng = np.random.default_rng(0)
    sides = rng.standard_normal((N_ANCHORS, 4)), rng.standard_normal((N_ITEMS, 4)).astype(np.float32)
    examples = [Example(1, 11, np.array([5, -1])), Example(0, 2, np.array([7, 3]))]
    batch = Collator(collection(), vectors=sides)(examples)
    assert batch.anchors.tolist() == [1, 0]
    assert batch.items.tolist() == [11, 2]
    assert batch.negatives.tolist() == [[5, -1], [7, 3]]
    assert batch.anchor_texts == ["anchor 1", "anchor 0"]
    assert batch.positive_texts == ["item 11", "item 2"]
    assert batch.negative_texts == ["item 5", "", "item 7", " "]
    for name, side, rows in (("anchor", 0, [1, 0]), ("positive", 1, [11, 2])):
        found = getattr(batch, f"{name}_vectors")
        assert found.dtype == torch.float32
        np.testing.assert_array_equal(found, sides[side][rows].astype(np.float32))
    np.testing.assert_array_equal(batch.negative_vectors[1], sides[1][[7, 3]])
    assert not batch.negative_vectors[0, 1].any()
    assert Collator()(examples).negative_texts is None
    assert Collator()(examples).negative_vectors is None


def test_wrong_use_is_refused(mined, tmp_path):
    with pytest.raises(InputError, match=r"negatives is 8; .* holds 7 per unit: ask for 1 to 7, or mine more"):
        MinedDataset(mined, negatives=8)
    with pytest.raises(InputError, match="give it to Mined"):
        MinedDataset(Mined.open(mined.path))
    with pytest.raises(InputError, match="holds no texts"):
        Collator(Collection.from_arrays([(0, 0)], anchors=1, items=2))
    with pytest.raises(DataError, match="different numbers of negatives"):
        Collator()([Example(0, 0, np.array([1])), Example(0, 0, np.array([1, 2]))])


# --- dynamic negative sampling ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 6])
def test_the_hardest_are_the_highest_in_both_bodies(k):
    rng = np.random.default_rng(0)
    scores = rng.integers(-3, 4, (20, 5)) / 4  # ties abound
    items = rng.integers(-1, 9, (20, 5))
    items[0] = -1
    found = hardest(scores, items, k)
    by_array, places = found
    assert found.items is by_array
    assert found.positions is places
    by_tensor, tensor_places = hardest(torch.tensor(scores, requires_grad=True), torch.tensor(items), k)
    for row in range(20):
        present = [place for place in range(5) if items[row, place] != -1]
        expected = sorted(present, key=lambda place: -scores[row, place])[:k]
        assert places[row].tolist() == expected + [-1] * (k - len(expected))
        assert by_array[row].tolist() == items[row, expected].tolist() + [-1] * (k - len(expected))
    np.testing.assert_array_equal(by_tensor, by_array)
    np.testing.assert_array_equal(tensor_places, places)


def test_dns_follows_its_law_and_grows_harder_with_more_draws():
    """P(rank ≤ r) = 1 − (1 − r/n)^M over uniform draws; M = 1 is plain sampling."""
    n_users, n_items = 500, 21
    data = Collection.from_arrays([(user, 0) for user in range(n_users)], anchors=n_users, items=n_items)
    examples, scores = data.positives().examples(), torch.linspace(1, 0, n_items)
    n, ranks = n_items - 1, np.arange(1, n_items)
    hardness = []
    for m in (1, 4, 16):
        stream = NegativeStream(data, "uniform", negatives=m)
        drawn = np.concatenate([stream.batch(examples, epoch).items for epoch in range(8)])
        chosen, _ = hardest(scores[drawn], torch.tensor(drawn))
        assert m > 1 or (chosen.numpy() == drawn).all()
        rank = chosen.numpy().ravel()  # item j has rank j
        for r in ranks.tolist():
            chance = 1 - (1 - r / n) ** m
            error = np.sqrt(chance * (1 - chance) / len(rank)) + 1e-9
            assert abs((rank <= r).mean() - chance) < 5 * error
        hardness.append(scores[rank].mean().item())
    assert hardness == sorted(hardness)
    longer = NegativeStream(data, "uniform", negatives=16).batch(examples, 0).items
    best = [hardest(scores[longer[:, :m]], torch.tensor(longer[:, :m]))[0][:, 0] for m in range(1, 17)]
    for fewer, more in itertools.pairwise(best):
        assert (scores[more] >= scores[fewer]).all()  # the same draws and one more


def test_hardest_checks_its_shapes():
    with pytest.raises(DataError, match=r"scores are \[2, 3\] and items \[2, 2\]"):
        hardest(np.zeros((2, 3)), np.zeros((2, 2), np.int64))


# --- the law of a stream and the correction of the loss --------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
def test_the_corrected_loss_estimates_the_full_softmax(recipe):
    """E[Σ exp(s_j − log q_j)] over draws is Σ exp(s_j) over all items that may be drawn."""
    rng = np.random.default_rng(0)
    pairs = sorted({(int(u), int(i)) for u, i in zip(rng.integers(0, 4, 40), rng.integers(0, 15, 40), strict=True)})
    data = Collection.from_arrays(pairs, anchors=4, items=15)
    users, items = (torch.tensor(rng.standard_normal((n, 3))) for n in (4, 15))
    loss, stream = InfoNCE(1.0, positives=data.positives()), NegativeStream(data, recipe, negatives=400)
    one = Examples(np.array([pairs[0][0]]), np.array([pairs[0][1]]))
    positive = users[one.anchors] * items[one.positives]
    sums = []
    for epoch in range(60):
        batch = stream.batch(one, epoch)
        out = loss(
            users[one.anchors], items[one.positives][:, None], anchors=one.anchors, items=one.positives,
            negative_vectors=items[batch.items], negatives=batch.items, log_q=batch.log_q,
        )  # fmt: skip
        sums.append((torch.expm1(out.per_anchor) * torch.exp(positive.sum(1))).item())
    allowed = np.setdiff1d(np.arange(15), data.positives().row(pairs[0][0]))
    if recipe == "popularity":
        allowed = np.intersect1d(allowed, data.positives().items)
    full = torch.exp(items[allowed] @ users[one.anchors][0]).sum().item()
    assert abs(np.mean(sums) - full) < 5 * np.std(sums, ddof=1) / np.sqrt(len(sums))
    assert np.std(sums) < 0.3 * full


def test_without_pytorch_the_extra_is_named():
    code = "import sys; sys.modules['torch'] = None\nimport foils\ntry:\n    import foils.torch\n"
    code += "except foils.InputError as error:\n    print(error)"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said == "PyTorch is not installed; install it with: pip install 'foils[torch]'\n"


def test_something_else_than_a_result_or_a_collection_is_refused():
    with pytest.raises(InputError, match=r"expected a Mined, found 'runs/a'; open one: foils\.Mined\.open\("):
        MinedDataset("runs/a")
    with pytest.raises(InputError, match="expected a Collection, found 'plants'"):
        Collator("plants")
