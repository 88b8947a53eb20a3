"""The measured rate: exact cases, invariances, undecided labels, looks, bad input."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from scipy.stats import beta

from foils._array import Key
from foils.errors import InputError
from foils.estimating import Design, Label, Population, Rate, at_look, draw_design, estimate_rate
from foils.estimating.design import looks
from foils.estimating.moments import FEWEST_IN_STRATUM, fit, sample_of

KEY = Key(0, "test", 0)


def world(seed: int = 0, *, anchors: int = 300, each: int = 4, rate: float = 0.1, shift: float = 1.8):
    """Make a population with a scorer, and its truth."""
    rng = np.random.default_rng(seed)
    size = anchors * each
    truth = rng.random(size) < rate
    scores = rng.normal(size=size) + shift * truth
    bands = np.tile(np.arange(each), anchors) // 2
    population = Population(np.repeat(np.arange(anchors), each), bands, scores, rng.normal(size=100) + shift)
    return population, truth.astype(np.int8)


def plain(size: int, n: int, seed: int = 0) -> tuple[Population, Design]:
    population = Population(np.arange(size), np.zeros(size, int))
    return population, draw_design(population, n, Key(seed, "test", 0))


def test_labelling_everything_gives_the_mean_without_width():
    population, truth = world()
    design = draw_design(population, population.size, KEY)
    assert (design.pi == 1).all()
    rate = estimate_rate(population, design, truth[design.order])
    assert rate.estimate == rate.low == rate.high == pytest.approx(truth.mean())
    assert (rate.labels, rate.positives, rate.size) == (1200, truth.sum(), 1200)
    recipe = estimate_rate(population, design, truth[design.order], target="recipe")
    assert recipe.estimate == pytest.approx(truth.mean())
    assert recipe.low < recipe.estimate < recipe.high


def test_equal_chances_without_a_scorer_give_the_mean_of_the_labels():
    population, design = plain(5000, 100)
    labels = (np.arange(100) % 10 == 0).astype(np.int8)
    rate = estimate_rate(population, design, labels)
    assert design.pi == pytest.approx(np.full(100, 0.02))
    assert rate.estimate == pytest.approx(0.1)


def test_without_a_guide_the_estimate_is_the_weighted_mean_by_stratum():
    population, truth = world()
    design = draw_design(population, 150, KEY)
    sample = sample_of(Population(population.anchors, population.bands), design.order, design.pi, start=0.0)
    fitted = fit(sample, truth[design.order].astype(float))
    expected = 0.0
    for stratum in range(int(sample.strata.max()) + 1):
        inside = sample.strata[design.order] == stratum
        mean = np.average(truth[design.order][inside], weights=1 / design.pi[inside])
        expected += mean * (sample.strata == stratum).mean()
    assert fitted.estimate == pytest.approx(expected)


@pytest.mark.parametrize("positives", [0, 1, 2, 4])
def test_few_positives_among_plain_labels_give_clopper_and_pearsons_upper_end(positives):
    population, design = plain(10**6, 200)
    labels = np.zeros(200, np.int8)
    labels[:positives] = 1
    rate = estimate_rate(population, design, labels)
    assert rate.high == pytest.approx(beta.ppf(0.975, positives + 1, 200 - positives), rel=0.08)
    if positives:
        assert rate.low == pytest.approx(beta.ppf(0.025, positives, 201 - positives), rel=0.35, abs=1e-4)
    else:
        assert rate.low == 0


def test_many_labels_give_wilsons_interval():
    population, design = plain(10**6, 400)
    labels = (np.arange(400) % 5 < 2).astype(np.int8)
    rate = estimate_rate(population, design, labels)
    centre, half = (0.4 + 1.92 / 400) / (1 + 3.84 / 400), 1.96 / (1 + 3.84 / 400) * np.sqrt(0.24 / 400 + 0.96 / 400**2)
    assert (rate.low, rate.high) == (pytest.approx(centre - half, abs=1e-3), pytest.approx(centre + half, abs=1e-3))


def test_positives_and_negatives_mirror_each_other():
    population, design = plain(10**5, 120)
    labels = (np.arange(120) < 3).astype(np.int8)
    few, many = (estimate_rate(population, design, given) for given in (labels, 1 - labels))
    assert (many.low, many.high) == (pytest.approx(1 - few.high), pytest.approx(1 - few.low))
    none, all_ = (estimate_rate(population, design, np.full(120, value, np.int8)) for value in (0, 1))
    assert (none.estimate, none.low) == (0, 0)
    assert (all_.estimate, all_.high) == pytest.approx((1, 1))
    assert all_.low == pytest.approx(1 - none.high)
    assert 0.01 < none.high < 0.04


def test_zero_positives_of_a_recipe_count_anchors_as_looks():
    anchors = np.repeat(np.arange(10), 50)
    population = Population(anchors, np.zeros(500, int))
    design = draw_design(population, 100, KEY)
    rate = estimate_rate(population, design, np.zeros(100, np.int8), target="recipe")
    assert rate.high == pytest.approx(1 - 0.025 ** (1 / 10), rel=0.25)
    assert estimate_rate(population, design, np.zeros(100, np.int8)).high < 0.04


def test_one_anchor_tells_a_recipe_nothing():
    population = Population(np.zeros(200, int), np.zeros(200, int))
    design = draw_design(population, 50, KEY)
    labels = (np.arange(50) < 10).astype(np.int8)
    recipe = estimate_rate(population, design, labels, target="recipe")
    assert recipe.high > 0.8
    assert recipe.anchors == 1
    assert estimate_rate(population, design, labels).high < 0.4


def test_only_the_order_of_scores_counts():
    population, truth = world()
    moved = Population(population.anchors, population.bands, population.scores + 100, population.known + 100)
    bent = Population(population.anchors, population.bands, np.exp(population.scores), np.exp(population.known))
    design = draw_design(population, 200, KEY)
    rate = estimate_rate(population, design, truth[design.order])
    for other in (moved, bent):
        same = draw_design(other, 200, KEY)
        assert (same.order == design.order).all()
        assert estimate_rate(other, same, truth[design.order]) == rate


def test_pairs_may_come_in_any_order():
    population, truth = world()
    design = draw_design(population, 200, KEY)
    labels = truth[design.order]
    mixed = np.random.default_rng(0).permutation(population.size)
    places = np.argsort(mixed)
    other = Population(population.anchors[mixed], population.bands[mixed], population.scores[mixed], population.known)
    moved = replace(design, order=places[design.order])
    for target in ("file", "recipe"):
        ours = estimate_rate(population, design, labels, target=target)
        theirs = estimate_rate(other, moved, labels, target=target)
        assert [theirs.estimate, theirs.low, theirs.high] == pytest.approx([ours.estimate, ours.low, ours.high])


def test_a_better_scorer_gives_a_narrower_interval():
    widths = []
    for shift in (0.0, 1.8, 8.0):
        rates = []
        for seed in range(12):
            population, truth = world(seed, shift=shift)
            design = draw_design(population, 200, Key(seed, "test", 0))
            rates.append(estimate_rate(population, design, truth[design.order]))
        widths.append(np.mean([rate.high - rate.low for rate in rates]))
    assert widths[0] > 1.2 * widths[1] > 2 * widths[2]


def test_unscored_pairs_are_drawn_and_counted():
    population, truth = world()
    scores = np.where(np.arange(population.size) % 3 == 0, np.nan, population.scores)
    part = Population(population.anchors, population.bands, scores, population.known)
    design = draw_design(part, 300, KEY)
    assert 60 < np.isnan(scores[design.order]).sum() < 140
    assert estimate_rate(part, design, truth[design.order]).estimate == pytest.approx(truth.mean(), abs=0.05)
    blind = Population(population.anchors, population.bands, np.full(population.size, np.nan), population.known)
    assert (draw_design(blind, 60, KEY).pi == 0.05).all()


def test_undecided_labels_widen_the_interval_to_both_bounds():
    population, truth = world()
    design = draw_design(population, 200, KEY)
    labels = truth[design.order].copy()
    sure = estimate_rate(population, design, labels)
    labels[[3, 50, 120]] = Label.UNSURE
    labels[[7, 90]] = Label.SKIPPED
    rate = estimate_rate(population, design, labels)
    assert (rate.unsure, rate.skipped, rate.labels) == (3, 2, 200)
    assert rate.low <= rate.best <= rate.estimate <= rate.worst <= rate.high
    worst = np.where(labels < 0, 1, labels)
    best = np.where(labels < 0, 0, labels)
    assert rate.high == estimate_rate(population, design, worst).high > sure.high
    assert rate.low == estimate_rate(population, design, best).low
    nothing = estimate_rate(population, design, np.full(50, Label.SKIPPED, np.int8))
    assert (nothing.low, nothing.high) == (0, 1)


def test_a_part_is_estimated_from_its_own_labels():
    population, truth = world(anchors=1000)
    design = draw_design(population, 400, KEY)
    labels = truth[design.order]
    for band in (0, 1):
        within = population.bands == band
        rate = estimate_rate(population, design, labels, within=within)
        assert rate.size == within.sum()
        assert rate.labels == within[design.order].sum()
        assert rate.low < truth[within].mean() < rate.high
    everything = estimate_rate(population, design, labels, within=np.ones(population.size, bool))
    whole = estimate_rate(population, design, labels)
    assert msgspec.to_builtins(everything) == pytest.approx(msgspec.to_builtins(whole))


def test_looks_are_few_and_end_with_the_last_label():
    assert looks(400) == (60, 88, 128, 187, 274, 400)
    assert looks(100) == (60, 100)
    assert looks(60) == (60,)
    assert looks(12) == (12,)
    assert all(len(looks(n)) <= 6 and looks(n)[-1] == n and len(set(looks(n))) == len(looks(n)) for n in range(1, 3000))


def test_an_interval_is_shown_at_looks_alone_and_is_wider():
    population, truth = world()
    design = draw_design(population, 200, KEY)
    labels = truth[design.order]
    assert at_look(population, design, labels[:59]) is None
    first, later = (at_look(population, design, labels[:m]) for m in (60, 80))
    assert first == later
    assert first.labels == 60
    fixed = estimate_rate(population, design, labels[:60])
    assert first.low <= fixed.low < fixed.high < first.high
    assert first.level == 0.95
    assert first.high == estimate_rate(population, design, labels[:60], level=1 - 0.05 / len(design.looks)).high


def test_a_rate_can_be_written_and_read():
    population, design = plain(100, 10)
    rate = estimate_rate(population, design, np.zeros(10, np.int8))
    assert msgspec.json.decode(msgspec.json.encode(rate), type=Rate) == rate


def test_designs_repeat_and_depend_on_the_key():
    population, _ = world()
    once, again, other = (draw_design(population, 50, Key(seed, "test", 0)) for seed in (1, 1, 2))
    assert (once.order == again.order).all()
    assert set(once.order) != set(other.order)


def perfect() -> tuple[Population, np.ndarray]:
    """Make a population whose scorer is perfect and whose positives are just the highest score group of start 0."""
    rng = np.random.default_rng(0)
    scores, known = rng.normal(size=2000), 5 + rng.normal(size=100)
    population = Population(np.arange(2000), np.zeros(2000, int), scores, known)
    cells = population.cells(0.0)
    return population, (cells == cells.max()).astype(np.int8)


def test_where_score_groups_are_cut_depends_on_the_draw():
    population, truth = perfect()
    designs = [draw_design(population, 100, Key(seed, "test", 0)) for seed in range(30)]
    assert len({design.start for design in designs}) == len(designs)
    mixed = 0
    for design in designs:
        cells = population.cells(design.start)[design.order]
        share = np.bincount(cells, weights=truth[design.order]) / np.maximum(np.bincount(cells), 1)
        mixed += ((share > 0) & (share < 1)).any()
    assert mixed >= 25  # with fixed cuts no draw would show that its scorer's border is uncertain


def test_estimates_use_the_cuts_of_the_draw():
    population, truth = perfect()
    design = draw_design(population, 100, KEY)
    rate = estimate_rate(population, design, truth[design.order])
    assert estimate_rate(population, replace(design, start=0.0), truth[design.order]).estimate != rate.estimate


@pytest.mark.parametrize("bands", [1, 3])
def test_cells_part_the_scores_wherever_they_are_cut(bands):
    rng = np.random.default_rng(1)
    scores = np.where(rng.random(600) < 0.1, np.nan, rng.normal(size=600))
    population = Population(np.arange(600), np.arange(600) % bands, scores, rng.normal(size=50) + 2)
    scored = ~np.isnan(scores)
    for start, groups in ((0.0, 5), (0.3, 6), (1.0, 5)):
        cells = population.cells(start)
        assert len(set(cells)) == (groups + 1) * bands
        assert cells[scored].max() < cells[~scored].min()
        group = cells[scored] // bands
        assert (np.diff(group[np.argsort(scores[scored])]) >= 0).all()
        drawn = np.bincount(group, weights=population.weights[scored]) / population.weights[scored].sum()
        assert drawn[1:-1] == pytest.approx(0.2, abs=0.01)
        assert drawn[0] == pytest.approx(0.2 * (1 - start % 1), abs=0.01)


@pytest.mark.parametrize("n", [100, 400])
def test_a_band_is_parted_from_its_score_group_where_both_have_labels_enough(n):
    rng = np.random.default_rng(2)
    scores = rng.normal(size=2000)
    population = Population(np.arange(2000) // 5, np.arange(2000) % 3, scores, rng.normal(size=100) + 1.8)
    for seed in range(10):
        design = draw_design(population, n, Key(seed, "test", 0))
        sample = sample_of(population, design.order, design.pi, start=design.start)
        assert np.bincount(sample.strata[design.order]).min() >= FEWEST_IN_STRATUM
        groups = population.groups(design.start)
        labels = np.bincount(groups[design.order], minlength=groups.max() + 1)
        for group, count in enumerate(labels):
            parts = len(set(sample.strata[groups == group]))
            assert parts == 1 if count < 2 * FEWEST_IN_STRATUM else 1 <= parts <= 3
            shared = set(sample.strata[groups == group]) & set(sample.strata[groups > group])
            assert not shared or min(count, labels[-1]) < FEWEST_IN_STRATUM
        if n == 400:
            assert len(set(sample.strata)) > len(labels)


ANCHORS = np.arange(6)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Population(np.zeros(0, int), np.zeros(0, int)), "no pair"),
        (lambda: Population(ANCHORS, np.zeros(5, int)), "bands has 5 entries for 6 pairs"),
        (lambda: Population(ANCHORS, ANCHORS - 1), "band is -1"),
        (lambda: Population(ANCHORS / 2, ANCHORS), "whole numbers"),
        (lambda: Population(ANCHORS, ANCHORS, np.array([0, 1, 2, 3, 4, np.inf])), "infinite"),
        (lambda: Population(ANCHORS, ANCHORS, np.zeros((6, 1))), "numbers in one row"),
        (lambda: draw_design(Population(ANCHORS, ANCHORS), 7, KEY), "from 1 to 6"),
        (lambda: draw_design(Population(ANCHORS, ANCHORS), 0, KEY), "from 1 to 6"),
        (lambda: Design(np.array([0, 0]), np.array([0.5, 0.5]), 6, (2,)), "different places"),
        (lambda: Design(np.array([0, 1]), np.array([0.5, 0.0]), 6, (2,)), r"outside \(0, 1\]"),
        (lambda: Design(np.array([0, 1]), np.array([0.5]), 6, (2,)), "one chance per pair"),
        (lambda: Design(np.array([0, 1]), np.array([0.5, 0.5]), 6, (2,), 1.5), "start is 1.5"),
    ],
)
def test_bad_populations_and_designs_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        ([0, 1, 2], {}, "label 2 is 2; expected one of 1 = positive"),
        ([0.5, 1.0], {}, "whole numbers"),
        ([0] * 9, {}, "9 labels are given for a design of 4"),
        ([], {}, "no pair of this part has a label"),
        ([0, 1], {"level": 1.0}, "level is 1.0"),
        ([0, 1], {"target": "all"}, "expected 'file' or 'recipe'"),
        ([0, 1], {"within": np.ones(5, bool)}, "one bool for each pair"),
        ([0, 1], {"within": np.zeros(6, bool)}, "no pair of this part"),
    ],
)
def test_bad_labels_and_options_are_refused(labels, options, says):
    population = Population(ANCHORS, np.zeros(6, int))
    design = draw_design(population, 4, KEY)
    with pytest.raises(InputError, match=says):
        estimate_rate(population, design, labels, **options)


def test_a_design_of_another_population_is_refused():
    design = draw_design(Population(ANCHORS, ANCHORS), 4, KEY)
    with pytest.raises(InputError, match="the design is of 6 pairs and the population has 5"):
        estimate_rate(Population(ANCHORS[:5], ANCHORS[:5]), design, [0, 1])
