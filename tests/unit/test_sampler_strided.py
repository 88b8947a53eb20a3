"""Strided sampling: which places of the order by score are taken, and in which turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils._array import Key
from foils.candidates import Candidates, Column, Kind
from foils.positives import Units
from foils.samplers import Strided, TopK, draw

KEY = Key(0, "test", 0)


def candidates(scores):
    units = Units(np.arange(1), np.arange(1), np.arange(2), np.array([10**6]))
    found = Candidates.listed(units, np.arange(len(scores))[None], "dense", 0.0)
    column = Column(np.array([scores], np.float64), Kind.SCORE, np.zeros(1))
    return found.with_column("judge", column)


def drawn(sampler, scores, m, keep=None):
    found = candidates(scores)
    kept = found.valid if keep is None else np.array([keep])
    return [item for item in draw(sampler, found, sampler.weigh(found, kept), m, KEY).items[0].tolist() if item >= 0]


@pytest.mark.parametrize(
    ("count", "stride", "m", "expected"),
    [
        (10, 5, 4, [0, 5, 1, 6]),
        (50, 5, 8, [0, 5, 10, 15, 20, 25, 30, 35]),
        (7, 3, 7, [0, 3, 6, 1, 4, 2, 5]),
        (8, 3, 8, [0, 3, 6, 1, 4, 7, 2, 5]),
        (3, 5, 3, [0, 1, 2]),
        (6, 6, 3, [0, 1, 2]),
    ],
)
def test_every_sth_round_and_round(count, stride, m, expected):
    falling = np.linspace(1, 0, count).tolist()
    assert drawn(Strided(stride=stride), falling, m) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9, np.nan]), min_size=1, max_size=14), st.integers(1, 6), st.data())
def test_slices_of_the_survivors_by_score(scores, stride, data):
    keep = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    left = [place for place, score in enumerate(scores) if keep[place] and not np.isnan(score)]
    ranked = sorted(left, key=lambda place: (-scores[place], place))
    expected = [place for start in range(stride) for place in ranked[start::stride]]
    assert drawn(Strided(stride=stride), scores, len(scores), keep) == expected


def test_a_stride_of_one_is_top_k():
    scores = np.random.default_rng(0).random(20).round(1).tolist()
    assert drawn(Strided(stride=1), scores, 7) == drawn(TopK(), scores, 7)
