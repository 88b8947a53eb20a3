"""What an anchor must not get: the sparse and the dense part agree with a plain table of all pairs."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.constraints import Allow, Before, Deny, Different, Same, resolve
from foils.formats.id_pairs import read_id_pairs
from foils.search import Blocks, Forbidden, forbidden

HELPERS = Path(__file__).parents[1] / "contract"
plain = SimpleNamespace(**runpy.run_path(str(HELPERS / "search_reference.py")))
worlds = SimpleNamespace(**runpy.run_path(str(HELPERS / "constraint_worlds.py")))


@settings(max_examples=40, deadline=None)
@given(worlds.worlds(), st.integers(1, 40), st.randoms(use_true_random=False))
def test_every_way_to_ask_gives_the_table(world, cells, random):
    table = world.table()
    positives = world.collection.positives()
    this = Forbidden.of(positives, world.resolved())
    anchors = np.array([random.randrange(len(table)) for _ in range(random.randrange(6))], np.int64)
    known = np.zeros_like(table)
    known[this.known.coordinates()] = True
    mask = this.mask(anchors, slice(None))
    dense = np.zeros((len(anchors), table.shape[1]), bool) if mask is None else mask
    np.testing.assert_array_equal(dense | known[anchors], table[anchors])
    rows, items = np.meshgrid(anchors, np.arange(-1, table.shape[1]), indexing="ij")
    expected = np.concatenate([np.zeros((len(anchors), 1), bool), table[anchors]], axis=1)
    np.testing.assert_array_equal(this.pairs(rows.ravel(), items.ravel()).reshape(expected.shape), expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forbidden, "CELLS", cells)
        whole = this.whole(anchors)
        parts = [this.whole(anchors[part]) for part in this.parts(len(anchors))]
        further = this.further(anchors, positives.relation, world.mineable)
    found = np.zeros_like(expected[:, 1:])
    found[whole.coordinates()] = True
    np.testing.assert_array_equal(found, table[anchors])
    assert (np.diff(whole.items)[np.diff(whole.coordinates()[0]) == 0] > 0).all()  # ascending within a row
    np.testing.assert_array_equal(np.concatenate([part.items for part in parts]), whole.items)
    is_positive = np.zeros_like(table)
    is_positive[positives.relation.coordinates()] = True
    counted = (table & ~is_positive & world.mineable)[anchors].sum(axis=1)
    np.testing.assert_array_equal(further, counted)


@settings(max_examples=40, deadline=None)
@given(worlds.worlds(), st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(0, 9))
def test_constrained_search_equals_a_plain_sort_whatever_the_blocks(world, anchor_block, item_block, k, seed):
    table = world.table()
    rng = np.random.default_rng(seed)
    queries, items = (rng.integers(-2, 3, (count, 3)).astype(np.float32) for count in table.shape)
    this = Forbidden.of(world.collection.positives(), world.resolved())
    found = plain.search(
        queries, items, k, Blocks(anchor_block, item_block, 5),
        excluded=this.known, mineable=world.mineable, forbidden=this,
    )  # fmt: skip
    expected = plain.reference(plain.canonical(queries, items), k, table | ~world.mineable)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])


def test_without_constraints_there_is_no_dense_part():
    world = worlds.World.make([], seed=0)
    this = Forbidden.of(world.collection.positives(), world.resolved())
    assert this.mask(np.array([0, 1]), slice(0, 3)) is None
    assert list(this.parts(1000)) == [slice(0, 1000)]
    denying = Forbidden.of(world.collection.positives(), resolve([Deny([("0", "1")])], world.collection, read_id_pairs))
    assert denying.mask(np.array([0]), slice(0, 3)) is None
    assert denying.pairs(np.array([0]), np.array([1])).all()


def test_the_worlds_hold_what_could_go_wrong():
    """Else the tests above could not fail."""
    kinds = [[Same("tenant")], [Different("tenant")], [Before("date")], [Allow(worlds.PAIRS)], [Deny(worlds.PAIRS)]]
    tables = [worlds.World.make(constraints, seed=1).table() for constraints in kinds]
    known = worlds.World.make([], seed=1).table()
    for table in tables:
        assert (table & ~known).any()
        assert not table.all()
    assert len({table.tobytes() for table in tables}) == len(kinds)
