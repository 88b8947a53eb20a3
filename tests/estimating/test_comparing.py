"""Two recipes on shared labels, planning, and the quality of a scorer."""

import numpy as np
import pytest

from foils._array import Key
from foils.errors import InputError
from foils.estimating import (
    Drawn,
    Label,
    Population,
    compare_rates,
    draw_design,
    estimate_rate,
    labels_to_halve,
    pool,
    scorer_quality,
)
from foils.estimating.quality import _share_below

KEY = Key(0, "test", 0)


def union(seed: int = 0, size: int = 1200):
    """Make a union of two recipes: a third of the pairs is in both."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(size) < 0.15).astype(np.int8)
    scores = rng.normal(size=size) + 1.8 * truth
    population = Population(np.arange(size) // 4, np.zeros(size, int), scores, rng.normal(size=100) + 1.8)
    kind = np.arange(size) % 3
    return population, truth, kind != 1, kind != 2


def test_with_all_labels_the_difference_is_that_of_the_rates():
    population, truth, first, second = union()
    design = draw_design(population, population.size, KEY)
    found = compare_rates(population, design, truth[design.order], first, second, target="file")
    expected = truth[first].mean() - truth[second].mean()
    assert [found.estimate, found.low, found.high] == pytest.approx([expected] * 3)


def test_the_other_way_round_the_signs_turn():
    population, truth, first, second = union()
    design = draw_design(population, 300, KEY)
    labels = truth[design.order].copy()
    labels[:4] = Label.UNSURE
    for target in ("file", "recipe"):
        one = compare_rates(population, design, labels, first, second, target=target)
        other = compare_rates(population, design, labels, second, first, target=target)
        assert other.estimate == pytest.approx(-one.estimate)
        assert [-other.high, -other.low] == pytest.approx([one.low, one.high], abs=2e-3)
        assert one.undecided == 4


def test_equal_recipes_do_not_differ():
    population, truth, *_ = union()
    everything = np.ones(population.size, bool)
    design = draw_design(population, 100, KEY)
    found = compare_rates(population, design, truth[design.order], everything, everything)
    assert (found.estimate, found.low, found.high) == (0, 0, 0)


def test_undecided_labels_widen_the_difference_to_both_sides():
    population, truth, first, second = union()
    design = draw_design(population, 300, KEY)
    labels = truth[design.order].copy()
    sure = compare_rates(population, design, labels, first, second)
    labels[::10] = Label.SKIPPED
    found = compare_rates(population, design, labels, first, second)
    assert found.low < sure.low < sure.high < found.high


def test_an_interval_of_differences_covers():
    hits = 0
    for seed in range(60):
        population, truth, first, second = union(seed)
        design = draw_design(population, 200, Key(seed, "test", 0))
        found = compare_rates(population, design, truth[design.order], first, second, target="file")
        hits += found.low <= truth[first].mean() - truth[second].mean() <= found.high
    assert hits >= 51  # of 60; 95 % less 3.5 standard errors


def test_pooled_designs_have_the_chance_of_either():
    population, truth, first, second = union(size=60)
    places = [np.flatnonzero(side) for side in (first, second)]
    parts = [
        Population(population.anchors[at], population.bands[at], population.scores[at], population.known)
        for at in places
    ]
    counts, chances = np.zeros(60), np.full(60, np.nan)
    draws = 400
    for draw in range(draws):
        designs = [draw_design(part, n, Key(draw, f"{n}", 0)) for part, n in zip(parts, (20, 12), strict=True)]
        used = (10, 12)
        pooled = pool([Drawn(*each) for each in zip(parts, designs, used, places, strict=True)], 60)
        counts[pooled.order] += 1
        chances[pooled.order] = pooled.pi
    z = (counts - draws * chances) / np.sqrt(draws * chances * (1 - chances))
    assert np.abs(z).max() < 4.2
    rate = estimate_rate(population, pooled, truth[pooled.order])
    assert rate.low < truth.mean() < rate.high


def test_recipes_without_pairs_or_labels_are_refused():
    population, truth, first, second = union()
    design = draw_design(population, 30, KEY)
    labels = truth[design.order]
    with pytest.raises(InputError, match="no pair of this part has a label"):
        compare_rates(population, design, labels, first, np.zeros(population.size, bool))
    with pytest.raises(InputError, match="one bool for each pair"):
        compare_rates(population, design, labels, first, second[:-1])
    drawn = Drawn(population, design, 31, np.arange(population.size))
    with pytest.raises(InputError, match="31 labels"):
        pool([drawn], population.size)
    with pytest.raises(InputError, match="no pair has a label"):
        pool([Drawn(population, design, 0, np.arange(population.size))], population.size)


def plain(size: int, n: int, rate: float):
    population = Population(np.arange(size), np.zeros(size, int))
    design = draw_design(population, n, KEY)
    return population, design, (np.arange(n) % round(1 / rate) == 0).astype(np.int8)


@pytest.mark.parametrize("target", ["file", "recipe"])
def test_four_times_as_many_labels_halve_a_normal_interval(target):
    population, design, labels = plain(50_000, 400, 0.25)
    assert labels_to_halve(population, design, labels, target=target) == pytest.approx(1200, rel=0.05)


def test_without_positives_twice_as_many_labels_halve_the_upper_end():
    population, design, labels = plain(50_000, 100, 0.25)
    assert labels_to_halve(population, design, labels * 0) == pytest.approx(100, rel=0.07)


def test_a_small_file_needs_fewer_labels_and_a_recipe_of_few_anchors_cannot_be_halved():
    population, design, labels = plain(1000, 400, 0.25)
    assert labels_to_halve(population, design, labels) == pytest.approx(1 / (0.25 / 400 + 0.75 / 1000) - 400, rel=0.05)
    anchors = np.repeat(np.arange(20), 50)
    few = Population(anchors, np.zeros(1000, int))
    positive = (few.anchors[draw_design(few, 400, KEY).order] < 5).astype(np.int8)
    assert labels_to_halve(few, draw_design(few, 400, KEY), positive, target="recipe") is None


def test_with_all_labels_quality_is_counted():
    population, truth, *_ = union()
    scores = population.scores
    design = draw_design(population, population.size, KEY)
    quality = scorer_quality(population, design, truth[design.order], scores, (0.5, 2.0, 99.0))
    for found in quality.thresholds[:2]:
        called = scores >= found.threshold
        assert found.called == called.mean()
        assert found.precision.estimate == pytest.approx(truth[called].mean())
        assert found.recall.estimate == pytest.approx((truth & called).sum() / truth.sum())
        assert found.recall.low < found.recall.estimate < found.recall.high
    assert quality.thresholds[2].precision is None
    assert quality.thresholds[2].recall.estimate == quality.thresholds[2].recall.low == 0
    positive, negative = scores[truth == 1], scores[truth == 0]
    assert quality.auc.estimate == pytest.approx((positive[:, None] > negative).mean())
    assert (quality.labels, quality.positives) == (population.size, truth.sum())


def test_quality_from_few_labels_is_weighted_by_their_chances():
    recalls, aucs, covered = [], [], 0
    for seed in range(40):
        population, truth, *_ = union(seed)
        design = draw_design(population, 200, Key(seed, "test", 0))
        quality = scorer_quality(population, design, truth[design.order], population.scores, (1.5,))
        called = population.scores >= 1.5
        true_recall = (truth & called).sum() / truth.sum()
        recalls.append(quality.thresholds[0].recall.estimate - true_recall)
        covered += quality.thresholds[0].recall.low <= true_recall <= quality.thresholds[0].recall.high
        aucs.append(quality.auc.estimate)
    assert abs(np.mean(recalls)) < 0.04
    assert covered >= 35
    assert np.mean(aucs) == pytest.approx(0.898, abs=0.02)  # Φ(1.8 / √2)


def test_shares_below_count_ties_half():
    below = _share_below(np.array([1.0, 2.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0, 4.0]), np.array([0.0, 2.0, 5.0]))
    assert below.tolist() == [0, 2.5 / 8, 1]


def test_quality_without_positives_or_labels_of_a_kind_is_none():
    population, truth, *_ = union()
    design = draw_design(population, 50, KEY)
    quality = scorer_quality(population, design, np.zeros(50, np.int8), population.scores, (0.0,))
    assert quality.auc is None
    assert quality.thresholds[0].recall is None
    blind = scorer_quality(population, design, truth[design.order], np.full(population.size, np.nan), (0.0,))
    assert (blind.auc, blind.labels, blind.thresholds[0].precision) == (None, 0, None)
    with pytest.raises(InputError, match=r"scores have shape \(3,\)"):
        scorer_quality(population, design, truth[design.order], np.zeros(3))
