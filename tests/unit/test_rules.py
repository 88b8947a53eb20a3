"""What the papers and the faults of others say about the rules, on problems made for it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from foils.candidates import Candidates, Column, Kind
from foils.positives import Units
from foils.rules import ALIASES, REASONS, REGISTRY, AbsoluteMargin, MaxScore, MeanStd, RelativeMargin, judge

EIGHTHS = st.integers(-16, 16).map(lambda number: number / 8)


def candidates(scores, positives, kind=Kind.RATIO):
    """Make one unit per row of scores; positives are lists, one per unit."""
    scores = np.array(scores, np.float64)
    sizes = [len(row) for row in positives]
    indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = np.arange(len(scores))
    units = Units(rows, rows, indptr, 1000 + np.arange(indptr[-1]))
    items = np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    found = Candidates.listed(units, items, "dense", 0.0)
    return found.with_column("dense", Column(scores, kind, np.array([s for row in positives for s in row], float)))


def kept(rule, scores, positives):
    return judge([rule], candidates(scores, positives)).keep


@st.composite
def problems(draw, positive_sign=None):
    rows, width = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    scores = draw(arrays(np.float64, (rows, width), elements=EIGHTHS))
    values = EIGHTHS if positive_sign is None else EIGHTHS.map(lambda number: positive_sign * (abs(number) + 0.125))
    return scores, [draw(st.lists(values, min_size=1, max_size=3)) for _ in range(rows)]


REFERENCES = {"min": min, "max": max, "mean": lambda scores: sum(scores) / len(scores)}


@settings(max_examples=60, deadline=None)
@given(problems(), st.sampled_from(sorted(REFERENCES)), st.sampled_from([0.0, 0.05, 0.125, 0.5, 1.0]))
def test_margins_equal_the_plain_reference(problem, reference, margin):
    scores, positives = problem
    bounds = [REFERENCES[reference](row) for row in positives]
    expected = [[s < bound - margin for s in row] for row, bound in zip(scores.tolist(), bounds, strict=True)]
    assert kept(AbsoluteMargin(margin=margin, reference=reference), *problem).tolist() == expected
    expected = [
        [s < bound - margin * abs(bound) for s in row] for row, bound in zip(scores.tolist(), bounds, strict=True)
    ]
    assert kept(RelativeMargin(margin=margin, reference=reference), *problem).tolist() == expected
    assert kept(MaxScore(threshold=margin), *problem).tolist() == [[s < margin for s in row] for row in scores.tolist()]


# --- NV-Retriever (Moreira et al., 2024) ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(problems())
def test_a_margin_of_zero_is_a_share_of_one(problem):
    absolute, relative = kept(AbsoluteMargin(margin=0.0), *problem), kept(RelativeMargin(margin=0.0), *problem)
    np.testing.assert_array_equal(absolute, relative)
    name, fields = ALIASES["perc_pos"](1.0)
    np.testing.assert_array_equal(absolute, kept(REGISTRY[name](**fields), *problem))


@settings(max_examples=40, deadline=None)
@given(problems(), st.lists(st.floats(0, 1), min_size=2, max_size=4).map(sorted))
def test_survivors_of_larger_margins_are_among_those_of_smaller(problem, margins):
    for rule in (AbsoluteMargin, RelativeMargin):
        sets = [kept(rule(margin=margin), *problem) for margin in margins]
        assert all((larger <= smaller).all() for smaller, larger in itertools.pairwise(sets))


@settings(max_examples=40, deadline=None)
@given(problems(), st.sampled_from([0.25, 0.5, 4.0, 1024.0]), st.sampled_from([-3.0, 0.5, 17.0]))
def test_a_share_does_not_see_the_scale_and_a_margin_does_not_see_the_offset(problem, scale, offset):
    scores, positives = problem
    scaled = scores * scale, [[s * scale for s in row] for row in positives]
    shifted = scores + offset, [[s + offset for s in row] for row in positives]
    relative, absolute = RelativeMargin(margin=0.25), AbsoluteMargin(margin=0.25)
    np.testing.assert_array_equal(kept(relative, *scaled), kept(relative, *problem))
    np.testing.assert_array_equal(kept(absolute, *shifted), kept(absolute, *problem))


def test_a_share_sees_the_offset_and_a_margin_the_scale():
    problem, scaled, shifted = ([[0.7]], [[1.0]]), ([[7.0]], [[10.0]]), ([[100.7]], [[101.0]])
    assert kept(RelativeMargin(margin=0.25), *problem).tolist() == [[True]]
    assert kept(RelativeMargin(margin=0.25), *shifted).tolist() == [[False]]
    assert kept(AbsoluteMargin(margin=0.5), *problem).tolist() == [[False]]
    assert kept(AbsoluteMargin(margin=0.5), *scaled).tolist() == [[True]]


@settings(max_examples=40, deadline=None)
@given(problems())
def test_a_threshold_above_all_scores_keeps_all(problem):
    assert kept(MaxScore(threshold=2.125), *problem).all()


@settings(max_examples=40, deadline=None)
@given(problems(positive_sign=-1), st.sampled_from([0.05, 0.5, 1.0]))
def test_with_negative_scores_a_share_still_lies_below_the_positive(problem, margin):
    """As ``s < 0.95 × s⁺`` the bound would lie above a negative s⁺ and let the positive's copies pass."""
    scores, positives = problem
    lowest = np.array([min(row) for row in positives])[:, None]
    assert (lowest < 0).all()
    survivors = kept(RelativeMargin(margin=margin), scores, positives)
    assert not survivors[scores >= lowest].any()
    assert (survivors <= kept(RelativeMargin(margin=0.0), scores, positives)).all()


def test_the_plain_share_would_have_let_a_better_item_pass():
    scores, positive, share = np.array([-0.97, -1.0, -1.02, -1.06]), -1.0, 0.95
    assert (scores < share * positive).tolist() == [True, True, True, True]
    assert kept(RelativeMargin(margin=1 - share), [scores], [[positive]]).tolist() == [[False, False, False, True]]


@pytest.mark.parametrize("rule", [AbsoluteMargin(margin=0.0), RelativeMargin(margin=0.0)])
@pytest.mark.parametrize("positive", [0.8, 0.0, -0.8, 0.1])
def test_a_copy_of_the_positive_does_not_pass(rule, positive):
    below = np.nextafter(positive, -np.inf)
    assert kept(rule, [[positive, below, positive]], [[positive]]).tolist() == [[False, True, False]]


def test_the_share_of_the_paper_by_its_other_name():
    name, fields = ALIASES["perc_pos"](0.95)
    assert REGISTRY[name](**fields) == RelativeMargin(margin=0.05) == RelativeMargin()
    assert RelativeMargin(margin=0.05).reference == "min"


def test_every_unit_is_measured_against_its_own_positives():
    """With 3, 1 and 2 positives, an offset that counts one unit late gives the second the first one's bound."""
    positives = [[0.9, 0.8, 0.7], [0.3], [0.6, 0.5]]
    scores = np.tile(np.arange(0.05, 1.0, 0.1), (3, 1))
    survivors = kept(AbsoluteMargin(margin=0.0), scores, positives)
    np.testing.assert_array_equal(survivors, scores < np.array([[0.7], [0.3], [0.5]]))
    survivors = kept(AbsoluteMargin(margin=0.0, reference="max"), scores, positives)
    np.testing.assert_array_equal(survivors, scores < np.array([[0.9], [0.3], [0.6]]))


def test_positives_without_a_score_do_not_count():
    found = candidates([[0.5, 0.1]] * 3, [[np.nan, 0.4], [np.nan], []])
    reasons = judge([AbsoluteMargin(margin=0.0, reference="mean")], found).reason
    assert [[REASONS[code] for code in row] for row in reasons.tolist()] == [
        ["absolute_margin", "kept"],
        ["no_positive_score", "no_positive_score"],
        ["no_positive_score", "no_positive_score"],
    ]


# --- mean and deviation (ATSS, Zhang et al., 2020) --------------------------------------------------------------------


def mean_std_reference(row, deviations):
    scored = row[~np.isnan(row)]
    if len(scored) < 2 or scored.std() == 0:
        return np.inf
    return scored.mean() + deviations * scored.std(ddof=1)


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.float64, (3, 9), elements=EIGHTHS | st.just(float("nan"))),
    st.sampled_from([0.0, 1.0, 1.5, 2.0]),
)
def test_mean_std_equals_the_plain_reference(scores, deviations):
    survivors = kept(MeanStd(deviations=deviations, unscored="keep"), scores, [[1.0]] * 3)
    for row, keep in zip(scores, survivors, strict=True):
        bound = mean_std_reference(row, deviations)
        clear = ~(np.abs(row - bound) < 1e-9)  # at the bound, the last digit decides
        np.testing.assert_array_equal(keep[clear], ~(row >= bound)[clear])


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.float64, (2, 7), elements=EIGHTHS),
    st.sampled_from([0.25, 8.0, 2.0**40]),
    st.integers(-9, 9),
    st.floats(0, 3),
)
def test_mean_std_does_not_see_scale_and_offset(scores, scale, offset, deviations):
    rule = MeanStd(deviations=deviations)
    moved = (scores + np.array([[offset], [0.0]])) * np.array([[1.0], [scale]])  # of each unit its own
    np.testing.assert_array_equal(kept(rule, moved, [[1.0]] * 2), kept(rule, scores, [[1.0]] * 2))


@pytest.mark.parametrize("deviations", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("score", [0.0, 0.1, -1 / 3, 1e-8, 123456.789])
def test_with_all_scores_equal_nothing_is_rejected(score, deviations):
    """Summed and divided, 0.1 thirteen times is not 0.1: a bound from the rounded mean would reject all of them."""
    for width in range(1, 40):
        assert kept(MeanStd(deviations=deviations), np.full((2, width), score), [[1.0]] * 2).all()


def test_fewer_than_two_scores_have_no_deviation():
    scores = [[0.9, np.nan, np.nan], [np.nan, np.nan, np.nan], [0.9, 0.1, np.nan]]
    survivors = kept(MeanStd(deviations=0.0, unscored="keep"), scores, [[1.0]] * 3)
    assert survivors.tolist() == [[True] * 3, [True] * 3, [False, True, True]]


def test_mean_std_serves_units_whose_scores_are_offset():
    """Hidden positives stand out within a unit; one threshold for all units cannot see them through the offsets."""
    rng = np.random.default_rng(0)
    hidden = np.zeros((200, 50), bool)
    hidden[:, :2] = True
    scores = rng.standard_normal((200, 50)) + 2.5 * hidden + 2 * rng.standard_normal((200, 1))
    rejected = ~kept(MeanStd(deviations=1.5), scores, [[1.0]] * 200)
    by_threshold = scores >= np.quantile(scores, 1 - rejected.mean())
    assert hidden[rejected].mean() > 1.5 * hidden[by_threshold].mean()
