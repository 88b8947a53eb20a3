"""Where the rule of sentence-transformers is right: the same rows in the same order, scores within 1e-6."""

import warnings

import numpy as np
import pytest
from compat_toys import TableCrossEncoder, random_problem
from sentence_transformers.util import mine_hard_negatives as original

from foils.compat import CompatWarning, mine_hard_negatives
from foils.compat.request import FORMATS

SEEDS = range(4)
WHOLE = 100  # more than any of the corpora


def ours(*args, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompatWarning)  # that anchors are short is tested elsewhere
        return mine_hard_negatives(*args, verbose=False, **settings)


def theirs(*args, **settings):
    return original(*args, verbose=False, **settings)


def assert_same(mine, other):
    assert len(mine) == len(other)
    assert not len(other) or mine.features == other.features  # without rows, theirs has no types
    for name in mine.column_names:
        left, right = list(mine[name]), list(other[name])
        if name in ("score", "scores"):
            left, right = (np.concatenate([np.atleast_1d(row) for row in side] or [[]]) for side in (left, right))
            np.testing.assert_allclose(left, right, atol=1e-6, rtol=0)
        else:
            assert left == right


WINDOWS = [{}, {"range_min": 2}, {"range_min": 1, "range_max": 6}, {"range_max": WHOLE}]


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("output_scores", [False, True])
def test_without_thresholds_the_rows_are_the_same(output_format, output_scores):
    for seed, window in enumerate(2 * WINDOWS):
        model, dataset, corpus = random_problem(seed)
        settings = {"num_negatives": 1 + seed % 4, "output_format": output_format, "output_scores": output_scores}
        settings |= window | ({"corpus": corpus} if seed % 3 else {})
        assert_same(ours(dataset, model, **settings), theirs(dataset, model, **settings))


THRESHOLDS = [
    {"relative_margin": 0.05},
    {"relative_margin": 1.5},
    {"absolute_margin": 0.1},
    {"absolute_margin": -0.2},
    {"max_score": 0.4},
    {"min_score": 0.1},
    {"relative_margin": 0.02, "absolute_margin": 0.05, "max_score": 0.7, "min_score": -0.5},
]


@pytest.mark.parametrize("thresholds", THRESHOLDS, ids=str)
@pytest.mark.parametrize("output_format", FORMATS)
def test_with_thresholds_over_the_whole_corpus_the_rows_are_the_same(output_format, thresholds):
    for seed in (len(output_format), len(str(thresholds))):
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "range_max": WHOLE, "output_format": output_format, "output_scores": True}
        settings |= thresholds
        assert_same(ours(dataset, model, **settings), theirs(dataset, model, **settings))


def lists(rows):
    return {(row["query"], row["answer"][0]): row["answer"] for row in rows}


def test_with_a_derived_window_theirs_come_first_and_short_anchors_get_more():
    more = 0
    for seed, thresholds in enumerate(2 * THRESHOLDS):
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "num_negatives": 1, "output_format": "labeled-list"} | thresholds
        mine, other = lists(ours(dataset, model, **settings)), lists(theirs(dataset, model, **settings))
        assert all(mine[key][: len(found)] == found for key, found in other.items())
        more += sum(map(len, mine.values())) - sum(map(len, other.values()))
    assert more > 0


def test_with_a_stated_window_theirs_reach_beyond_it_by_the_most_positives_of_any_anchor():
    fewer = 0
    for seed, thresholds in enumerate(3 * THRESHOLDS):
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "range_max": 6, "output_format": "labeled-list"} | thresholds
        mine, other = lists(ours(dataset, model, **settings)), lists(theirs(dataset, model, **settings))
        within = lists(ours(dataset, model, corpus=corpus, num_negatives=6, output_format="labeled-list"))
        for key, found in other.items():
            assert mine.get(key, [key[1]]) == [text for text in found if text in within[key]]
            fewer += len(found) - len(mine.get(key, [key[1]]))
    assert fewer > 0


@pytest.mark.parametrize("thresholds", [{}, {"relative_margin": 0.1}, {"max_score": 0.6, "min_score": 0.1}], ids=str)
def test_positives_are_ranked_the_same(thresholds):
    for seed in SEEDS:
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "include_positives": True, "output_format": "n-tuple", "num_negatives": 4}
        settings |= thresholds | ({"range_max": WHOLE} if thresholds else {})
        settings["output_scores"] = True
        assert_same(ours(dataset, model, **settings), theirs(dataset, model, **settings))


@pytest.mark.parametrize("thresholds", [*THRESHOLDS[:1], {"max_score": 0.8, "min_score": 0.2}], ids=str)
@pytest.mark.parametrize("output_format", ["triplet", "labeled-list"])
def test_a_cross_encoder_with_a_threshold_gives_the_same(output_format, thresholds):
    for seed in SEEDS:
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "range_max": WHOLE, "output_format": output_format, "output_scores": True}
        settings |= thresholds | {"cross_encoder": TableCrossEncoder()}
        assert_same(ours(dataset, model, **settings), theirs(dataset, model, **settings))


def test_faiss_and_several_batches_give_the_same():
    model, dataset, corpus = random_problem(5)
    expected = ours(dataset, model, corpus=corpus, output_scores=True)
    for settings in ({"use_faiss": True}, {"faiss_batch_size": 2}):
        assert_same(ours(dataset, model, corpus=corpus, output_scores=True, **settings), expected)
        assert_same(theirs(dataset, model, corpus=corpus, output_scores=True, **settings), expected)
