"""The contract of the calibrators, applied to every member of the registry."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from foils import _array, calibrators
from foils.calibrators import Cascade, Isotonic, One, Platt, Stacker, Term, calibrated
from foils.candidates import Column

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("problems.py"))))

CURVE = Isotonic("first", (-0.5, 0.0, 0.25), (0.05, 0.2, 0.9))
LOGISTIC = Platt("second", slope=4.0, intercept=-1.0)
EXAMPLES = {
    "isotonic": (
        CURVE,
        Isotonic("first", (-0.5, 0.0, 0.25), (0.05, 0.2, 0.9), between="step"),
        Isotonic("second", (0.0,), (0.3,), reference="max"),
        Isotonic("second", (-1.0, 1.0), (0.0, 1.0), reference="min"),
    ),
    "platt": (LOGISTIC, Platt("first", slope=-900.0, intercept=3.0, reference="mean")),
    "stacker": (
        Stacker((Term("first", 1.5, missing=-0.5), Term("second", -2.0, "min", 0.1, 0.5, 0.75)), intercept=-1.0),
    ),
    "cascade": (Cascade((One(isotonic=CURVE), One(platt=LOGISTIC))),),
}
CASES = [
    pytest.param(name, fields, id=f"{name}{number}")
    for name, examples in EXAMPLES.items()
    for number, fields in enumerate(examples)
]
every_calibrator = pytest.mark.parametrize(("name", "fields"), CASES)
SEEDS = range(4)


def test_every_calibrator_is_covered():
    assert EXAMPLES.keys() == calibrators.REGISTRY.keys()
    for name, examples in EXAMPLES.items():
        assert {type(fields) for fields in examples} == {calibrators.REGISTRY[name]}


@every_calibrator
def test_it_says_probabilities_and_never_0_or_1(name, fields):
    for seed in SEEDS:
        found = problems.candidates(seed)
        before = problems.copied(found)
        said = fields(found)
        problems.assert_same(found, before)
        assert (said.dtype, said.shape) == (np.float32, found.items.shape)
        clear = said[~np.isnan(said)]
        assert clear.size
        assert clear.min() > 0
        assert clear.max() < 1
        assert np.isnan(said[~found.valid]).all()


@every_calibrator
def test_it_says_nothing_below_its_least(name, fields):
    assert 0 <= fields.least() < 1
    for seed in SEEDS:
        said = fields(problems.candidates(seed))
        assert (said[~np.isnan(said)] >= np.float32(fields.least())).all()


def test_a_curve_goes_no_lower_than_its_first_point():
    assert CURVE.least() == 0.05
    assert Cascade((One(isotonic=CURVE), One(isotonic=replace_first(CURVE, 0.01)))).least() == 0.01
    assert Cascade((One(isotonic=CURVE), One(platt=LOGISTIC))).least() == 0.0


def replace_first(curve, probability):
    return msgspec.structs.replace(curve, probabilities=(probability, *curve.probabilities[1:]))


@every_calibrator
def test_both_bodies_agree(name, fields):
    for seed in SEEDS:
        found = problems.candidates(seed)
        said = fields(problems.to_torch(found))
        assert _array.is_torch(said)
        np.testing.assert_allclose(_array.to_numpy(said), fields(found), rtol=1e-6)
        judged = calibrated(problems.to_torch(found), fields).columns["p_positive"].values
        np.testing.assert_allclose(
            _array.to_numpy(judged), calibrated(found, fields).columns["p_positive"].values, rtol=1e-6
        )


@every_calibrator
def test_a_unit_is_said_alone(name, fields):
    found = problems.candidates(3)
    whole = fields(found)
    for rows in ([4], [7, 2, 0], [8], []):
        rows = np.array(rows, np.int64)
        problems.assert_same(fields(problems.take(found, rows)), whole[rows])


@every_calibrator
def test_where_no_score_is_nothing_is_said(name, fields):
    found = problems.candidates(1)
    silent = np.ones(found.items.shape, bool)
    for entry in fields.inputs():
        silent &= np.isnan(entry.values(found))
    said = fields(found)
    problems.assert_same(np.isnan(said), silent)
    assert (silent & found.valid).any()
    assert not silent.all()


@every_calibrator
def test_degenerate_blocks(name, fields):
    found = problems.candidates(5)
    for case in (problems.first(found, 0), problems.take(found, np.array([], np.int64)), problems.first(found, 1)):
        assert fields(case).shape == case.items.shape
        assert tuple(fields(problems.to_torch(case)).shape) == case.items.shape


@every_calibrator
def test_fields_are_data(name, fields):
    data = msgspec.json.decode(msgspec.json.encode(fields))
    assert msgspec.convert(data, type(fields)) == fields
    assert set(fields.reads()) == {entry.column for entry in fields.inputs()}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_field": 1}, type(fields))


@every_calibrator
def test_trusted_negatives_stay_0_and_saying_it_again_changes_nothing(name, fields):
    found = problems.candidates(2)
    trusted = (found.columns["p_positive"].values == 0) & found.valid
    assert trusted.any()
    once = calibrated(found, fields)
    said = once.columns["p_positive"].values
    assert (said[trusted] == 0).all()
    problems.assert_same(said[~trusted], fields(found)[~trusted])
    problems.assert_same(calibrated(once, fields), once)
    other = Platt("first", slope=1.0, intercept=0.0)
    problems.assert_same(calibrated(calibrated(found, other), fields), once)


def test_without_a_calibrator_only_trusted_negatives_are_known():
    found = problems.candidates(2)
    said = calibrated(calibrated(found, LOGISTIC), None).columns["p_positive"].values
    trusted = (found.columns["p_positive"].values == 0) & found.valid
    problems.assert_same(said, np.where(trusted, 0, np.nan).astype(np.float32))


def one_row(**columns):
    """Give a unit with one positive and these scores: (values, score of the positive)."""
    width = len(next(iter(columns.values()))[0])
    found = problems.take(problems.candidates(0, rows=2, width=width), np.array([1]))
    units = replace(
        found.units, indptr=np.array([0, 2]), positives=np.array([100, 101]), anchors=found.units.anchors[:1]
    )
    made = {
        name: Column(np.array([values], np.float32), positives=np.array(positives, np.float32))
        for name, (values, positives) in columns.items()
    }
    made = {name: replace(column, kind=problems.Kind.RATIO) for name, column in made.items()}
    return replace(found, units=units, items=np.arange(width)[None], columns=made)


NAN = np.nan


def said_of(fields, found):
    return fields(found)[0].tolist()


def test_isotonic_joins_its_points_or_steps_and_clamps():
    found = one_row(s=([-9, -0.5, -0.25, 0, 0.125, 0.25, 9, NAN], [0, 0]))
    points = {"scores": (-0.5, 0.0, 0.25), "probabilities": (0.125, 0.25, 0.75)}
    assert said_of(Isotonic("s", **points), found)[:-1] == [0.125, 0.125, 0.1875, 0.25, 0.5, 0.75, 0.75]
    stepped = Isotonic("s", **points, between="step")
    assert said_of(stepped, found)[:-1] == [0.125, 0.125, 0.125, 0.25, 0.25, 0.75, 0.75]
    assert np.isnan(said_of(stepped, found)[-1])


def test_margins_are_measured_from_the_reference_positive():
    found = one_row(s=([0.5, 1.0], [0.5, 1.0]))
    curve = {"scores": (-0.5, 0.0, 0.5), "probabilities": (0.25, 0.5, 0.75)}
    assert said_of(Isotonic("s", **curve, reference="min"), found) == [0.5, 0.75]
    assert said_of(Isotonic("s", **curve, reference="max"), found) == [0.25, 0.5]
    assert said_of(Isotonic("s", **curve, reference="mean"), found) == [0.375, 0.625]
    assert np.isnan(said_of(Isotonic("s", **curve, reference="min"), one_row(s=([0.5], [NAN, NAN])))).all()


def test_platt_is_the_logistic_curve():
    found = one_row(s=([0.0, 0.5, -1.0, 1e30, -1e30], [0, 0]))
    expected = [1 / (1 + np.exp(-z)) for z in (-1.0, 1.0, -5.0)]
    assert said_of(Platt("s", 4.0, -1.0), found)[:3] == pytest.approx(expected, rel=1e-6)
    assert said_of(Platt("s", 4.0, -1.0), found)[3:] == [1 - 2**-24, 2**-24]


def test_a_stacker_adds_its_terms_and_counts_silence():
    found = one_row(a=([1.0, 1.0, NAN, NAN], [0, 0]), b=([3.0, NAN, 3.0, NAN], [1, 2]))
    fields = Stacker((Term("a", 2.0, missing=-0.25), Term("b", 0.5, "max", 2.0, 4.0, 0.125)), intercept=-1.0)
    logits = [-1 + 2 + 0.5 * (1 - 2) / 4, -1 + 2 + 0.125, -1 - 0.25 + 0.5 * (1 - 2) / 4]
    assert said_of(fields, found)[:3] == pytest.approx([1 / (1 + np.exp(-z)) for z in logits], rel=1e-6)
    assert np.isnan(said_of(fields, found)[3])


def test_in_a_cascade_the_last_that_answered_wins():
    found = one_row(a=([0.0, 0.0, NAN, NAN], [0, 0]), b=([0.0, NAN, 0.0, NAN], [0, 0]))
    cheap, dear = Isotonic("a", (0.0,), (0.25,)), Isotonic("b", (0.0,), (0.75,))
    assert said_of(Cascade((One(isotonic=cheap), One(isotonic=dear))), found)[:3] == [0.75, 0.25, 0.75]
    assert said_of(Cascade((One(isotonic=dear), One(isotonic=cheap))), found)[:3] == [0.25, 0.25, 0.75]
    assert np.isnan(said_of(Cascade((One(isotonic=cheap), One(isotonic=dear))), found)[3])
