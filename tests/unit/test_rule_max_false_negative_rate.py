"""The rule that keeps the mean p_positive of what is kept at or below a rate, against plain loops."""

import math
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.candidates import Column
from foils.rules import REASONS, MaxFalseNegativeRate, MaxScore, judge

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract/problems.py")))
REJECTED = "max_false_negative_rate"


def with_p(rows):
    """Give candidates without a provided source whose p_positive is this."""
    width = max(map(len, rows))
    p = np.array([row + [np.nan] * (width - len(row)) for row in rows], np.float32)
    found = problems.take(problems.candidates(0, rows=len(rows) + 1, width=width), np.arange(len(rows)))
    items = np.where(np.arange(width) < np.array([len(row) for row in rows])[:, None], np.arange(width), -1)
    return replace(found, items=items, columns={**found.columns, "p_positive": Column(p)}, sources=("first", "second"))


def naive(row, rate, unscored="reject"):
    """Judge one unit by a plain loop."""
    kept, said = [], []
    for p in row:
        if math.isnan(p):
            said.append("unscored" if unscored == "reject" else "kept")
        elif math.fsum([*kept, p]) <= np.float32(rate) * (len(kept) + 1):
            kept.append(p)
            said.append("kept")
        else:
            said.append(REJECTED)
    return said


def reasons_of(found, rule):
    said = judge([rule], found).reason
    return [[REASONS[code] for code in row[there]] for row, there in zip(said, found.valid, strict=True)]


probability = st.one_of(st.sampled_from([0.0, 0.05, 0.1, math.nan]), st.floats(0, 1, width=32))


@given(
    st.lists(st.lists(probability, min_size=1, max_size=12), min_size=1, max_size=5),
    st.sampled_from([0.0, 0.05, 0.1, 0.3, 1.0]),
    st.sampled_from(["reject", "keep"]),
)
@settings(max_examples=40, deadline=None)
def test_it_is_the_plain_loop_and_every_prefix_keeps_the_promise(rows, rate, unscored):
    rows = [[float(np.float32(p)) for p in row] for row in rows]
    said = reasons_of(with_p(rows), MaxFalseNegativeRate(rate=rate, unscored=unscored))
    assert said == [naive(row, rate, unscored) for row in rows]
    for row, of_row in zip(rows, said, strict=True):
        kept = [p for p, reason in zip(row, of_row, strict=True) if reason == "kept" and not math.isnan(p)]
        for count in range(1, len(kept) + 1):
            assert math.fsum(kept[:count]) / count <= np.float32(rate) * (1 + 1e-12)


def test_what_is_saved_early_may_be_spent_later():
    rule = MaxFalseNegativeRate(rate=0.25)
    assert reasons_of(with_p([[0.5, 0.0, 0.5, 0.125, 0.375]]), rule) == [[REJECTED, "kept", "kept", "kept", "kept"]]
    assert reasons_of(with_p([[0.5, 0.0, 0.625, 0.5]]), rule) == [[REJECTED, "kept", REJECTED, "kept"]]


def test_a_probability_at_the_rate_is_kept():
    assert reasons_of(with_p([[0.05] * 7, [0.1] * 7]), MaxFalseNegativeRate(rate=0.05)) == [
        ["kept"] * 7,
        [REJECTED] * 7,
    ]


def test_what_other_rules_reject_does_not_count():
    found = with_p([[0.0, 0.0, 0.5]])
    scores = replace(found.columns["second"], values=np.array([[0.9, 0.9, 0.1]], np.float32))
    found = replace(found, columns={**found.columns, "second": scores})
    rate, score = MaxFalseNegativeRate(rate=0.25), MaxScore(threshold=0.5, column="second")
    assert judge([rate], found).keep.tolist() == [[True, True, True]]
    after = judge([score, rate], found)
    assert [REASONS[code] for code in after.reason[0]] == ["max_score", "max_score", REJECTED]
    before = judge([rate, score], found)  # a rule knows what those before it said
    assert [REASONS[code] for code in before.reason[0]] == ["max_score", "max_score", "kept"]


def test_provided_negatives_are_exempt_and_count():
    found = with_p([[0.0, 0.5, 0.9]])
    source = replace(found.columns["source"], values=np.array([[1, 0, 1]], np.int8))
    found = replace(found, columns={**found.columns, "source": source}, sources=("first", "provided"))
    assert judge([MaxFalseNegativeRate(rate=0.25)], found).keep.tolist() == [[True, True, True]]
    assert judge([MaxFalseNegativeRate(rate=0.2)], found).keep.tolist() == [[True, False, True]]


def test_a_rate_of_1_keeps_all_and_one_of_0_only_what_is_certain():
    found = problems.candidates(3)
    known = ~np.isnan(found.columns["p_positive"].values) & found.valid
    provided = (found.columns["source"].values == 1) & found.valid
    assert (judge([MaxFalseNegativeRate(rate=1.0)], found).keep == known | provided).all()
    certain = known & (found.columns["p_positive"].values == 0)
    assert (judge([MaxFalseNegativeRate(rate=0.0)], found).keep == certain | provided).all()
