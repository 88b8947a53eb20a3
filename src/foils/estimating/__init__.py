"""Measure the rate of positives among pairs from few labels: the design, the estimate, its interval.

    population = Population(anchors, bands, scores, known)
    design = draw_design(population, 400, key)          label the pairs design.order, from the first on
    estimate_rate(population, design, labels)           of a number of labels that was fixed beforehand
    at_look(population, design, labels)                 of one who stops when it looks good

Chances are known by design, so the estimate is unbiased whatever the scorer; a good scorer makes it narrow:

    allocation   more labels where the scorer leaves doubt       pivotal      exact chances, spread, nested
    guide        g, what score and labels suggest of a pair      moments      the estimate and its three moments
    limits       the interval                                    planning     how many more labels halve it
    comparing    two recipes on shared labels                    quality      precision, recall and AUC of a scorer
    weighted     the share of a quantity, such as a gradient, that falls on positives

A label whose pair was not drawn by a design has no known chance and must never enter.
"""

from foils.estimating.comparing import Difference, Drawn, compare_rates, pool
from foils.estimating.design import Design, draw_design
from foils.estimating.labels import Label
from foils.estimating.planning import labels_to_halve
from foils.estimating.population import Population
from foils.estimating.quality import AtThreshold, ScorerQuality, Share, scorer_quality
from foils.estimating.rate import Rate, at_look, estimate_rate
from foils.estimating.weighted import weighted_share

__all__ = [
    "AtThreshold",
    "Design",
    "Difference",
    "Drawn",
    "Label",
    "Population",
    "Rate",
    "ScorerQuality",
    "Share",
    "at_look",
    "compare_rates",
    "draw_design",
    "estimate_rate",
    "labels_to_halve",
    "pool",
    "scorer_quality",
    "weighted_share",
]
