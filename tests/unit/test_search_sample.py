"""A bound from a sample of the items: nearly always right, noticed where it is not, and never seen in a result."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom, hypergeom

from foils import _compiled
from foils.positives import Relation
from foils.search import Blocks, ExactIndex, Vectors
from foils.search.best import LOWEST, ByItem
from foils.search.exact import no_mask
from foils.search.products import NUMPY, multiplies_int8
from foils.search.sample import CHANCE, Sample, rank_of
from foils.search.screen_bfloat16 import BFloat16
from foils.search.screen_int8 import Int8
from foils.search.screens import Single

HELPERS = Path(__file__).parents[1] / "contract" / "search_reference.py"
plain = SimpleNamespace(**runpy.run_path(str(HELPERS)))
ANCHORS, ITEMS, DIM, K = 40, 3000, 24, 50
BLOCKS = Blocks(64, 256, 64)
SCREENS = {"float32": lambda items: Single(items, NUMPY), "bfloat16": lambda items: BFloat16(items, kept=True)}
if multiplies_int8():
    SCREENS["int8"] = Int8
every_screen = pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)


def normal(rows, seed):
    return np.random.default_rng(seed).standard_normal((rows, DIM)).astype(np.float32)


def unlucky():
    """Anchors, and items of which nobody is as good as those of the sample."""
    anchors, items = np.abs(normal(ANCHORS, 0)), normal(ITEMS, 1)
    rows = Sample.of(Vectors(items, "dot"), np.ones(ITEMS, bool)).rows
    items[rows] = 10 * np.abs(items[rows])
    return anchors, items, rows


def everybody():
    return ByItem.of(*plain.nobody(ANCHORS).coordinates())


def bounds(anchors, items, k=K, barred=None, masked=no_mask, mineable=None):
    vectors = Vectors(items, "dot")
    sample = Sample.of(vectors, np.ones(len(items), bool) if mineable is None else mineable)
    return sample.bounds(anchors, k, BLOCKS.items, NUMPY, everybody() if barred is None else barred, masked)


@pytest.mark.parametrize("k", [1, 7, 100, 1000])
@pytest.mark.parametrize(("population", "size"), [(3000, 180), (100_000, 512), (10**7, 128)])
def test_few_of_the_best_lie_in_a_sample(k, population, size):
    rank = rank_of(k, population, size)
    assert hypergeom.sf(rank - 1, population, min(k, population), size) <= CHANCE
    assert binom.sf(rank - 2, size, k / population) > CHANCE, "a lower rank would do"


def test_no_rank_of_nothing():
    assert rank_of(5, 0, 0) > 0
    assert rank_of(10, 5, 3) > 3


def test_a_bound_is_below_the_kth_best_and_above_most_items():
    anchors, items = normal(ANCHORS, 0), normal(ITEMS, 1)
    scores = np.sort(plain.canonical(anchors, items), axis=1)[:, ::-1]
    found = bounds(anchors, items)
    assert (found <= scores[:, K - 1]).all()
    assert (found >= scores[:, 12 * K]).all()


def test_a_small_collection_has_no_bound():
    assert (bounds(normal(ANCHORS, 0), normal(100, 1)) == LOWEST).all()
    assert (bounds(normal(ANCHORS, 0), normal(ITEMS, 1), mineable=np.zeros(ITEMS, bool)) == LOWEST).all()


def test_what_must_not_be_returned_bounds_nothing():
    anchors, items, rows = unlucky()
    scores = plain.canonical(anchors, items)
    others = np.setdiff1d(np.arange(ITEMS), rows)
    kth = np.sort(scores[:, others], axis=1)[:, -K]
    pairs = ByItem.of(np.repeat(np.arange(ANCHORS), len(rows)), np.tile(rows, ANCHORS))
    assert (bounds(anchors, items) > kth).all()
    assert (bounds(anchors, items, barred=pairs) == LOWEST).all()
    assert (
        bounds(anchors, items, masked=lambda some: np.isin(some, rows) & np.ones((ANCHORS, 1), bool)) == LOWEST
    ).all()
    best = rows[scores[3, rows].argsort()[::-1]]
    some = bounds(anchors, items, barred=ByItem.of(np.full(9, 3), best[:9]))
    assert np.flatnonzero(some != bounds(anchors, items)).tolist() == [3]


@pytest.mark.parametrize("compiled", [True, False])
@every_screen
def test_an_unlucky_sample_is_noticed(screen, compiled, monkeypatch):
    monkeypatch.setattr(_compiled, "is_available", lambda: compiled)
    anchors, items, _ = unlucky()
    vectors = Vectors(items, "dot")
    found = ExactIndex(vectors, np.ones(ITEMS, bool), screen(vectors)).find(anchors, K, plain.nobody(ANCHORS), BLOCKS)
    expected = plain.reference(plain.canonical(anchors, items), K, np.zeros((ANCHORS, ITEMS), bool))
    np.testing.assert_array_equal(found.items, expected[0])
    np.testing.assert_array_equal(found.scores, expected[1])
    assert found.overflowed == ANCHORS


@every_screen
def test_a_lucky_sample_is_not_searched_again(screen):
    anchors, items = normal(ANCHORS, 0), normal(ITEMS, 1)
    vectors = Vectors(items, "cosine")
    queries = Vectors(anchors, "cosine").read(slice(None))
    found = ExactIndex(vectors, np.ones(ITEMS, bool), screen(vectors)).find(queries, K, plain.nobody(ANCHORS), BLOCKS)
    expected = plain.reference(plain.canonical(queries, vectors.read(slice(None))), K, np.zeros((ANCHORS, ITEMS), bool))
    np.testing.assert_array_equal(found.items, expected[0])
    assert found.overflowed == 0


@every_screen
def test_a_sample_is_masked_as_the_items_are(screen):
    """The best third of the items is hidden from everybody: bounds that did not know would be too high."""
    anchors, items = np.abs(normal(1, 0)).repeat(ANCHORS, axis=0), normal(ITEMS, 1)
    vectors, scores = Vectors(items, "dot"), plain.canonical(anchors, items)
    hidden = scores >= np.sort(scores, axis=1)[:, -ITEMS // 3, None]
    index = ExactIndex(vectors, np.ones(ITEMS, bool), screen(vectors))
    found = index.find(anchors, K, plain.nobody(ANCHORS), BLOCKS, lambda some: hidden[:, some])
    expected = plain.reference(scores, K, hidden)
    np.testing.assert_array_equal(found.items, expected[0])
    assert found.overflowed == 0
    assert (bounds(anchors, items, masked=lambda some: hidden[:, some]) > LOWEST).all()
    assert (bounds(anchors, items) > expected[1][:, -1]).all(), "without the mask, they are too high"


@every_screen
def test_anchors_that_may_get_less_than_k(screen):
    """One is denied all but 20 items, which the sample cannot know; one all but 2,000, by a mask."""
    anchors, items = normal(ANCHORS, 0), normal(ITEMS, 1)
    vectors, rng = Vectors(items, "dot"), np.random.default_rng(5)
    denied = np.sort(rng.permutation(ITEMS)[20:])
    excluded = Relation.from_pairs(np.full(len(denied), 4), denied, ANCHORS)
    hidden = np.zeros((ANCHORS, ITEMS), bool)
    hidden[9, rng.permutation(ITEMS)[:1000]] = True
    index = ExactIndex(vectors, np.ones(ITEMS, bool), screen(vectors))
    found = index.find(anchors, K, excluded, BLOCKS, lambda some: hidden[:, some])
    hidden[excluded.coordinates()] = True
    expected = plain.reference(plain.canonical(anchors, items), K, hidden)
    np.testing.assert_array_equal(found.items, expected[0])
    np.testing.assert_array_equal(found.scores, expected[1])
    assert (found.items[4, 20:] == -1).all()
