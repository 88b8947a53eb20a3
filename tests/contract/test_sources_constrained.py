"""The contract of the sources under constraints, applied to every member of the registry."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from foils.constraints import Allow, Deny, Different, Same, resolve
from foils.formats.id_pairs import read_id_pairs
from foils.search import Blocks, Forbidden, forbidden

HERE = Path(__file__).parent
contract = SimpleNamespace(**runpy.run_path(str(HERE / "test_sources.py")))
problems = contract.problems

every_source = pytest.mark.parametrize(("name", "fields", "per"), contract.CASES)
EVERY = [(str(anchor), str(item)) for anchor in (3, 9) for item in range(problems.N_ITEMS)]
LIMITS = {
    "fields": [Same("half"), Different("third"), Deny([("5", "1"), ("6", "30"), ("6", "31")])],
    "lists": [Allow([("4", "1"), ("4", "33"), ("4", "34"), ("8", "2")]), Deny(EVERY)],
}
every_limit = pytest.mark.parametrize("limits", LIMITS)


def limited(limits, **options):
    """Give the inputs of a small run with constraints; two anchors and three items lack a value."""
    free = problems.inputs(**options)
    data, rng = free.collection, np.random.default_rng(7)
    sides = []
    for records, bare in ((data.anchors, (5, 6)), (data.items, (1, 2, 40))):
        half = [None if row in bare else "ab"[rng.integers(2)] for row in range(len(records))]
        third = rng.integers(0, 3, len(records))
        sides.append(dataclasses.replace(records, fields={"half": pa.array(half), "third": pa.array(third)}))
    data = dataclasses.replace(data, anchors=sides[0], items=sides[1])
    resolved = resolve(LIMITS[limits], data, read_id_pairs)
    return dataclasses.replace(free, collection=data, forbidden=Forbidden.of(free.positives, resolved))


def allowed(inputs, anchor):
    """Name the items that nothing forbids an anchor."""
    items = np.arange(problems.N_ITEMS)
    return set(np.flatnonzero(~inputs.forbidden.pairs(np.full(len(items), anchor), items)).tolist())


@every_source
@every_limit
def test_what_is_forbidden_is_left_out_before_the_cut(name, fields, per, limits):
    inputs = limited(limits)
    units, source = inputs.positives.units(per), fields.open(inputs)
    left = {
        anchor: contract.available(name, fields, inputs, anchor) & allowed(inputs, anchor)
        for anchor in np.unique(units.anchors).tolist()
    }
    for depth in (7, 200):
        found = source.retrieve(units, depth).items
        for anchor, row in zip(units.anchors.tolist(), found.tolist(), strict=True):
            given = {item for item in row if item >= 0}
            assert given <= left[anchor]
            if (name, per) != ("in_batch", "pair"):  # a pair stands in one batch, and the pool is of all the anchor's
                assert len(given) == min(depth, len(left[anchor]))
        problems.assert_absent_at_the_right(found)
        problems.assert_distinct(found)


@every_source
def test_blocks_do_not_matter_under_constraints(name, fields, per, monkeypatch):
    whole = contract.retrieve(fields, per, limited("fields"), 9)
    monkeypatch.setattr(forbidden, "CELLS", 2 * problems.N_ITEMS)
    inputs = limited("fields", blocks=Blocks(3, 7, 2))
    source, units = fields.open(inputs), inputs.positives.units(per)
    blocks = [source.retrieve(block, 9) for block in problems.in_blocks(units, 5)]
    np.testing.assert_array_equal(np.concatenate([block.items for block in blocks]), whole.items)
    for column in whole.columns:
        joined = np.concatenate([block.columns[column].values for block in blocks])
        np.testing.assert_array_equal(joined, whole.columns[column].values)


@every_limit
def test_constraints_take_something_from_most_anchors(limits):
    """Else the tests above could not fail."""
    free, inputs = problems.inputs(), limited(limits)
    anchors = np.arange(3, problems.N_ANCHORS)
    further = inputs.forbidden.further(anchors, free.positives.relation, free.mineable)
    assert (further > 0).sum() > (15 if limits != "lists" else 3)
    left = [len(allowed(inputs, anchor)) for anchor in anchors]
    assert 0 in left
    assert max(left) > 9
