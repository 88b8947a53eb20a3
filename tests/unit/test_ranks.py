"""Ranks and depths as shares of the items, and the band of runner-ups."""

import runpy
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import recipes, samplers
from foils._array import Key
from foils.errors import InputError, RecipeError
from foils.ranks import bound, number
from foils.rules import judge
from foils.samplers import TopK, UniformWindow
from foils.sources import BM25, Dense, Mixture
from foils.sources.mixture import One

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py")))

SHARES = st.one_of(st.integers(0, 100).map(str), st.integers(0, 9999).map(lambda n: f"{n // 100}.{n % 100:02d}"))


@given(SHARES, st.integers(1, 10**9))
@settings(max_examples=40, deadline=None)
def test_a_share_is_a_whole_number_rounded_down_exactly(share, n_items):
    expected = int(Fraction(share) * n_items / 100)
    assert bound(UniformWindow(skip_ranks=f"{share}%"), n_items).skip_ranks == expected
    assert bound(Dense(k=f"{share}%"), n_items).k == max(expected, 1)


def test_shares_are_found_in_every_part_of_a_mixture_and_nothing_else_changes():
    mixture = Mixture(of=(One(dense=Dense(k="10%", vectors="50%")), One(bm25=BM25(k=7, max_depth="20%"))))
    expected = Mixture(of=(One(dense=Dense(k=5, vectors="50%")), One(bm25=BM25(k=7, max_depth=10))))
    assert bound(mixture, 50) == expected
    assert bound(expected, 1000) == expected
    assert bound(TopK(), 50) == TopK()


def test_a_share_without_a_collection_is_refused():
    with pytest.raises(InputError, match="4% is a share of the items"):
        Dense(k="4%").depths(3)
    assert number(4) == 4


@pytest.mark.parametrize("window", [("3%", "3%"), ("3%", "2.5%"), (4, 4)])
def test_a_window_without_a_rank_is_refused(window):
    with pytest.raises(RecipeError, match="must be above"):
        UniformWindow(skip_ranks=window[0], max_rank=window[1])
    with pytest.raises(RecipeError, match="is below k"):
        Dense(k="3%", max_depth="2%")


def test_a_collection_too_small_for_the_band_is_refused_with_its_size():
    recipe = recipes.load("runner-up")
    with pytest.raises(RecipeError, match=r"sampler.uniform: in a collection of 24 items, max_rank 0 must be above"):
        recipe.bound(24)
    bounded = recipe.bound(25)
    assert (bounded.source.fields.k, bounded.sampler.fields) == (1, UniformWindow(skip_ranks=0, max_rank=1))


@pytest.mark.parametrize(("low", "high"), [(3, 4), (0, 10), (10, 35), (0, 100)])
def test_a_band_holds_its_share_of_the_ranks(low, high):
    inputs, n_items = problems.inputs(), problems.N_ITEMS
    recipe = recipes.load("runner-up", [
        f"source.dense.k={high}%", f"source.dense.max_depth={high}%",
        f"sampler.uniform.skip_ranks={low}%", f"sampler.uniform.max_rank={high}%",
    ]).bound(n_items)  # fmt: skip
    first, last = n_items * low // 100, n_items * high // 100
    found = recipe.source.fields.open(inputs).retrieve(inputs.positives.units(), recipe.source.fields.depths(1)[0])
    weights = recipe.sampler.fields.weigh(found, judge([], found).keep)
    drawable = np.isfinite(weights).sum(axis=1)
    np.testing.assert_array_equal(drawable, np.clip((found.items >= 0).sum(axis=1) - first, 0, last - first))
    if low == 0:  # the band from the top is the plain list
        drawn = samplers.draw(recipe.sampler.fields, found, weights, last, Key(0, "sampler", 0))
        np.testing.assert_array_equal(np.sort(drawn.items, axis=1), np.sort(found.items, axis=1))
