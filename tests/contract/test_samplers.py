"""The contract of the samplers, applied to every member of the registry."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import _array, samplers
from foils._array import Key
from foils.candidates import Column, Kind
from foils.rules import MaxScore, judge
from foils.samplers import Resample, SimANS, Softmax, Strided, TopK, UniformWindow, draw, gumbel_top_k
from foils.samplers.resample import Base

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

EXAMPLES = {
    "top_k": (
        TopK(),
        TopK(skip_ranks=3),
        TopK(skip_survivors=2),
        TopK(skip_ranks=2, skip_survivors=1, column="first"),
        TopK(column="rank"),
    ),
    "uniform": (UniformWindow(), UniformWindow(skip_ranks=2, max_rank=8)),
    "softmax": (Softmax(), Softmax(temperature=0.5, skip_ranks=2), Softmax(column="first")),
    "simans": (
        SimANS(),
        SimANS(a=3.0, b=0.25, kernel="laplace", reference="mean"),
        SimANS(a=0.0),
        SimANS(a=1e12, column="first", reference="max"),
    ),
    "resample": (
        Resample(),
        Resample(base=Base(uniform=UniformWindow(skip_ranks=2, max_rank=8)), gamma=20.0, column="first"),
        Resample(base=Base(softmax=Softmax(column="first")), gamma=0.5),
        Resample(base=Base(softmax=Softmax(temperature=0.5, column="first")), gamma=0.0),
    ),
}
EXAMPLES["strided"] = (Strided(stride=3), Strided(), Strided(stride=1, column="first"), Strided(column="rank"))
CASES = [
    pytest.param(name, sampler, id=f"{name}{number}")
    for name, examples in EXAMPLES.items()
    for number, sampler in enumerate(examples)
]
every_sampler = pytest.mark.parametrize(("name", "sampler"), CASES)
SEEDS = range(6)
KEY = Key(7, "sampler", 0)


def test_every_sampler_is_covered():
    assert EXAMPLES.keys() == samplers.REGISTRY.keys()
    for name, examples in EXAMPLES.items():
        assert {type(sampler) for sampler in examples} == {samplers.REGISTRY[name]}


def problem(seed):
    """Give candidates and what a rule keeps of them."""
    found = problems.candidates(seed)
    return found, judge([MaxScore(threshold=0.5, unscored="keep")], found).keep


def negatives(sampler, found, keep, m, key=KEY):
    return draw(sampler, found, sampler.weigh(found, keep), m, key)


@every_sampler
def test_only_what_is_kept_has_weight(name, sampler):
    some = False
    for seed in SEEDS:
        found, keep = problem(seed)
        before = problems.copied(found)
        weights = sampler.weigh(found, keep)
        problems.assert_same(found, before)
        assert (weights.dtype, weights.shape) == (np.float64, found.items.shape)
        assert (np.isneginf(weights) | np.isfinite(weights)).all()
        assert np.isneginf(weights[~keep]).all()
        some |= bool((weights > -np.inf).any())
        problems.assert_same(sampler.weigh(found, keep), weights)
        assert np.isneginf(sampler.weigh(found, np.zeros_like(keep))).all()
    assert some


@every_sampler
@pytest.mark.parametrize("m", [1, 3, 12, 40])
def test_negatives_are_kept_candidates(name, sampler, m):
    short = 0
    for seed in SEEDS:
        found, keep = problem(seed)
        weights = sampler.weigh(found, keep)
        chosen = draw(sampler, found, weights, m, KEY)
        assert chosen.items.dtype == chosen.positions.dtype == np.int64
        assert chosen.log_q.dtype == np.float32
        assert chosen.items.shape == chosen.positions.shape == chosen.log_q.shape == (len(found.units), m)
        problems.assert_absent_at_the_right(chosen.items)
        problems.assert_distinct(chosen.items)
        present = chosen.items >= 0
        np.testing.assert_array_equal(chosen.positions >= 0, present)
        at = np.nonzero(present)
        np.testing.assert_array_equal(found.items[at[0], chosen.positions[at]], chosen.items[at])
        assert (weights[at[0], chosen.positions[at]] > -np.inf).all()
        assert keep[at[0], chosen.positions[at]].all()
        np.testing.assert_array_equal(present.sum(axis=1), np.minimum(m, (weights > -np.inf).sum(axis=1)))
        short += int((~present).sum())
    assert short


@every_sampler
def test_the_law_is_a_probability_or_nothing(name, sampler):
    for seed in SEEDS:
        found, keep = problem(seed)
        chosen = negatives(sampler, found, keep, 4)
        lawful = (chosen.items >= 0) if sampler.random else np.zeros_like(chosen.items, bool)
        np.testing.assert_array_equal(np.isnan(chosen.log_q), ~lawful)
        assert (chosen.log_q[lawful] <= 0).all()
        assert np.isfinite(chosen.log_q[lawful]).all()


@every_sampler
def test_the_law_of_the_source_is_added(name, sampler):
    found, keep = problem(0)
    source = found.columns["log_q"].values
    certain = {**found.columns, "log_q": Column(np.zeros_like(source))}
    without, chosen = negatives(sampler, replace(found, columns=certain), keep, 4), negatives(sampler, found, keep, 4)
    expected = without.log_q + _array.take_valid(source, chosen.positions, np.nan)
    problems.assert_same(chosen.log_q, expected)
    lawless = {**found.columns, "log_q": Column(np.full_like(source, np.nan))}
    assert np.isnan(negatives(sampler, replace(found, columns=lawless), keep, 4).log_q).all()


@every_sampler
def test_both_bodies_agree(name, sampler):
    for seed in SEEDS:
        found, keep = problem(seed)
        tensors = problems.to_torch(found)
        weights = sampler.weigh(found, keep)
        other = sampler.weigh(tensors, problems.to_torch(keep))
        assert _array.is_torch(other)
        # log1p may differ in the last digit of float64.
        np.testing.assert_allclose(_array.to_numpy(other), weights, rtol=1e-15 if name == "resample" else 0)
        noise = _array.gumbel(KEY, found.units.keys[:, None], found.items) if sampler.random else None
        for m in (1, 4, 40):
            positions, log_q = gumbel_top_k(weights, noise, m)
            twin = gumbel_top_k(other, problems.to_torch(noise), m)
            problems.assert_same(_array.to_numpy(twin[0]), positions)
            assert _array.to_numpy(twin[1]).dtype == np.float32
            # exp and log may differ in the last digit of float64, and so one float32 in a billion.
            np.testing.assert_allclose(_array.to_numpy(twin[1]), log_q, rtol=2e-7, atol=1e-15)
            drawn = draw(sampler, tensors, other, m, KEY)
            problems.assert_same(_array.to_numpy(drawn.items), draw(sampler, found, weights, m, KEY).items)


@every_sampler
def test_a_unit_is_drawn_for_alone(name, sampler):
    found, keep = problem(3)
    whole = negatives(sampler, found, keep, 4)
    for rows in ([4], [7, 2, 0], [8], []):
        rows = np.array(rows, np.int64)
        part = negatives(sampler, problems.take(found, rows), keep[rows], 4)
        problems.assert_same(part.items, whole.items[rows])
        problems.assert_same(part.log_q, whole.log_q[rows])


@every_sampler
def test_fewer_are_the_first_of_more(name, sampler):
    found, keep = problem(2)
    few, many = negatives(sampler, found, keep, 3), negatives(sampler, found, keep, 7)
    problems.assert_same(many.items[:, :3], few.items)


@every_sampler
def test_noise_follows_the_key_and_nothing_else(name, sampler):
    found, keep = problem(0)
    first = negatives(sampler, found, keep, 4)
    problems.assert_same(negatives(sampler, found, keep, 4).items, first.items)
    for key in (KEY._replace(seed=8), KEY._replace(stage="another"), KEY._replace(epoch=1)):
        same = all(
            np.array_equal(
                negatives(sampler, *problem(seed), 4).items, negatives(sampler, *problem(seed), 4, key).items
            )
            for seed in SEEDS
        )
        assert same is not sampler.random


@pytest.mark.parametrize(("name", "sampler"), [case for case in CASES if case.values[1].random])
def test_the_order_of_candidates_does_not_matter_to_noise(name, sampler):
    """Noise belongs to the item: the same pool in another order, ranks moved along, gives the same negatives."""
    found, keep = problem(1)
    order = np.random.default_rng(0).permutation(found.items.shape[1])
    columns = {key: replace(column, values=column.values[:, order]) for key, column in found.columns.items()}
    moved = replace(found, items=found.items[:, order], columns=columns)
    there = negatives(sampler, moved, keep[:, order], 4)
    here = negatives(sampler, found, keep, 4)
    problems.assert_same(there.items, here.items)
    problems.assert_same(there.log_q, here.log_q)


@pytest.mark.parametrize(
    ("name", "sampler"),
    [case for case in CASES if getattr(case.values[1], "skip_survivors", 0) == 0 and case.values[0] != "strided"],
)
def test_leaving_out_what_was_not_drawn_changes_nothing(name, sampler):
    found, keep = problem(1)
    chosen = negatives(sampler, found, keep, 3)
    drawn = np.zeros_like(keep)
    rows, _ = np.nonzero(chosen.positions >= 0)
    drawn[rows, chosen.positions[chosen.positions >= 0]] = True
    problems.assert_same(negatives(sampler, found, drawn, 3).items, chosen.items)


@every_sampler
def test_degenerate_blocks(name, sampler):
    found, _ = problem(5)
    for case in (problems.first(found, 0), problems.take(found, np.array([], np.int64)), problems.first(found, 1)):
        chosen = negatives(sampler, case, case.valid, 3)
        assert chosen.items.shape == (len(case.units), 3)
        assert (chosen.items[:, case.items.shape[1] :] == -1).all()
        tensors = problems.to_torch(case)
        twin = negatives(sampler, tensors, tensors.valid, 3)
        problems.assert_same(_array.to_numpy(twin.items), chosen.items)


@every_sampler
def test_units_without_a_scored_positive(name, sampler):
    given = [(negatives(sampler, *problem(seed), 4).items >= 0).any(axis=1)[:2] for seed in SEEDS]
    assert np.any(given, axis=0).tolist() == ([False, False] if name == "simans" else [True, True])


@every_sampler
def test_fields_are_data(name, sampler):
    fields = msgspec.to_builtins(sampler)
    assert not {"needs", "random"} & set(fields)
    assert msgspec.convert(fields, type(sampler)) == sampler
    assert sampler.needs is None or sampler.needs in Kind
    assert isinstance(sampler.random, bool)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(sampler))
