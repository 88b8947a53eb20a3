"""The contract of the rules, applied to every member of the registry."""

import itertools
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import _array, rules
from foils.candidates import Column, Kind
from foils.rules import (
    REASONS,
    AbsoluteMargin,
    MaxFalseNegativeRate,
    MaxScore,
    MeanStd,
    MinScore,
    RelativeMargin,
    judge,
)

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

# From lenient to strict.
EXAMPLES = {
    "max_score": (tuple(MaxScore(threshold=t) for t in (5.0, 0.5, 0.25, 0.0, -0.25)),),
    "absolute_margin": tuple(
        tuple(AbsoluteMargin(margin=d, reference=reference) for d in (0.0, 0.125, 0.25, 1.0))
        for reference in ("min", "max", "mean")
    ),
    "relative_margin": tuple(
        tuple(RelativeMargin(margin=m, reference=reference) for m in (0.0, 0.05, 0.5, 1.0))
        for reference in ("min", "max", "mean", "pair")
    ),
    "mean_std": (tuple(MeanStd(deviations=d) for d in (3.0, 1.5, 1.0, 0.5, 0.0)),),
    "min_score": (tuple(MinScore(threshold=t) for t in (-5.0, -0.25, 0.0, 0.25, 0.5)),),
    "max_false_negative_rate": (tuple(MaxFalseNegativeRate(rate=r) for r in (1.0, 0.25, 0.125, 0.0)),),
}
CHAINS = [
    pytest.param(name, chain, id=f"{name}{number}")
    for name, chains in EXAMPLES.items()
    for number, chain in enumerate(chains)
]
CASES = [
    pytest.param(name, rule, id=f"{name}{number}")
    for name, chains in EXAMPLES.items()
    for number, rule in enumerate(rule for chain in chains for rule in chain)
]
every_rule = pytest.mark.parametrize(("name", "rule"), CASES)
of_a_score = pytest.mark.parametrize(("name", "rule"), [case for case in CASES if not case.id.startswith("max_false")])
NEEDS_POSITIVE = ("absolute_margin", "relative_margin")
SEEDS = range(6)


def test_every_rule_is_covered():
    assert EXAMPLES.keys() == rules.REGISTRY.keys()
    for name, chains in EXAMPLES.items():
        assert {type(rule) for chain in chains for rule in chain} == {rules.REGISTRY[name]}
        assert all(len(chain) > 1 for chain in chains)


def looked_at(rule, found):
    """Give the numbers that a rule looks at."""
    return found.columns[rule.column or "second"].values


def without_sources(found):
    """Forget which candidates are trusted."""
    return replace(found, sources=("first", "second"))


@every_rule
def test_it_says_why(name, rule):
    reasons = set()
    for seed in SEEDS:
        found = problems.candidates(seed)
        before = problems.copied(found)
        said = rule(found)
        problems.assert_same(found, before)
        assert (said.dtype, said.shape) == (np.int8, found.items.shape)
        problems.assert_same(rule(found), said)
        reasons |= {REASONS[code] for code in said.ravel().tolist()}
    assert {"kept", "unscored"} <= reasons <= {"kept", "unscored", "no_positive_score", name}
    assert ("no_positive_score" in reasons) is (name in NEEDS_POSITIVE)


@pytest.mark.parametrize(("name", "chain"), CHAINS)
def test_stricter_rejects_more(name, chain):
    strictly = False
    for seed in SEEDS:
        found = problems.candidates(seed)
        rejected = [rule(found) > 0 for rule in chain]
        for lenient, strict in itertools.pairwise(rejected):
            assert (lenient <= strict).all()
        strictly |= bool((rejected[0] != rejected[-1]).any())
    assert strictly


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_bodies_agree(name, rule, dtype):
    for seed in SEEDS:
        found = problems.candidates(seed, dtype=dtype)
        noisy = problems.candidates(seed, dtype=dtype)
        for column in ("first", "second"):  # numbers that round, as well as those that do not
            entry = noisy.columns[column]
            noisy.columns[column] = Column(
                (entry.values * dtype(0.7318)).astype(dtype),
                entry.kind,
                (entry.positives * dtype(0.7318)).astype(dtype),
            )
        for case in (found, noisy):
            said = rule(problems.to_torch(case))
            assert _array.is_torch(said)
            problems.assert_same(_array.to_numpy(said), rule(case))
            verdict, expected = judge([rule], problems.to_torch(case)), judge([rule], case)
            problems.assert_same(_array.to_numpy(verdict.keep), expected.keep)
            problems.assert_same(_array.to_numpy(verdict.reason), expected.reason)


@every_rule
def test_a_unit_is_judged_alone(name, rule):
    found = problems.candidates(3)
    whole = judge([rule], found)
    for rows in ([4], [7, 2, 0], [8], []):
        rows = np.array(rows, np.int64)
        part = judge([rule], problems.take(found, rows))
        problems.assert_same(part.keep, whole.keep[rows])
        problems.assert_same(part.reason, whole.reason[rows])


@every_rule
def test_what_stands_in_absent_cells_does_not_matter(name, rule):
    found = problems.candidates(3)
    columns = {
        column: replace(entry, values=np.where(found.valid, entry.values, 9).astype(entry.values.dtype))
        for column, entry in found.columns.items()
    }
    problems.assert_same(judge([rule], replace(found, columns=columns)), judge([rule], found))


@every_rule
def test_scores_that_are_missing_are_rejected_unless_kept(name, rule):
    found = problems.candidates(1)
    missing = np.isnan(looked_at(rule, found))
    assert (rule(found)[missing] == REASONS.index("unscored")).all()
    lenient = msgspec.structs.replace(rule, unscored="keep")
    assert (lenient(found)[missing] == 0).all()
    problems.assert_same(lenient(found)[~missing], rule(found)[~missing])


@every_rule
def test_without_a_scored_positive_there_is_no_bound(name, rule):
    found = problems.candidates(2)
    scored = ~np.isnan(looked_at(rule, found))
    for unit in (0, 1):  # no positive at all, and none with a score
        said = rule(found)[unit][scored[unit]]
        if name in NEEDS_POSITIVE:
            assert (said == REASONS.index("no_positive_score")).all()
        else:
            assert REASONS.index("no_positive_score") not in said


@of_a_score
def test_it_looks_at_the_column_it_names(name, rule):
    found = problems.candidates(4)
    by_default = rule(found)
    problems.assert_same(msgspec.structs.replace(rule, column="second")(found), by_default)
    first = msgspec.structs.replace(rule, column="first")
    only = replace(found, columns={key: column for key, column in found.columns.items() if key != "second"})
    problems.assert_same(first(found), rule(only))


@every_rule
def test_degenerate_blocks(name, rule):
    found = problems.candidates(5)
    for case in (problems.first(found, 0), problems.take(found, np.array([], np.int64)), problems.first(found, 1)):
        verdict = judge([rule], case)
        assert verdict.keep.shape == verdict.reason.shape == case.items.shape
        problems.assert_same(_array.to_numpy(judge([rule], problems.to_torch(case)).reason), verdict.reason)


@every_rule
def test_fields_are_data(name, rule):
    assert rule.needs in (Kind.SCORE, Kind.RATIO, Kind.PROBABILITY)
    fields = msgspec.to_builtins(rule)
    assert "needs" not in fields
    assert msgspec.convert(fields, type(rule)) == rule
    assert rule.column == (None if "column" in fields else "p_positive")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(rule))


ALL = [MeanStd(deviations=1.0), AbsoluteMargin(margin=0.25), RelativeMargin(margin=0.5), MaxScore(threshold=0.25)]


@pytest.mark.parametrize("seed", SEEDS)
def test_rules_together_reject_what_any_rejects_and_keep_the_first_reason(seed):
    found = without_sources(problems.candidates(seed))
    singles = [np.where(found.valid, rule(found), 0) for rule in ALL]
    together = judge(ALL, found)
    expected = np.zeros_like(together.reason)
    for said in singles:
        expected = np.where(expected == 0, said, expected)
    problems.assert_same(together.reason, expected)
    problems.assert_same(together.keep, found.valid & ~np.any([said > 0 for said in singles], axis=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_another_rule_never_readmits(seed):
    found = problems.candidates(seed)
    for number in range(len(ALL)):
        fewer, more = judge(ALL[:number], found), judge(ALL[: number + 1], found)
        assert (more.keep <= fewer.keep).all()
        assert (more.reason[fewer.reason > 0] == fewer.reason[fewer.reason > 0]).all()
    assert (more.keep <= found.valid).all()
    assert (more.reason[more.keep | ~found.valid] == 0).all()
    assert (more.reason[found.valid & ~more.keep] > 0).all()


def test_without_rules_all_that_is_present_is_kept():
    found = problems.candidates(0)
    verdict = judge([], found)
    problems.assert_same(verdict.keep, found.valid)
    assert not verdict.reason.any()


def test_what_was_judged_non_relevant_is_exempt():
    found = problems.candidates(0)
    strict = [MaxScore(threshold=-100.0)]
    provided = found.columns["source"].values == 1
    assert (provided & found.valid).any()
    problems.assert_same(judge(strict, found).keep, provided & found.valid)
    assert not judge(strict, without_sources(found)).keep.any()
