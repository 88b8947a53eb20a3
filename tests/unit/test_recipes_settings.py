"""Settings that change a recipe: what they change, and what does not fit."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils import recipes
from foils.rules import MaxScore, RelativeMargin
from foils.samplers import TopK, UniformWindow
from foils.sources import Dense

making = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("recipe_making.py"))))
BASE, made, outcome, complaint = making.BASE, making.made, making.outcome, making.complaint


def test_settings_change_fields_in_order():
    recipe = recipes.load(
        "nv-retriever",
        [
            "rules.relative_margin.margin=0.1",
            "rules.relative_margin.reference=mean",
            "source.dense.k=50",
            "source.dense.similarity=dot",
            "sampler.top_k.skip_ranks=1",
            "sampler.top_k.skip_ranks=2",
            "loss.info_nce.temperature=0.05",
        ],
    )
    assert recipe.rules[0].fields == RelativeMargin(margin=0.1, reference="mean")
    assert recipe.source.fields == Dense(k=50, similarity="dot")
    assert recipe.sampler.fields == TopK(skip_ranks=2)
    assert recipe.loss.fields.temperature == 0.05
    assert recipe.name == "nv-retriever"
    assert recipes.load("nv-retriever").rules[0].fields == RelativeMargin()  # nothing is remembered


@pytest.mark.parametrize(
    ("setting", "part", "fields"),
    [
        ('sampler={"uniform": {"skip_ranks": 3}}', "sampler", UniformWindow(skip_ranks=3)),
        ("sampler={uniform: {skip_ranks: 3}}", "sampler", UniformWindow(skip_ranks=3)),
        ("source.dense.max_depth=null", "source", Dense()),
        ("source.dense.max_depth=", "source", Dense()),
        ("source.dense={}", "source", Dense()),
        ("sampler.top_k.column=dense", "sampler", TopK(column="dense")),
        ('sampler.top_k.column="dense"', "sampler", TopK(column="dense")),
    ],
)
def test_values_are_json_or_yaml(setting, part, fields):
    assert getattr(made(BASE, [setting]), part).fields == fields


def test_lists_and_parts_without_fields_can_be_set():
    bare = "source: {dense: }\nsampler: {top_k: }\nrules: [max_score: ]\n"
    recipe = made(bare, ["sampler.top_k.skip_ranks=4", "source.dense.k=9", "rules.max_score.threshold=0.5"])
    assert (recipe.sampler.fields, recipe.source.fields) == (TopK(skip_ranks=4), Dense(k=9))
    assert recipe.rules[0].fields == MaxScore(threshold=0.5)
    recipe = made(BASE, ["rules=[{mean_std: {}}, {max_score: {}}]", "rules.max_score.threshold=0.25", "per=pair"])
    assert [rule.name for rule in recipe.rules] == ["mean_std", "max_score"]
    assert recipe.rules[1].fields == MaxScore(threshold=0.25)
    assert recipe.per == "pair"


TWO = BASE + "rules: [{max_score: {}}, {max_score: {threshold: 0.1}}]\n"
BAD_SETTINGS = {
    "no sign": (BASE, "rules", "--set rules: expected part.name.field=value, as in rules.relative_margin.margin=0.1"),
    "no name": (BASE, "=3", "--set =3: expected part.name.field=value"),
    "a gap": (BASE, "source..k=3", "--set source..k=3: expected part.name.field=value"),
    "no such rule": (
        BASE + "rules: [{relative_margin: {}}]",
        "rules.relativemargin.margin=0.1",
        "this recipe has no rules.relativemargin; did you mean 'relative_margin'?",
    ),
    "no rules": (BASE, "rules.max_score.threshold=0.1", "this recipe has no rules; choose a recipe that has"),
    "empty rules": (BASE + "rules: []", "rules.max_score.threshold=0.1", "this recipe has no rules; choose"),
    "another source": (BASE, "source.uniform.k=3", "this recipe has no source.uniform; Valid: dense"),
    "a rule twice": (
        TWO,
        "rules.max_score.threshold=0.2",
        "this recipe has rules.max_score twice; set rules as a whole",
    ),
    "a field of a number": (
        "source: {dense: {k: 3}}\nsampler: {top_k: {}}",
        "source.dense.k.x=1",
        "source.dense.k has no fields; set it as a whole",
    ),
    "a field of a list": (
        BASE + "shortfall: {steps: [{}]}",
        "shortfall.steps.max_score=1",
        "shortfall.steps has no fields; set it as a whole, as in shortfall.steps=JSON",
    ),
    "not a value": (BASE, "source.dense.k={a: [", "the value '{a: [' is neither JSON nor YAML"),
    "a hostile value": (BASE, "source.dense.k=!!python/name:os.system", "is neither JSON nor YAML"),
    "no date": (BASE, "source.dense.k=2024-99-99", "is neither JSON nor YAML"),
    "out of range": (BASE, "source.dense.k=0", "--set source.dense.k=0: source.dense.k: expected `int` >= 1, found 0"),
    "no such field": (
        BASE,
        "source.dense.kk=0",
        "--set source.dense.kk=0: source.dense.kk: no such field; did you mean",
    ),
    "no such entry": (BASE, "sauce.dense.k=1", "no such field; did you mean 'source'?"),
    "a date": (
        BASE,
        "source.dense.k=2024-01-01",
        "--set source.dense.k=2024-01-01: source.dense.k: expected `int`, got",
    ),
    "nan": (BASE + "rules: [{max_score: {}}]", "rules.max_score.threshold=NaN", "expected a finite number, found nan"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_settings_that_do_not_fit_are_refused(case):
    text, setting, message = BAD_SETTINGS[case]
    said = complaint(text, [setting])
    assert message in said
    assert said.startswith("--set")


def test_a_setting_hides_the_lines_that_it_replaces():
    text = BASE + "rules:\n- relative_margin:\n    margin: 0.1\n"
    setting = "rules=[{relative_margin: {margin: 7}}]"
    assert complaint(text, [setting]).startswith(f"--set {setting}: rules[0].relative_margin.margin: expected")
    assert complaint(text, ["per=pair", "rules.relative_margin.margin=7"]).startswith(
        "--set rules.relative_margin.margin=7: "
    )
    assert complaint(text + "summary: 3", ["rules.relative_margin.margin=0.2"]).startswith("mine.yaml:6: summary")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.text("rulesampk_0.=[]{}: '\"!&*", max_size=12) | st.just("rules.max_score.threshold=0.5"), max_size=3)
)
def test_any_setting_works_or_says_what_is_wrong(given_settings):
    said = outcome(BASE + "rules: [{max_score: {}}]\n", given_settings)
    assert said is None or re.match(r"--set|mine\.yaml", said)
