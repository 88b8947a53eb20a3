"""The canonical inner product and length: both bodies sum in one fixed order, and round once."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from foils import _folds_numba, _folds_numpy

reference = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "array_reference.py")))

BODIES = (_folds_numba, _folds_numpy)
MATRICES = array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9)
NUMBERS = st.floats(-(2.0**40), 2.0**40, width=32)


def plain_dots(left, right):
    """Multiply and add cell by cell, in Python's own floats."""
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    sums = [reference.fold([a * b for a, b in zip(*pair, strict=True)]) for pair in pairs]
    return np.array(sums, dtype=np.float32) + np.float32(0.0)


def dots(body, left, right):
    """Score row by row."""
    every, scores = np.arange(len(left)), np.empty(len(left), np.float32)
    body.dots(left, every, right, every, scores)
    return scores


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(found.view(np.int32), expected.view(np.int32))


def cancelling(rows):
    """Give vectors whose products cancel, so that the roundings are what is left."""
    generator = np.random.default_rng(20240607)
    halves = generator.standard_normal((2, rows, 192)) * 10.0 ** generator.integers(-8, 9, (2, rows, 192))
    both = [np.concatenate([half, sign * half[:, ::-1]], axis=1) for half, sign in zip(halves, (1, -1), strict=True)]
    return [side.astype(np.float32) for side in both]


@pytest.mark.parametrize("body", BODIES)
def test_inner_products_equal_plain_ones(body):
    left, right = cancelling(90)
    assert_same_bits(dots(body, left, right), plain_dots(left, right))


@pytest.mark.parametrize("body", BODIES)
@given(pair=MATRICES.flatmap(lambda shape: st.tuples(*[arrays(np.float32, shape, elements=NUMBERS)] * 2)))
@settings(max_examples=40)
def test_any_inner_products_equal_plain_ones(body, pair):
    assert_same_bits(dots(body, *pair), plain_dots(*pair))


@pytest.mark.parametrize("body", BODIES)
def test_an_inner_product_is_rounded_once(body):
    left, right = np.random.default_rng(0).standard_normal((2, 1000, 384)).astype(np.float32)
    exact = np.sum(left.astype(np.longdouble) * right, axis=1).astype(np.float32)
    assert_same_bits(dots(body, left, right), exact)  # a float64 sum could only miss beside a midpoint


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_inner_products_do_not_depend_on_the_block(rows):
    left, right = cancelling(200)
    parts = [
        dots(_folds_numpy, left[start : start + rows], right[start : start + rows]) for start in range(0, 200, rows)
    ]
    assert_same_bits(np.concatenate(parts), dots(_folds_numpy, left, right))


@pytest.mark.parametrize("body", BODIES)
def test_lengths_equal_plain_ones(body):
    vectors = cancelling(90)[0]
    vectors[3] = 0.0
    unit = vectors.copy()
    body.normalise(unit)
    assert_same_bits(unit, reference.normalise_rows(vectors))
