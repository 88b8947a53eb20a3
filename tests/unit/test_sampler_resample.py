"""Resampling: what another sampler would draw, spared where it is likely a positive."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils._array import Key
from foils.candidates import Column, Kind
from foils.errors import RecipeError
from foils.recipes.document import parse
from foils.recipes.loader import build
from foils.samplers import Resample, SimANS, Softmax, UniformWindow, draw
from foils.samplers.resample import Base

problems = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py"))
)  # fmt: skip
BASES = (
    Base(uniform=UniformWindow(skip_ranks=1)),
    Base(softmax=Softmax(temperature=0.3, column="first")),
    Base(simans=SimANS(a=3.0, column="first")),
)
every_base = pytest.mark.parametrize("base", BASES)


def with_p(seed, p):
    """Give candidates with a column of probabilities, and what is kept."""
    found = problems.candidates(seed)
    values = np.where(found.valid, np.broadcast_to(p, found.items.shape), np.nan).astype(np.float32)
    positives = np.zeros(len(found.units.positives), np.float32)
    return found.with_column("p", Column(values, Kind.PROBABILITY, positives)), found.valid


@every_base
@pytest.mark.parametrize("gamma", [0.5, 3.0])
def test_one_probability_for_all_gives_the_base(base, gamma):
    for seed in range(5):
        found, keep = with_p(seed, 0.375)
        weights = Resample(base=base, gamma=gamma, column="p").weigh(found, keep)
        plain = base.fields.weigh(found, keep)
        np.testing.assert_array_equal(np.isneginf(weights), np.isneginf(plain))
        key = Key(seed, "sampler", 0)
        ours, theirs = (draw(Resample(base=base), found, weigh, 4, key) for weigh in (weights, plain))
        np.testing.assert_array_equal(ours.items, theirs.items)
        np.testing.assert_allclose(ours.log_q, theirs.log_q, rtol=1e-5)


@every_base
def test_gamma_zero_gives_the_base_even_without_probabilities(base):
    found, keep = with_p(2, np.nan)
    weights = Resample(base=base, gamma=0.0, column="p").weigh(found, keep)
    np.testing.assert_array_equal(weights, base.fields.weigh(found, keep))


@every_base
def test_the_law_is_the_base_times_a_power_of_what_is_left(base):
    found, keep = with_p(3, np.random.default_rng(0).random((9, 12)))
    weights = Resample(base=base, gamma=2.0, column="p").weigh(found, keep)
    plain = base.fields.weigh(found, keep)
    p = found.columns["p"].values.astype(np.float64)
    drawable = np.isfinite(plain)
    np.testing.assert_allclose(np.exp(weights[drawable] - plain[drawable]), (1 - p[drawable]) ** 2, rtol=1e-9)
    assert drawable.any()


def test_a_likelier_positive_weighs_strictly_less():
    p = np.linspace(0, 0.999, 12)[None, :]
    found, keep = with_p(1, p)
    weights = Resample(column="p").weigh(found, keep)
    for row in weights:
        drawable = row[np.isfinite(row)]
        assert (np.diff(drawable) < 0).all()


def test_certain_positives_and_what_has_no_probability_are_never_drawn():
    p = np.array([[1.0, np.nan, 0.2, 0.9] * 3])
    found, keep = with_p(0, p)
    weights = Resample(column="p").weigh(found, keep)
    assert np.isneginf(weights[:, 0::4]).all()
    assert np.isneginf(weights[:, 1::4]).all()
    np.testing.assert_array_equal(np.isfinite(weights[:, 2::4]), found.valid[:, 2::4])


def test_draws_follow_the_law():
    found, keep = with_p(4, np.array([[0.0, 0.5, 0.75, 0.875] + [1.0] * 8]))
    full = found.valid.all(axis=1)
    assert full.any()
    sampler = Resample(column="p")
    weights = sampler.weigh(found, keep)[full][:1]
    one = replace(problems.take(found, np.flatnonzero(full)[:1]))
    places = [draw(sampler, one, weights, 1, Key(seed, "sampler", 0)).positions[0, 0] for seed in range(1000)]
    shares = np.bincount(places, minlength=4) / 1000
    expected = np.array([1, 0.5, 0.25, 0.125]) / 1.875
    # A standard error is at most 0.016.
    np.testing.assert_allclose(shares, expected, rtol=0, atol=0.064)


RECIPE = """
source: {dense: {}}
scorers: [{adapter: {}}]
sampler: {resample: BASE}
"""


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("{base: {}}", "expected one sampler by name"),
        ("{base: {softmax: {}}}", "must name their column"),
        ("{base: {softmax: {column: nothing}}}", "sampler.resample.base: there is no column 'nothing'"),
        ("{base: {top_k: {}}}", "top_k: no such field"),
        ("{column: dense}", "needs a column of kind probability, and 'dense' gives ratio only"),
        ("{gamma: -1}", "gamma: expected `float` >= 0.0"),
        ("{base: {simans: {column: dense, reference: pair}}}", "reference pair needs 'per: pair'"),
    ],
)
def test_what_does_not_fit_is_refused(fields, message):
    with pytest.raises(RecipeError) as caught:
        build(parse(RECIPE.replace("BASE", fields), "x.yaml"), "x.yaml")
    assert message in str(caught.value)


def test_a_share_of_the_items_is_bound():
    recipe = build(parse(RECIPE.replace("BASE", "{base: {uniform: {skip_ranks: 3%}}}"), "x.yaml"), "x.yaml")
    assert recipe.bound(200).sampler.fields.window().skip_ranks == 6
