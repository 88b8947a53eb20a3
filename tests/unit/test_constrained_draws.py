"""Random sources under constraints: of the exact law by enumeration, with the right log_q."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.collection import Collection
from foils.constraints import Before, Deny, Same, resolve
from foils.formats.id_pairs import read_id_pairs
from foils.positives import Units
from foils.search import Blocks, Forbidden, Inputs, forbidden
from foils.sources import Popularity, Uniform

laws = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "laws.py")))

MANY = 20_000
ITEMS = 40
ALLOWED = (4, 8, 12, 16, 20)
"""What anchor 0 may get: its tenant's (every fourth), older ones, less a positive, a denied one and an empty one."""
POPULAR = {4: 1, 8: 2, 12: 3, 16: 1, 20: 4}
"""How many anchors each of them is a positive of."""


def inputs():
    pairs = [(0, 0)] + [(1 + anchor, item) for item, count in POPULAR.items() for anchor in range(count)]
    pairs += [(anchor, item) for anchor in range(1, 6) for item in (1, 2, 5, 28)]
    collection = Collection.from_arrays(
        pairs,
        anchors=6,
        items=ITEMS,
        anchor_fields={"tenant": ["t0"] * 6, "date": [30] * 6},
        item_fields={"tenant": [f"t{row % 4}" for row in range(ITEMS)], "date": [*range(ITEMS - 1), None]},
    )
    mineable = np.arange(ITEMS) != 28
    resolved = resolve([Same("tenant"), Before("date"), Deny([("0", "24")])], collection, read_id_pairs)
    positives = collection.positives()
    return Inputs(
        positives, collection.trusted_negatives(), mineable, {}, 4, 0, Blocks(64, 64, 64), collection,
        Forbidden.of(positives, resolved),
    )  # fmt: skip


def draws(fields, depth, monkeypatch):
    """Draw for anchor 0 many times: units that differ in their key alone."""
    units = Units(np.zeros(MANY, np.int64), np.arange(MANY), np.arange(MANY + 1), np.zeros(MANY, np.int64))
    this = inputs()
    found = fields.open(this).retrieve(units, depth)
    monkeypatch.setattr(forbidden, "CELLS", 100 * ITEMS)
    again = fields.open(this).retrieve(units.take(np.arange(300)), depth)
    np.testing.assert_array_equal(again.items, found.items[:300])  # the parts do not matter
    return found.items, found.columns["log_q"].values


def test_the_law_is_that_of_what_is_left():
    """Anchor 0 may get exactly the items that the weights below name."""
    this = inputs()
    items = np.arange(ITEMS)
    left = np.flatnonzero(~this.forbidden.pairs(np.zeros(ITEMS, np.int64), items) & this.mineable)
    assert left.tolist() == list(ALLOWED)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_uniform_draws_are_exact(k, monkeypatch):
    drawn, log_q = draws(Uniform(k=k), k, monkeypatch)
    drawable = np.isin(np.arange(ITEMS), ALLOWED)
    laws.assert_follows(drawn, laws.ordered_draws(drawable.astype(float), k))
    np.testing.assert_allclose(log_q, np.log(k / len(ALLOWED)), rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_popular_draws_are_exact(k, monkeypatch):
    drawn, log_q = draws(Popularity(alpha=0.75, k=k), k, monkeypatch)
    weights = np.zeros(ITEMS)
    for item, count in POPULAR.items():
        weights[item] = count**0.75
    laws.assert_follows(drawn, laws.ordered_draws(weights, k))
    laws.assert_unbiased(drawn, log_q, weights > 0)


def test_all_that_is_left_is_given_once(monkeypatch):
    for fields in (Uniform(k=9), Popularity(k=9)):
        drawn, _ = draws(fields, 9, monkeypatch)
        np.testing.assert_array_equal(np.sort(drawn[:, :5], axis=1), np.broadcast_to(ALLOWED, (MANY, 5)))
        assert (drawn[:, 5:] == -1).all()
