"""Draws for the units of a run: the same with what is forbidden listed or masked, and never anything else."""

import numpy as np
import pytest

from foils._array import Key
from foils.collection import Collection
from foils.constraints import Deny, Same, resolve
from foils.drawing import Urns
from foils.formats.id_pairs import read_id_pairs
from foils.positives import Relation
from foils.search import Forbidden
from foils.sources.draws import Drawer

KEY = Key(0, "test", 0)
N_ANCHORS, N_ITEMS = 9, 60


def collection():
    rng = np.random.default_rng(0)
    pairs = [(anchor, item) for anchor in range(N_ANCHORS) for item in rng.choice(N_ITEMS, 6, replace=False).tolist()]
    return Collection.from_arrays(
        pairs,
        anchors=N_ANCHORS,
        items=N_ITEMS,
        anchor_fields={"tenant": [f"t{row % 3}" for row in range(N_ANCHORS)]},
        item_fields={"tenant": [f"t{row % 4}" for row in range(N_ITEMS)]},
    )


def constrained(data):
    return Forbidden.of(data.positives(), resolve([Same("tenant"), Deny([("0", "3")])], data, read_id_pairs))


def urns_of(kind):
    """Give urns, the urn of each anchor, and the items of each urn."""
    lists = [range(0, N_ITEMS, 2), range(10, 50), range(5)]
    of_anchors = np.arange(N_ANCHORS) % 3
    if kind == "several":
        ends = np.cumsum([0, *map(len, lists)])
        return Urns.equal(Relation(ends, np.concatenate([list(items) for items in lists]))), of_anchors, lists
    if kind == "some":
        return Urns.allowed(np.arange(N_ITEMS) % 2 == 0), 0 * of_anchors, lists
    return Urns.whole(N_ITEMS), 0 * of_anchors, [range(N_ITEMS)]


@pytest.mark.parametrize("kind", ["whole", "some", "several"])
def test_under_constraints_all_that_is_left_is_drawn_and_nothing_else(kind, monkeypatch):
    data = collection()
    forbidden, (urns, of_anchors, lists) = constrained(data), urns_of(kind)
    units = data.positives().units("pair")
    items, log_q = Drawer.of(urns, of_anchors, forbidden).draw(KEY, units, N_ITEMS)
    for anchor, found in zip(units.anchors.tolist(), items.tolist(), strict=True):
        blocked = forbidden.pairs(np.full(N_ITEMS, anchor), np.arange(N_ITEMS))
        assert {item for item in found if item >= 0} == {
            item for item in lists[of_anchors[anchor]] if not blocked[item]
        }
    assert not log_q.any()
    monkeypatch.setattr("foils.search.forbidden.CELLS", 2 * N_ITEMS)
    again, _ = Drawer.of(urns, of_anchors, forbidden).draw(KEY, units, N_ITEMS)
    np.testing.assert_array_equal(again, items)  # the parts do not matter


@pytest.mark.parametrize("kind", ["whole", "some", "several"])
def test_constraints_that_forbid_nothing_change_no_draw(kind):
    """What a mask leaves is listed, where without constraints the rest is excluded: two ways to the same draws."""
    data = collection()
    urns, of_anchors, _ = urns_of(kind)
    plain = Forbidden.of(data.positives())
    units = data.positives().units("pair")

    class Nothing:
        def block(self, anchors, items):
            return np.zeros((len(anchors), len(items)), np.bool_)

    masked = Forbidden(plain.known, N_ITEMS, (Nothing(),))
    for k in (1, 4, 12):
        first, second = (Drawer.of(urns, of_anchors, one).draw(KEY, units, k) for one in (plain, masked))
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one, other)
