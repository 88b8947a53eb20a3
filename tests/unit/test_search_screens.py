"""Which screen is chosen: the roughest product that is much faster, where its copy fits and its error is small."""

import numpy as np
import pytest
import torch

from foils.search import Blocks, Vectors, Work, choice, choose_screen, products
from foils.search.choice import rough_screen
from foils.search.products import BFLOAT16, INT8, Probe, multiplies_int8
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.screens import Single

needs_int8 = pytest.mark.skipif(not multiplies_int8(), reason="this processor multiplies 8-bit integers with errors")


@pytest.fixture(autouse=True)
def seconds(monkeypatch):
    """What a trial of each product takes; int8 is faster."""
    taken = {Int8: 1.0, BFloat16: 2.0, Single: 3.0}
    monkeypatch.setattr(choice, "_seconds", lambda screen, work: taken[type(screen)])
    return taken


def normal(rows, dim, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def chosen(items, spare_bytes, **gflops):
    rates = {{"halves": BFLOAT16, "integers": INT8}.get(name, name): rate for name, rate in gflops.items()}
    work = Work.of(Vectors(items.matrix[:20], items.similarity), 10, Blocks(64, 64, 64))
    return rough_screen(items, work, Probe(rates, "a BLAS", None), spare_bytes)


def test_the_roughest_product_that_is_much_faster_is_chosen():
    items = Vectors(normal(50, 64), "cosine")
    assert isinstance(chosen(items, 10**6, numpy=100, halves=200, integers=400), Int8)
    assert isinstance(chosen(items, 10**6, numpy=100, halves=200, integers=250), BFloat16)
    assert isinstance(chosen(items, 10**6, numpy=100, halves=120, integers=250), Int8)
    assert chosen(items, 10**6, numpy=100, torch=140, halves=200, integers=200) is None
    assert chosen(items, 10**6, numpy=100) is None


def test_integers_need_room_for_their_copy():
    items = Vectors(normal(50, 64), "cosine")
    rates = {"numpy": 100, "halves": 200, "integers": 400}
    assert isinstance(chosen(items, 2 * 50 * 64, **rates), Int8)
    without = chosen(items, 2 * 50 * 64 - 1, **rates)
    assert isinstance(without, BFloat16)
    assert not without.kept


def test_integers_are_left_alone_where_a_trial_says_so(seconds):
    items, rates = Vectors(normal(50, 64), "cosine"), {"numpy": 100, "halves": 200, "integers": 400}
    seconds[BFloat16] = 0.5
    assert isinstance(chosen(items, 10**6, **rates), BFloat16)
    seconds[Single] = 0.5
    assert chosen(items, 10**6, numpy=100, integers=400) is None


def test_a_trial_is_of_a_part_and_as_many_of_the_best(monkeypatch):
    tried = []
    monkeypatch.setattr(choice, "TRIED_COMPONENTS", 1000)
    monkeypatch.setattr(choice, "_seconds", lambda screen, work: tried.append((len(screen.items), work.k)) or 1.0)
    chosen(Vectors(normal(160, 64), "cosine"), 10**6, numpy=100, halves=200, integers=400)
    assert tried == [(16, 1), (16, 1)]


def test_a_spike_that_the_trial_missed_is_seen(monkeypatch):
    monkeypatch.setattr(choice, "TRIED_COMPONENTS", 1000)
    items = normal(160, 64)
    items[1] *= 0
    items[1, 0] = 100
    rates = {"numpy": 100, "halves": 200, "integers": 400}
    assert isinstance(chosen(Vectors(items, "cosine"), 10**6, **rates), BFloat16)


def test_what_is_tried_is_searched_for(monkeypatch):
    monkeypatch.undo()
    items = Vectors(normal(300, 64), "cosine")
    work = Work.of(Vectors(normal(700, 64, 1), "cosine"), 10, Blocks(64, 64, 64))
    assert (work.count, work.some.shape) == (700, (512, 64))
    np.testing.assert_array_equal(work.some[[0, -1]], Vectors(normal(700, 64, 1), "cosine").read(np.array([0, 699])))
    for screen in (Int8(items), BFloat16(items, kept=True), Single(items, products.NUMPY)):
        assert choice._seconds(screen, work) > 0


@pytest.mark.parametrize(
    ("items", "narrow"),
    [
        (normal(50, 64), True),
        (normal(50, 64) * np.float32(1e8), False),  # far from the lengths of embeddings
        (np.eye(64, dtype=np.float32)[:, ::-1] + np.float32(0.0039) * np.sign(normal(64, 64)), False),  # spikes
    ],
)
def test_integers_are_left_alone_where_their_error_is_large(items, narrow):
    screen = chosen(Vectors(items, "dot"), 10**6, numpy=100, halves=200, integers=400)
    assert isinstance(screen, Int8 if narrow else BFloat16)


def test_a_machine_without_rough_products_says_so(monkeypatch):
    monkeypatch.setattr(choice, "probe", lambda **_: Probe({"numpy": 100.0, BFLOAT16: 90.0, INT8: 80.0}, "a", None))
    monkeypatch.setattr(choice, "find_device", lambda _: (None, None))
    items = Vectors(normal(5, 4), "dot")
    screen, facts = choose_screen(items, Work.of(items, 2, Blocks(4, 4, 4)), "screened", 10**6)
    assert screen.name == "numpy float32"
    assert "search is not screened" in facts["warnings"][0]


def test_int8_products_that_overflow_are_not_used(monkeypatch):
    """Processors without such instructions make the left numbers positive, and add pairs of products in 16 bits."""

    def saturating(left, right, out):
        raised, other = left.numpy().astype(np.int64) + 128, right.numpy().astype(np.int64)
        products_of = raised[:, None, :] * other[None, :, :]
        pairs = (products_of[:, :, 0::2] + products_of[:, :, 1::2]).clip(-(2**15), 2**15 - 1)
        out[:] = pairs.sum(axis=2) - 128 * other.sum(axis=1)

    multiplies_int8.cache_clear()
    monkeypatch.setattr(products, "int8_product", saturating)
    assert not multiplies_int8()
    multiplies_int8.cache_clear()


@needs_int8
def test_a_product_of_int8_is_exact_where_it_is_used():
    rng = np.random.default_rng(0)
    for rows, columns, dim in ((1, 1, 1), (3, 1, 384), (5, 40, 1031)):
        left, right = (rng.integers(-127, 128, (n, dim)).astype(np.int8) for n in (rows, columns))
        out = np.empty((rows, columns), np.int32)
        products.int8_product(torch.from_numpy(left), torch.from_numpy(right), out)
        np.testing.assert_array_equal(out, left.astype(np.int64) @ right.T.astype(np.int64))
