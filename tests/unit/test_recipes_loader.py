"""A recipe as a whole: its parts, what it resolves to, and the way back."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from foils import recipes, rules
from foils.candidates import Kind
from foils.errors import RecipeError
from foils.rules import MaxScore, RelativeMargin
from foils.sources import Dense

making = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("recipe_making.py"))))
BASE, made = making.BASE, making.made


def test_the_other_name_of_a_rule():
    recipe = made(BASE + "rules: [{perc_pos: 0.9}]")
    assert recipe.rules == made(BASE + "rules: [{relative_margin: {margin: 0.1}}]").rules
    assert recipe.rules[0].name == "relative_margin"
    assert made(BASE + "rules: [{perc_pos: 1}]").rules[0].fields == RelativeMargin(margin=0.0)
    assert made(BASE + "rules: [{perc_pos: 0.9}]", ["rules.perc_pos=0.8"]).rules[0].fields.margin == 0.2


def test_pairs_may_refer_to_their_positive():
    recipe = made(BASE + "per: pair\nrules: [{relative_margin: {reference: pair}}]")
    assert recipe.per == "pair"
    assert recipe.rules[0].fields.reference == "pair"


def test_columns_and_what_the_sampler_orders_by():
    assert made(BASE).columns() == {"dense": Kind.RATIO}
    assert made(BASE).ordered_by() == "dense"
    scored = made(BASE + "scorers: [{vectors: {}}]")
    assert list(scored.columns()) == ["dense", "vectors"]
    assert scored.ordered_by() == "vectors"
    assert made(BASE + "scorers: [{vectors: {}}]", ["sampler.top_k.column=dense"]).ordered_by() == "dense"
    assert made(BASE, ["sampler.top_k.column=rank"]).ordered_by() == "rank"
    unscored = made("source: {uniform: {}}\nsampler: {top_k: {}}")
    assert (unscored.columns(), unscored.ordered_by()) == ({}, "rank")
    helped = made(
        "source: {uniform: {}}\nscorers: [{vectors: {}}]\nsampler: {top_k: {}}\nrules: [{relative_margin: {}}]"
    )
    assert helped.columns() == {"vectors": Kind.RATIO}


RELAXED = (
    BASE
    + """\
rules: [{max_score: {threshold: 0.9}}, {relative_margin: {margin: 0.1, reference: max}}]
shortfall:
  policy: relax
  steps:
  - relative_margin: {margin: 0.05}
  - {relative_margin: {margin: 0}, max_score: {threshold: 1}}
"""
)


def test_steps_of_relaxing_build_on_one_another():
    steps = [tuple(rule.fields for rule in step) for step in made(RELAXED).relaxations]
    assert steps == [
        (MaxScore(threshold=0.9), RelativeMargin(margin=0.05, reference="max")),
        (MaxScore(threshold=1.0), RelativeMargin(margin=0.0, reference="max")),
    ]
    changed = made(RELAXED, ["rules.max_score.threshold=0.8"])
    assert changed.relaxations[0][0].fields == MaxScore(threshold=0.8)


FULL = (
    RELAXED
    + """\
per: pair
scorers: [{vectors: {vectors: teacher}}]
loss: {info_nce: {}}
paper: {title: "A title: with a colon", year: 2022}
summary: Everything at once.
fidelity: none
"""
)


@pytest.mark.parametrize("text", [BASE, RELAXED, FULL])
def test_what_is_resolved_can_be_loaded_again(text):
    recipe = made(text)
    resolved = recipe.resolved()
    stored = json.loads(json.dumps(resolved, allow_nan=False))
    assert stored == resolved  # plain data: what is read back from a file compares equal
    again = recipes.from_resolved(stored, "identity.json")
    assert again.resolved() == resolved
    for part in ("per", "source", "scorers", "rules", "sampler", "relaxations", "shortfall"):
        assert getattr(again, part) == getattr(recipe, part)
    assert again.name == "identity.json"


def test_a_loaded_recipe_can_be_overridden():
    recipe = recipes.load("nv-retriever")
    other = recipes.override_resolved(recipe, ["rules.relative_margin.margin=0.2", "source.dense.k=7"])
    assert other.rules[0].fields == RelativeMargin(margin=0.2)
    assert other.source.fields == Dense(k=7)
    assert other.name == "nv-retriever"
    with pytest.raises(RecipeError, match=r"--set rules.relative_margin.margin=2: rules.*found 2"):
        recipes.override_resolved(recipe, ["rules.relative_margin.margin=2"])
    with pytest.raises(RecipeError, match="this recipe has no rules"):
        recipes.override_resolved(recipes.load("uniform"), ["rules.relative_margin.margin=0.2"])


def test_an_entry_that_is_not_known_is_found_in_a_stored_recipe_too():
    with pytest.raises(RecipeError, match=r"identity.json: source.dense.kk: no such field"):
        recipes.from_resolved({"source": {"dense": {"kk": 1}}, "sampler": {"top_k": {}}}, "identity.json")


def test_two_encoders_score_under_two_names(tmp_path):
    path = tmp_path / "two.yaml"
    scorers = "[{vectors: {}}, {vectors: {vectors: teacher, name: teacher}}]"
    path.write_text(f"source: {{dense: {{}}}}\nscorers: {scorers}\nsampler: {{top_k: {{column: teacher}}}}\n")
    assert list(recipes.load(path).columns()) == ["dense", "vectors", "teacher"]


@pytest.mark.parametrize("name", ["rank", "log_q", "No", "''"])
def test_a_column_cannot_take_a_reserved_or_odd_name(tmp_path, name):
    path = tmp_path / "odd.yaml"
    path.write_text(f"source: {{dense: {{}}}}\nscorers: [{{vectors: {{name: {name}}}}}]\nsampler: {{top_k: {{}}}}\n")
    with pytest.raises(RecipeError):
        recipes.load(path)


def test_every_rule_has_its_reason():
    assert set(rules.REGISTRY) <= set(rules.REASONS)


@pytest.mark.parametrize("window", ["top_k: {skip_ranks: 1}", "uniform: {max_rank: 9}", "softmax: {skip_ranks: 2}"])
@pytest.mark.parametrize("source", ["uniform", "popularity"])
def test_a_window_of_ranks_needs_a_source_that_ranks(source, window):
    text = f"source: {{{source}: {{k: 9}}}}\nscorers: [{{vectors: {{}}}}]\nsampler: {{{window}}}\n"
    with pytest.raises(RecipeError, match=f"mine.yaml:3: .*{source} draws in random order"):
        made(text)
    assert made(text.replace(window, "uniform: {}"))
