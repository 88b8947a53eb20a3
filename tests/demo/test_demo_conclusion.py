"""The sentences say what the rows show, and nothing else."""

import pytest

from foils.demo.conclusion import conclude
from foils.demo.result import Difference, Estimate, Row


def recipe(name="naive-top-k", hidden=(100, 90, 110), resolved=(10, 8, 12), difference=(0.0, -0.01, 0.01), **more):
    return Row(
        name=name,
        role=more.pop("role", "recipe"),
        hidden=None if hidden is None else Estimate(*hidden),
        resolved=None if resolved is None else Estimate(*resolved),
        ndcg=0.5,
        difference=Difference(*difference, 0.5),
    )


def said(*rows):
    return " ".join(conclude([Row(name="in-batch only", role="reference", ndcg=0.5), *rows]))


def test_recipes_are_compared_with_the_plain_one_by_their_intervals():
    text = said(
        recipe(),
        recipe("a", hidden=(50, 40, 60)),
        recipe("b", hidden=(95, 85, 105)),
        recipe("c", hidden=(200, 190, 210)),
        recipe("d", hidden=(1, 0, 2)),
    )
    assert "naive-top-k passes 100 that are hidden positives" in text
    assert "; a (50.0) and d (1.0) fewer; c (200) more; b (95.0) a number not shown to differ." in text


@pytest.mark.parametrize(
    ("resolved", "expected"),
    [
        ((10, 8, 12), "passes 10.0 instead of 100: most of its false negatives were the labelled text"),
        ((60, 55, 65), "passes 60.0 instead of 100: a part of its false negatives"),
        ((0, 0, 1), "passes 0 instead of 100: most of its"),
        ((95, 85, 105), "instead of 100, which is not shown to differ."),
        ((200, 190, 210), "passes 200 instead of 100: more."),
    ],
)
def test_what_resolving_duplicates_does(resolved, expected):
    text = said(recipe(resolved=resolved))
    assert expected in text
    assert ("The rest are other right answers" in text) == (0 < resolved[0] <= 60)


def test_without_a_false_negative_duplicates_are_not_spoken_of():
    assert "duplicates" not in said(recipe(hidden=(0, 0, 1), resolved=(0, 0, 1)))


def test_where_all_intervals_hold_zero_it_says_so():
    text = said(recipe(), recipe("a", difference=(0.002, -0.02, 0.024)))
    assert "no difference to nDCG@10 that could be shown" in text
    assert "all 2 intervals contain zero, and none reaches beyond ±0.024" in text


def test_each_difference_is_named():
    text = said(
        recipe(difference=(0.02, 0.01, 0.03)),
        recipe("a", difference=(-0.02, -0.03, -0.01)),
        recipe("b", difference=(0.0, 0.0, 0.01)),
    )
    assert "nDCG@10 rises with naive-top-k (+0.020 [+0.010, +0.030]); it falls with a (−0.020" in text
    assert "it is not shown to change with b (+0.000 [+0.000, +0.010])." in text
    assert "no difference to" not in text


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ((-0.1, -0.2, -0.05), "do not replace in-batch negatives: −0.100."),
        ((0.1, 0.05, 0.2), "are better than in-batch negatives: +0.100."),
        ((0.1, -0.05, 0.2), "are not shown to differ from in-batch negatives: +0.100."),
    ],
)
def test_mined_negatives_alone(difference, expected):
    row = recipe("x, mined only", hidden=None, resolved=None, difference=difference, role="mined only")
    assert f"Mined negatives alone (x) {expected}" in said(recipe(), row)


def test_without_recipes_there_is_nothing_to_say():
    assert said() == ""
