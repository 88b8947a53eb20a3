"""Exact search equals a plain sort, whatever the vectors, exclusions and blocks."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foils.positives import Relation
from foils.search import Blocks

HELPERS = Path(__file__).parents[1] / "contract" / "search_reference.py"
plain = SimpleNamespace(**runpy.run_path(str(HELPERS)))

QUARTERS = st.integers(-4, 4).map(lambda number: number / 4)
FLOATS = st.floats(-1e9, 1e9, width=32)
FEW_FLOATS = st.sampled_from([0.1, -0.1, 0.3, 1 / 3, 1e-30, -7e8, 0.0])


@st.composite
def searches(draw):
    dim, n_anchors, n_items = draw(st.integers(1, 4)), draw(st.integers(0, 4)), draw(st.integers(0, 25))
    values = draw(st.sampled_from([QUARTERS, FLOATS, FEW_FLOATS]))
    matrices = [draw(arrays(np.float32, (rows, dim), elements=values)) for rows in (n_anchors, n_items)]
    pairs = st.tuples(st.integers(0, max(n_anchors - 1, 0)), st.integers(0, max(n_items - 1, 0)))
    barred = draw(st.lists(pairs, max_size=40)) if n_anchors and n_items else []
    rows, items = np.array(barred, np.int64).reshape(-1, 2).T
    mineable = draw(arrays(bool, n_items, elements=st.sampled_from([True, True, True, False])))
    blocks = Blocks(*(draw(st.integers(1, 30)) for _ in range(3)))
    return *matrices, draw(st.integers(1, 30)), blocks, Relation.from_pairs(rows, items, n_anchors), mineable


@settings(max_examples=150, deadline=None)
@given(searches())
def test_search_equals_a_plain_sort(problem):
    anchors, items, k, blocks, excluded, mineable = problem
    if len(anchors):
        plain.check(anchors, items, k, blocks, excluded=excluded, mineable=mineable)


@settings(max_examples=50, deadline=None)
@given(searches())
def test_scores_of_quarters_are_plain_sums(problem):
    anchors, items, k, blocks, *_ = problem
    anchors, items = np.round(anchors.clip(-2, 2) * 4) / 4, np.round(items.clip(-2, 2) * 4) / 4
    if not len(anchors):
        return
    ids, scores = plain.search(anchors, items, k, blocks)
    for row, (found, values) in enumerate(zip(ids.tolist(), scores.tolist(), strict=True)):
        for item, value in zip(found, values, strict=True):
            if item >= 0:
                assert value == sum(a * b for a, b in zip(anchors[row].tolist(), items[item].tolist(), strict=True))


@settings(max_examples=50, deadline=None)
@given(searches(), searches())
def test_blocks_do_not_matter(problem, other):
    anchors, items, k, blocks, excluded, mineable = problem
    if not len(anchors):
        return
    once = plain.search(anchors, items, k, blocks, excluded=excluded, mineable=mineable)
    again = plain.search(anchors, items, k, other[3], excluded=excluded, mineable=mineable)
    np.testing.assert_array_equal(once[0], again[0])
    np.testing.assert_array_equal(once[1], again[1])
