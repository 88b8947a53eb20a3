"""In-batch negatives: whose positives a unit meets, and how probably."""

import itertools
import math
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.collection import Collection
from foils.search import Blocks, Forbidden, Inputs
from foils.sources import InBatch
from foils.sources.in_batch import batch_slots

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py")))
laws = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "laws.py")))

PAIRS = [(0, 0), (1, 1), (2, 1), (3, 2), (3, 3), (3, 4), (4, 1), (5, 2), (6, 5)]


def inputs(seed, pairs=PAIRS):
    data = Collection.from_arrays(pairs, anchors=7, items=7)
    return Inputs(
        positives=data.positives(),
        trusted=data.trusted_negatives(),
        mineable=np.ones(7, bool),
        matrices={},
        negatives=4,
        seed=seed,
        blocks=Blocks(8, 16, 64),
        collection=data,
        forbidden=Forbidden.of(data.positives()),
    )


def exactly(size, own, others, total):
    """Count the shuffles in which a batch holds an example of the one and one of the other."""
    places = range(total)
    met = hits = 0
    for mine in itertools.combinations(places, own):
        for theirs in itertools.combinations([place for place in places if place not in mine], others):
            met += 1
            hits += bool({place // size for place in mine} & {place // size for place in theirs})
    return hits / met


@pytest.mark.parametrize("size", [2, 3, 4, 5, 9, 20])
@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_log_q_is_the_law_by_enumeration(size, per):
    source = InBatch(batch_size=size)
    seen = {}
    for seed in range(30):
        opened = inputs(seed)
        units = opened.positives.units(per)
        found = source.open(opened).retrieve(units, 20)
        for row, (items, laws_) in enumerate(zip(found.items, found.columns["log_q"].values, strict=True)):
            own = int(np.diff(units.indptr)[row])
            for item, log_q in zip(items.tolist(), laws_.tolist(), strict=True):
                if item >= 0:
                    seen[own, sum(i == item for _, i in PAIRS)] = math.exp(log_q)
    assert len(seen) >= 3
    for (own, others), chance in seen.items():
        assert chance == pytest.approx(exactly(size, own, others, len(PAIRS)), rel=1e-5)


@pytest.mark.parametrize("depth", [2, 20])
def test_a_sample_follows_the_law_also_where_lists_are_cut(depth):
    opened = inputs(0)
    units = opened.positives.units()
    found = [InBatch(batch_size=4).open(replace(opened, seed=seed)).retrieve(units, depth) for seed in range(1500)]
    for row in (0, 3):  # an anchor with one example, and one with three
        draws = np.stack([one.items[row] for one in found])
        log_q = np.stack([one.columns["log_q"].values[row] for one in found])
        drawable = np.ones(7, bool)
        drawable[6] = False  # nobody's positive
        drawable[[0] if row == 0 else [2, 3, 4]] = False
        laws.assert_unbiased(draws, log_q, drawable)


def test_batches_hold_every_example_once_and_change_with_the_seed():
    opened = [InBatch(batch_size=4).open(inputs(seed)) for seed in range(20)]
    batches = [source._batches for source in opened]
    for batch, positives in batches:
        assert sorted(np.bincount(batch).tolist()) == [1, 4, 4]
        assert sorted(positives.tolist()) == sorted(item for _, item in PAIRS)
    assert len({batch.tobytes() for batch, _ in batches}) > 10


def test_what_is_forbidden_is_not_met():
    given = problems.inputs()
    barred = np.zeros(problems.N_ITEMS, bool)
    barred[10:40] = True
    for source in (InBatch(batch_size=16), InBatch(batch_size=200)):
        found = source.open(replace(given, mineable=given.mineable & ~barred)).retrieve(given.positives.units(), 300)
        assert not barred[found.items[found.items >= 0]].any()
        rows = np.repeat(found.units.anchors, found.items.shape[1])
        assert not given.positives.contains(rows, found.items.ravel()).any()


@pytest.mark.parametrize(("degree", "total", "size"), [(1, 9, 4), (3, 9, 4), (5, 10, 2), (7, 7, 10), (60, 200, 8)])
def test_places_have_probabilities_that_sum_to_one(degree, total, size):
    chance, slots = batch_slots(degree, total, size)
    assert chance.sum() == pytest.approx(1)
    assert chance.min() >= 0
    assert (slots[chance > 0] >= degree).all()
    assert slots[chance > 0].max() <= total
