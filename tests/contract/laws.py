"""Exact laws of draws without replacement, by enumeration, and tests of samples against them.

Seeds are fixed, so a test gives the same verdict in every run. With another seed a right sampler would fail a test of
``follows`` with probability 1e-4, one of ``unbiased`` (five standard errors for each of at most 12 items) with 1e-5.
Loaded by ``runpy.run_path``.
"""

import itertools

import numpy as np
from scipy import stats

ERROR_RATE = 1e-4
STANDARD_ERRORS = 5.0


def ordered_draws(weights, k):
    """Give every ordered draw of k items and its probability (Plackett–Luce): P(j) ∝ w_j among what is left."""
    law = {}
    for draw in itertools.permutations(np.flatnonzero(weights).tolist(), k):
        probability, left = 1.0, float(np.sum(weights))
        for item in draw:
            probability *= weights[item] / left
            left -= weights[item]
        law[draw] = probability
    assert abs(sum(law.values()) - 1) < 1e-9
    return law


def inclusion(weights, k):
    """Give the probability of each item to be among the k drawn."""
    chance = np.zeros(len(weights))
    for draw, probability in ordered_draws(weights, k).items():
        chance[list(draw)] += probability
    return chance


def assert_follows(draws, law):
    """Test rows of draws against the law of ordered draws by χ²."""
    found, counts = np.unique(draws, axis=0, return_counts=True)
    observed = dict(zip(map(tuple, found.tolist()), counts.tolist(), strict=True))
    assert set(observed) <= set(law)
    expected = np.array(list(law.values())) * len(draws)
    assert expected.min() >= 5, "too few draws for the test"
    observed = np.array([observed.get(draw, 0) for draw in law])
    if len(law) > 1:
        assert stats.chisquare(observed, expected).pvalue > ERROR_RATE


def estimates(draws, log_q, n_items):
    """Give float[A, N], per draw the Horvitz–Thompson estimate 1/q_j of 1 for what was drawn, 0 for the rest."""
    estimate = np.zeros((len(draws), n_items))
    rows, places = np.nonzero(draws >= 0)
    estimate[rows, draws[rows, places]] = np.exp(-log_q[rows, places].astype(np.float64))
    return estimate


def deviations(draws, log_q, drawable):
    """Give by how many standard errors the mean estimate differs from 1, for every item that may be drawn."""
    estimate = estimates(draws, log_q, len(drawable))
    assert not estimate[:, ~drawable].any()
    estimate = estimate[:, drawable]
    error = estimate.std(axis=0, ddof=1) / np.sqrt(len(estimate))
    return (estimate.mean(axis=0) - 1) / np.maximum(error, 1e-12)


def assert_unbiased(draws, log_q, drawable):
    """Test that E[1{j drawn} / q_j] = 1 for every item, and so Σ f_j / q_j unbiased for any f."""
    assert np.abs(deviations(draws, log_q, drawable)).max() < STANDARD_ERRORS
