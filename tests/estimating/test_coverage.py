"""A small simulation: intervals hold the truth about as often as they say; benchmarks/interval_coverage.py is large."""

import numpy as np
import pytest
from scipy.special import ndtri

from foils._array import Key
from foils.estimating import Population, at_look, draw_design, estimate_rate

REPETITIONS = 250
FEWEST = 0.95 - 3.5 * np.sqrt(0.95 * 0.05 / REPETITIONS)


def world(rng, *, anchors, each, rate, auc):
    spread = 4.0  # correlation 0.2 within an anchor
    owner = np.repeat(np.arange(anchors), each)
    truth = (rng.random(anchors * each) < rng.beta(rate * spread, (1 - rate) * spread, anchors)[owner]).astype(np.int8)
    distance = np.sqrt(2) * ndtri(auc)
    scores = rng.normal(size=len(owner)) + distance * truth
    return Population(owner, np.zeros(len(owner), int), scores, rng.normal(size=50) + distance), truth


@pytest.mark.parametrize(("rate", "auc", "n"), [(0.03, 0.5, 200), (0.1, 0.9, 100), (0.4, 0.7, 200)])
@pytest.mark.parametrize("target", ["file", "recipe"])
def test_intervals_cover(rate, auc, n, target):
    rng = np.random.default_rng(7)
    errors, hits = [], 0
    for repetition in range(REPETITIONS):
        population, truth = world(rng, anchors=250, each=4, rate=rate, auc=auc)
        design = draw_design(population, n, Key(repetition, "test", 0))
        found = estimate_rate(population, design, truth[design.order], target=target)
        asked = truth.mean() if target == "file" else rate
        hits += found.low <= asked <= found.high
        errors.append(found.estimate - truth.mean())
    assert hits >= FEWEST * REPETITIONS
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(REPETITIONS)


def test_an_interval_that_ignores_anchors_does_not_cover():
    rng = np.random.default_rng(8)
    hits = {"by anchor": 0, "ignoring": 0}
    for repetition in range(150):
        population, truth = world(rng, anchors=20, each=20, rate=0.3, auc=0.5)
        alone = Population(np.arange(400), population.bands)
        for name, held in (("by anchor", population), ("ignoring", alone)):
            design = draw_design(held, 200, Key(repetition, "test", 0))
            found = estimate_rate(held, design, truth[design.order], target="recipe")
            hits[name] += found.low <= 0.3 <= found.high
    assert hits["by anchor"] >= 132  # 95 % less 3.5 standard errors, rounded
    assert hits["ignoring"] <= 120


def test_stopping_at_the_first_narrow_look_covers():
    rng = np.random.default_rng(9)
    hits = 0
    for repetition in range(150):
        population, truth = world(rng, anchors=250, each=4, rate=0.1, auc=0.7)
        design = draw_design(population, 200, Key(repetition, "test", 0))
        for look in design.looks:
            found = at_look(population, design, truth[design.order][:look])
            if found.high - found.low < 0.12:
                break
        hits += found.low <= truth.mean() <= found.high
    assert hits >= 132
