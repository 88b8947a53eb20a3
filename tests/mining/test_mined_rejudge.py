"""A finished result drawn again for other epochs, judged by other rules, and searched deeper where that needs it."""

from pathlib import Path
from statistics import fmean

import msgspec
import numpy as np
import pytest
from mining_problem import absolute_margin, contents, file_bytes, found, naive, problem
from scipy import stats

from foils.errors import FolderError, InputError, RecipeError
from foils.mining import Execution, Mined

DEEP = Path(__file__).with_name("deep.yaml")
MARGIN = "rules.absolute_margin.margin={}"

# --- other epochs

SOFTMAX = """
source: {{dense: {{k: 10, similarity: dot}}}}
rules: [{{absolute_margin: {{margin: 1, reference: max}}}}]
sampler: {{softmax: {{temperature: {temperature}}}}}
"""


@pytest.mark.parametrize("recipe", ["uniform", "popularity", "simans", "nv-retriever", "softmax"])
def test_epoch_0_is_the_table_and_others_differ_where_the_sampler_is_random(recipe_file, recipe):
    mined = problem().mine(recipe_file(SOFTMAX.format(temperature=4)) if recipe == "softmax" else recipe)
    assert contents(mined.sample(0)) == contents(mined.negatives)
    assert mined.sample(0).schema == mined.negatives.schema
    first, second = mined.sample(1), mined.sample(2)
    assert contents(first) == contents(mined.sample(1))
    random = recipe != "nv-retriever"
    assert (contents(first) != contents(mined.negatives)) is random
    assert (contents(first) != contents(second)) is random
    assert contents(mined.to("n-tuple", epoch=1)) == contents(mined.to("n-tuple", epoch=1))
    assert (contents(mined.to("n-tuple", epoch=1)) != contents(mined.to("n-tuple"))) is random


def test_an_epoch_does_not_depend_on_blocks_or_shards(recipe_file, monkeypatch):
    this, recipe = problem(), recipe_file(SOFTMAX.format(temperature=4))
    small = this.mine(recipe, execution=Execution(block=3, threads=1)).sample(5)
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 1024)
    assert contents(this.mine(recipe).sample(5)) == contents(small)


def test_a_negative_epoch_is_refused():
    with pytest.raises(InputError, match="expected a whole number from 0"):
        problem().mine("uniform").sample(-1)


def test_epochs_follow_the_law_of_the_sampler(recipe_file, monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 1024)
    temperature, epochs = 3.0, 200
    mined = problem().mine(recipe_file(SOFTMAX.format(temperature=temperature)), negatives=1)
    drawn = [mined.sample(epoch)["negative_ids"].to_pylist() for epoch in range(epochs)]
    squares, freedom = 0.0, 0
    for row, stored in enumerate(mined.result.candidates().to_pylist()):
        kept = [place for place, reason in enumerate(stored["reason"]) if reason == "kept"]
        if not kept:
            assert all(epoch[row] == [] for epoch in drawn)
            continue
        scores = np.array([stored["score.dense"][place] for place in kept])
        chance = np.exp((scores - scores.max()) / temperature)
        expected = epochs * chance / chance.sum()
        items = [str(stored["items"][place]) for place in kept]
        seen = [epoch[row][0] for epoch in drawn]
        observed = np.array([seen.count(item) for item in items])
        assert observed.sum() == epochs  # nothing else was drawn
        often = expected >= 5
        rest = [[values[~often].sum()] if not often.all() else [] for values in (observed, expected)]
        observed, expected = (np.append(a[often], b) for a, b in zip((observed, expected), rest, strict=True))
        if expected[-1] > 1:
            squares += ((observed - expected) ** 2 / expected).sum()
            freedom += len(expected) - 1
    assert freedom > 100
    assert 0.001 < stats.chi2.sf(squares, freedom) < 0.999


def test_a_draw_without_replacement_includes_as_often_as_log_q_says(recipe_file, monkeypatch):
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", 1024)
    mined = problem().mine(recipe_file("source: {dense: {k: 20}}\nsampler: {uniform: {max_rank: 16}}"))
    epochs = 300
    counts: dict[tuple[str, str], int] = {}
    for epoch in range(epochs):
        table = mined.sample(epoch)
        for unit, items, ranks in zip(
            *(table[name].to_pylist() for name in ("unit_id", "negative_ids", "ranks")), strict=True
        ):
            assert len(set(items)) == 4
            assert max(ranks) <= 16
            for item in items:
                counts[unit, item] = counts.get((unit, item), 0) + 1
    assert len(counts) == 36 * 16  # every survivor in the window, sooner or later
    share = np.array(list(counts.values())) / epochs
    assert np.abs(share - 4 / 16).max() < 5 * np.sqrt(0.25 * 0.75 / epochs)


# --- other rules

FLAT = """
source: {dense: {k: 25, max_depth: 25, similarity: dot}}
scorers: [{vectors: {}}]
rules: [{absolute_margin: {margin: 3, reference: mean, column: dense}}, {max_score: {threshold: 0.9}}]
sampler: {simans: {a: 2, reference: max}}
"""


@pytest.mark.parametrize(
    "settings",
    [
        [],
        ["rules.absolute_margin.margin=0"],
        ["rules.absolute_margin.margin=9", "rules.max_score.threshold=0.2"],
        ["rules.absolute_margin.reference=max"],
        ["sampler.simans.a=50", "sampler.simans.kernel=laplace"],
        ['sampler={"top_k": {"skip_ranks": 3, "column": "dense"}}'],
        [
            'shortfall={"policy": "relax", "steps": '
            '[{"max_score": {"threshold": 2}}, {"absolute_margin": {"margin": 0}}]}'
        ],
        ["rules=[]"],
    ],
)
@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_rethreshold_is_a_fresh_run_where_nothing_is_searched_deeper(tmp_path, recipe_file, settings, per):
    this, recipe = problem(), recipe_file(f"per: {per}\n{FLAT}")
    fresh = this.mine(recipe, tmp_path / "fresh", settings=settings)
    rejudged = this.mine(recipe).rethreshold(settings, tmp_path / "rejudged")
    assert rejudged.needs_deeper == []
    one, other = file_bytes(fresh.path), file_bytes(rejudged.path)
    assert one.pop("identity.json") != other.pop("identity.json")
    assert one == other
    assert replace_derived(rejudged) == fresh.identity
    effort = {"wall_seconds", "cpu_seconds", "peak_anonymous_bytes"}
    for name in fresh.stats.keys() - effort - {"hardness", "mean_positive_score"}:  # sums depend on blocks
        assert rejudged.stats[name] == fresh.stats[name], name
    assert rejudged.summary() == fresh.summary()


def replace_derived(mined: Mined):
    """Identity without the mark of a result that was judged again."""
    assert mined.identity.derived == "rethreshold"
    return msgspec.structs.replace(mined.identity, derived=None)


@pytest.mark.parametrize("before", [0, 2, 3, 5])
@pytest.mark.parametrize("after", [0, 1, 3, 4, 1000])
def test_rethreshold_names_the_units_that_a_fresh_run_searches_deeper(tmp_path, before, after):
    this = problem()
    mined = this.mine(DEEP, settings=[MARGIN.format(before)])
    rejudged = mined.rethreshold([MARGIN.format(after)])
    depths = {"k": 5, "max_depth": 40}
    reach = [unit.depth for unit in naive(this, absolute_margin(before, fmean), **depths)]
    expected = naive(this, absolute_margin(after, fmean), **depths, reach=reach)
    assert found(rejudged) == expected
    deeper = [str(unit.anchor) for unit in expected if unit.needs_deeper]
    assert rejudged.needs_deeper == deeper
    fresh = naive(this, absolute_margin(after, fmean), **depths)
    assert deeper == [str(unit.anchor) for unit, had in zip(fresh, reach, strict=True) if unit.depth > had]
    assert ("need a deeper search" in rejudged.summary()) is bool(deeper)
    deepened = rejudged.deepen(tmp_path / "deepened")
    wanted = this.mine(DEEP, tmp_path / "fresh", settings=[MARGIN.format(after)])
    assert file_bytes(deepened.path) == file_bytes(wanted.path)
    assert deepened.needs_deeper == []
    assert deepened.identity == wanted.identity


def test_the_cases_of_rethreshold_occur():
    this = problem()
    tight, loose = (this.mine(DEEP, settings=[MARGIN.format(margin)]) for margin in (4, 0))
    assert tight.rethreshold([MARGIN.format(0)]).needs_deeper == []
    assert 0 < len(loose.rethreshold([MARGIN.format(4)]).needs_deeper) < 36


RELAX = """
source: {dense: {k: 4, max_depth: 16, similarity: dot}}
rules: [{absolute_margin: {margin: 1, reference: max}}]
sampler: {softmax: {temperature: 2}}
shortfall: {policy: relax, steps: [{absolute_margin: {margin: 0.5}}]}
"""


@pytest.mark.parametrize("per", ["anchor", "pair"])
def test_deepening_serves_relaxed_and_random_recipes_too(tmp_path, recipe_file, per):
    this, recipe = problem(whole=False), recipe_file(f"per: {per}\n{RELAX}")
    settings = [MARGIN.format(2.5)]
    rejudged = this.mine(recipe).rethreshold(settings)
    assert rejudged.needs_deeper
    deepened = rejudged.deepen(tmp_path / "deepened")
    assert file_bytes(deepened.path) == file_bytes(this.mine(recipe, tmp_path / "fresh", settings=settings).path)


def test_a_unit_that_needs_a_deeper_search_is_not_relaxed_before(recipe_file):
    rejudged = problem().mine(recipe_file(RELAX)).rethreshold([MARGIN.format(6)])
    waiting = [unit for unit in found(rejudged) if unit.needs_deeper]
    assert waiting
    assert {unit.relaxed for unit in waiting} == {0}


def test_rethreshold_again_and_again_is_as_rethreshold_once(tmp_path):
    this = problem()
    first = this.mine(DEEP, settings=[MARGIN.format(3)])
    twice = first.rethreshold([MARGIN.format(3.5)]).rethreshold([MARGIN.format(3)])
    assert contents(twice.negatives) == contents(first.negatives)
    deep = first.rethreshold([MARGIN.format(5)]).rethreshold([MARGIN.format(4)]).deepen(tmp_path / "deep")
    wanted = this.mine(DEEP, tmp_path / "wanted", settings=[MARGIN.format(4)])
    assert contents(deep.negatives) == contents(wanted.negatives)


def test_a_result_that_lost_depth_on_the_way_is_searched_again(tmp_path):
    this = problem()
    loose = this.mine(DEEP, settings=[MARGIN.format(4)]).rethreshold([MARGIN.format(0)])
    again = loose.rethreshold([MARGIN.format(4)])  # the candidates beyond the first look were not taken along
    assert again.needs_deeper
    deepened = again.deepen(tmp_path / "deepened")
    assert file_bytes(deepened.path) == file_bytes(
        this.mine(DEEP, tmp_path / "wanted", settings=[MARGIN.format(4)]).path
    )


@pytest.mark.parametrize(
    ("setting", "part"),
    [
        ("source.dense.k=6", "source"),
        ("source.dense.max_depth=80", "source"),
        ('scorers=[{"vectors": {}}]', "scorers"),
        ("per=pair", "per"),
    ],
)
def test_what_decides_the_candidates_cannot_be_judged_anew(tmp_path, setting, part):
    with pytest.raises(RecipeError, match=f"^{part} decides what was searched and scored; to change it, mine again"):
        problem().mine(DEEP).rethreshold([setting], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_names_the_recipe():
    with pytest.raises(RecipeError, match="did you mean 'margin'"):
        problem().mine("nv-retriever").rethreshold(["rules.relative_margin.margn=1"])


def test_rethreshold_does_not_write_over_its_own_result(tmp_path):
    mined = problem().mine(DEEP, tmp_path / "out")
    before = file_bytes(tmp_path / "out")
    with pytest.raises(FolderError, match="differs in"):
        mined.rethreshold([MARGIN.format(1)], tmp_path / "out")
    assert file_bytes(tmp_path / "out") == before


def test_the_name_of_the_recipe_stays_and_its_warnings_follow_the_rules():
    mined = problem().mine("nv-retriever")
    assert mined.stats["warnings"]
    rejudged = mined.rethreshold(["rules.relative_margin.reference=mean"])
    assert rejudged.recipe.name == rejudged.stats["recipe"] == "nv-retriever"
    assert rejudged.stats["warnings"] == []
    assert rejudged.recipe.rules[0].fields.reference == "mean"


@pytest.mark.parametrize(("pool", "changes"), [("", False), ("k: 30", True)])
@pytest.mark.parametrize("source", ["uniform", "popularity"])
def test_an_epoch_draws_others_from_a_random_pool_that_is_larger_than_asked_for(recipe_file, source, pool, changes):
    recipe = recipe_file(f"source: {{{source}: {{{pool}}}}}\nsampler: {{uniform: {{}}}}")
    mined = problem().mine(recipe, negatives=4)
    drawn = [{frozenset(row) for row in mined.sample(epoch)["negative_ids"].to_pylist()} for epoch in (0, 3)]
    assert (drawn[0] != drawn[1]) == changes
