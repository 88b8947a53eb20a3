"""Lengths of vectors: both bodies agree up to rounding, and say what is not finite."""

import numpy as np
import pytest

from foils import _compiled
from foils._lengths import lengths_of


@pytest.mark.parametrize("compiled", [True, False])
def test_lengths(compiled, monkeypatch):
    monkeypatch.setattr(_compiled, "is_available", lambda: compiled)
    vectors = np.random.default_rng(0).standard_normal((40, 385)).astype(np.float32)
    vectors[3], vectors[4, 7], vectors[5, 0], vectors[6] = 0, np.nan, np.inf, 1e30
    expected = np.sqrt((vectors.astype(np.float64) ** 2).sum(axis=1))
    for layout in (vectors, np.asfortranarray(vectors), np.repeat(vectors, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(lengths_of(layout), expected, rtol=1e-14)
    assert lengths_of(vectors[:0]).shape == (0,)
