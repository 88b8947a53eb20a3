"""The calibrator of a recipe: loaded, resolved, overridden, and refused where it does not fit."""

import re

import msgspec
import pytest

from foils.calibrators import Isotonic, Platt
from foils.errors import RecipeError
from foils.recipes import load
from foils.recipes.loader import from_resolved, override_resolved

RECIPE = """
source: {dense: {k: 20}}
scorers: [{vectors: {name: second, vectors: other}}]
p_positive: {platt: {column: second, slope: 9, intercept: -5}}
rules: [{max_false_negative_rate: {rate: 0.02}}, {max_score: {threshold: 0.5, column: p_positive}}]
sampler: {top_k: {column: dense}}
"""


@pytest.fixture
def loaded(tmp_path):
    """Load a recipe, its text changed by replacing one piece by another."""

    def load_changed(before="", after=""):
        assert before in RECIPE
        path = tmp_path / "own.yaml"
        path.write_text(RECIPE.replace(before, after) if before else RECIPE, encoding="utf-8")
        return load(path)

    return load_changed


def test_a_calibrator_is_part_of_what_identifies_a_run(loaded):
    recipe = loaded()
    assert recipe.p_positive.fields == Platt("second", 9.0, -5.0)
    resolved = recipe.resolved()
    assert resolved["p_positive"] == {"platt": {"column": "second", "slope": 9.0, "intercept": -5.0, "reference": None}}
    assert list(resolved)[:4] == ["per", "source", "scorers", "p_positive"]
    assert from_resolved(msgspec.json.decode(msgspec.json.encode(resolved)), "own").resolved() == resolved


def test_without_one_nothing_is_said_of_it():
    recipe = load("nv-retriever")
    assert recipe.p_positive is None
    assert "p_positive" not in recipe.resolved()


def test_it_is_overridden_as_a_whole_by_field_or_away(loaded):
    recipe = loaded("{max_false_negative_rate: {rate: 0.02}}, {max_score: {threshold: 0.5, column: p_positive}}", "")
    curve = 'p_positive={"isotonic": {"column": "dense", "scores": [0, 1], "probabilities": [0.1, 0.9]}}'
    changed = override_resolved(recipe, [curve, "p_positive.isotonic.between=step"])
    assert changed.p_positive.fields == Isotonic("dense", (0.0, 1.0), (0.1, 0.9), between="step")
    assert override_resolved(recipe, ["p_positive.platt.slope=3"]).p_positive.fields.slope == 3
    assert override_resolved(recipe, ["p_positive=null"]).p_positive is None
    with pytest.raises(RecipeError, match=r"no p_positive\.isotonic; did you mean 'platt'|no p_positive\.isotonic"):
        override_resolved(recipe, ["p_positive.isotonic.between=step"])


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "column: second, slope",
            "column: secund, slope",
            "p_positive.platt: there is no column 'secund'; did you mean 'second'",
        ),
        ("{platt:", "{plat:", "p_positive.plat: no such part; did you mean 'platt'"),
        ("slope: 9, ", "", "missing required field `slope`"),
        ("slope: 9", "slope: steep", "p_positive.platt.slope: expected `float`, got `str`, found 'steep'"),
        ("slope: 9", "slope: .inf", "expected a finite number"),
        ("slope: 9", "slop: 9", "no such field; did you mean 'slope'"),
        ("intercept: -5", "intercept: -5, reference: pair", "reference pair needs 'per: pair'"),
        (
            "p_positive: {platt: {column: second, slope: 9, intercept: -5}}",
            "p_positive: [1]",
            "expected one part by name",
        ),
        (
            "p_positive: {platt: {column: second, slope: 9, intercept: -5}}",
            "",
            "needs a calibrated p_positive, and this recipe has no calibrator: fit one to labels by foils calibrate",
        ),
        (
            "{max_score: {threshold: 0.5, column: p_positive}}",
            "{relative_margin: {column: p_positive}}",
            "p_positive is no score to draw by or to measure from a positive; name a score column: dense, second",
        ),
        ("{top_k: {column: dense}}", "{top_k: {column: p_positive}}", "p_positive is no score to draw by"),
        ("{rate: 0.02}", "{rate: 2}", "expected `float` <= 1.0, found 2"),
        ("{rate: 0.02}", "{rate: 0.02, column: dense}", "no such field; Valid: rate, unscored"),
    ],
)
def test_what_does_not_fit_is_refused(loaded, before, after, problem):
    with pytest.raises(RecipeError, match=re.escape(problem)):
        loaded(before, after)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ("scores: [0, 1], probabilities: [0.1]", "2 scores and 1 probabilities"),
        ("scores: [], probabilities: []", "expected as many of one as of the other, and at least one"),
        ("scores: [0, 0], probabilities: [0.1, 0.2]", "scores do not rise"),
        ("scores: [0, 1], probabilities: [0.2, 0.1]", "probabilities fall somewhere, or leave 0 … 1"),
        ("scores: [0, 1], probabilities: [0.2, 1.1]", "probabilities fall somewhere, or leave 0 … 1"),
    ],
)
def test_a_curve_that_falls_is_refused(loaded, fields, problem):
    with pytest.raises(RecipeError, match=re.escape(problem)):
        loaded("{platt: {column: second, slope: 9, intercept: -5}}", f"{{isotonic: {{column: second, {fields}}}}}")


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        ("{stacker: {terms: [], intercept: 0}}", "terms is empty"),
        ("{stacker: {terms: [{column: dense, weight: 1, scale: 0}], intercept: 0}}", "expected `float` > 0.0"),
        ("{cascade: {of: []}}", "of is empty"),
        ("{cascade: {of: [{}]}}", "expected one calibrator by name and its fields"),
        ("{cascade: {of: [{platt: {column: lost, slope: 1, intercept: 0}}]}}", "there is no column 'lost'"),
    ],
)
def test_stackers_and_cascades_are_checked_within(loaded, part, problem):
    with pytest.raises(RecipeError, match=re.escape(problem)):
        loaded("{platt: {column: second, slope: 9, intercept: -5}}", part)


def test_relaxing_a_rate_is_checked_too(loaded):
    relaxed = loaded(
        "sampler:", "shortfall: {policy: relax, steps: [{max_false_negative_rate: {rate: 0.1}}]}\nsampler:"
    )
    assert relaxed.relaxations[0][0].fields.rate == 0.1
