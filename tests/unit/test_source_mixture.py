"""Mixtures: the fused order against a plain reference, what each source said, and the law of a random one."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.candidates import Candidates, Column, Kind
from foils.errors import RecipeError
from foils.positives import Units
from foils.sources import BM25, Dense, Mixture, Popularity, Provided, Uniform
from foils.sources.fusing import RRF, Fuse
from foils.sources.mixture import One, OpenMixture

problems = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py")))

SEARCHES = (One(dense=Dense(k=4, max_depth=64)), One(bm25=BM25(k=3, max_depth=64)))


class Listed:
    """A source that gives fixed lists."""

    def __init__(self, name, lists):
        self.name, self.lists = name, lists

    def retrieve(self, units, depth):
        items = np.full((len(units), depth), -1, np.int64)
        for row, listed in enumerate(self.lists):
            items[row, : len(listed[:depth])] = listed[:depth]
        scores = np.where(items >= 0, 100.0 - np.arange(depth), np.nan).astype(np.float32)
        positives = np.zeros(0, np.float32)
        return Candidates.listed(units, items, self.name, 0.0).with_column(
            self.name, Column(scores, Kind.SCORE, positives)
        )


def fused(lists, depth, fuse, depths=None):
    names = tuple(f"s{place}" for place in range(len(lists)))
    rows = len(lists[0])
    units = Units(np.arange(rows), np.arange(rows), np.zeros(rows + 1, np.int64), np.zeros(0, np.int64))
    sources = tuple(Listed(name, one) for name, one in zip(names, lists, strict=True))
    depths = depths or tuple((max(depth // len(lists), 1), 64) for _ in lists)
    return OpenMixture(names, sources, (False,) * len(lists), depths, fuse).retrieve(units, depth)


LISTS = st.integers(1, 3).flatmap(
    lambda rows: st.lists(
        st.lists(
            st.permutations(range(12)).flatmap(lambda p: st.integers(0, 12).map(lambda n: p[:n])),
            min_size=rows,
            max_size=rows,
        ),
        min_size=2,
        max_size=3,
    )
)


@given(LISTS, st.sampled_from([0.0, 1.0, 60.0]))
@settings(max_examples=40, deadline=None)
def test_reciprocal_ranks_add_up(lists, c):
    found = fused(lists, 36, Fuse(rrf=RRF(c=c)))
    for row in range(len(lists[0])):
        total = {}
        for one in lists:
            for rank, item in enumerate(one[row], 1):
                total[item] = total.get(item, 0.0) + 1 / (c + rank)
        best = {item: min(one[row].index(item) for one in lists if item in one[row]) for item in total}
        got = [item for item in found.items[row].tolist() if item >= 0]
        assert sorted(got) == sorted(total)
        keys = [(-round(total[item], 12), best[item], item) for item in got]
        assert keys == sorted(keys)


@given(LISTS, st.lists(st.integers(1, 5), min_size=3, max_size=3))
@settings(max_examples=40, deadline=None)
def test_at_any_time_every_source_has_given_its_quota(lists, shares):
    quotas = {f"s{place}": float(share) for place, share in enumerate(shares[: len(lists)])}
    found = fused(lists, 36, Fuse(quotas=quotas))
    for row in range(len(lists[0])):
        got = [item for item in found.items[row].tolist() if item >= 0]
        times = {}
        for place, one in enumerate(lists):
            for rank, item in enumerate(one[row], 1):
                times[item] = min(times.get(item, 1e9), (rank - 0.5) / shares[place])
        assert sorted(got) == sorted(times)
        assert [times[item] for item in got] == sorted(times.values())


@given(LISTS, st.sampled_from([Fuse(rrf=RRF()), Fuse(quotas={"s0": 3.0, "s1": 1.0, "s2": 1.0})]))
@settings(max_examples=40, deadline=None)
def test_a_deeper_list_goes_on_and_changes_nothing(lists, fuse):
    depths = tuple((2, 12) for _ in lists)
    deep = fused(lists, 8 * len(lists), fuse, depths)
    for depth in (1, 2, 3, 2 * len(lists), 4 * len(lists)):
        shallow = fused(lists, depth, fuse, depths)
        for name, column in problems.first(deep, depth).columns.items():
            np.testing.assert_array_equal(column.values, shallow.columns[name].values)
        np.testing.assert_array_equal(deep.items[:, :depth], shallow.items)


def test_a_source_that_runs_dry_leaves_its_room_to_the_others():
    found = fused([[[1, 2]], [[9, 8, 7, 6, 5, 4, 3]]], 6, Fuse(quotas={"s0": 1.0, "s1": 1.0}))
    assert found.items.tolist() == [[1, 9, 2, 8, 7, 6]]


def test_every_source_keeps_its_own_score_and_the_best_rank_names_the_source():
    inputs = problems.inputs()
    units = inputs.positives.units()
    mixed = Mixture(of=SEARCHES).open(inputs).retrieve(units, 7)
    alone = {one.name: one.fields.open(inputs).retrieve(units, 7) for one in SEARCHES}
    assert mixed.sources == ("dense", "bm25")
    for row, items in enumerate(mixed.items.tolist()):
        for place, item in enumerate(items):
            ranks = {
                name: found.items[row].tolist().index(item) for name, found in alone.items() if item in found.items[row]
            }
            if item < 0:
                continue
            for name, found in alone.items():
                score = mixed.columns[name].values[row, place]
                assert np.isnan(score) if name not in ranks else score == found.columns[name].values[row, ranks[name]]
            source = mixed.sources[mixed.columns["source"].values[row, place]]
            assert ranks[source] == min(ranks.values())
    for name, found in alone.items():
        np.testing.assert_array_equal(mixed.columns[name].positives, found.columns[name].positives)
        assert mixed.columns[name].kind is Mixture(of=SEARCHES).columns()[name]
    np.testing.assert_array_equal(mixed.columns["log_q"].values[mixed.items >= 0], 0)


def test_trusted_negatives_stay_trusted():
    inputs = problems.inputs()
    mixed = Mixture(of=(One(dense=Dense(k=64)), One(provided=Provided(k=50)))).open(inputs)
    found = mixed.retrieve(inputs.positives.units(), 100)
    trusted = inputs.trusted.contains(found.units.anchors, found.items)
    assert trusted.any()
    np.testing.assert_array_equal((found.columns["source"].values == 1) & (found.items >= 0), trusted)


def test_the_pool_of_a_random_source_has_a_law():
    inputs = problems.inputs()
    units = inputs.positives.units()
    parts = (One(dense=Dense(k=5)), One(uniform=Uniform(k=6)))
    mixture = Mixture(of=parts)
    assert mixture.random
    assert mixture.depths(4) == (11, 11)
    found = mixture.open(inputs).retrieve(units, 11)
    dense, drawn = (one.fields.open(inputs).retrieve(units, one.fields.k) for one in parts)
    for row, items in enumerate(found.items.tolist()):
        for place, item in enumerate(items):
            log_q = found.columns["log_q"].values[row, place]
            if item in dense.items[row] and item >= 0:
                assert log_q == 0
            elif item >= 0:
                at = drawn.items[row].tolist().index(item)
                assert log_q == drawn.columns["log_q"].values[row, at]
    two = Mixture(of=(One(uniform=Uniform(k=6)), One(popularity=Popularity(k=6)))).open(inputs).retrieve(units, 12)
    assert np.isnan(two.columns["log_q"].values).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Mixture(of=SEARCHES[:1]), "expected 2 to"),
        (lambda: Mixture(of=(SEARCHES[0], SEARCHES[0])), "holds dense twice"),
        (lambda: Mixture(of=SEARCHES, fuse=Fuse(quotas={"dense": 1.0})), "bm25 has no quota"),
        (lambda: Mixture(of=SEARCHES, fuse=Fuse(quotas={"dense": 1.0, "bm52": 1.0})), "did you mean 'bm25'"),
        (lambda: Fuse(), "expected one way to fuse"),
        (lambda: One(), "expected one source by name"),
        (lambda: One(dense=Dense(), bm25=BM25()), "expected one source by name"),
        (lambda: Dense(name="provided"), "is that of trusted negatives"),
    ],
)
def test_what_does_not_fit_together_is_refused(make, message):
    with pytest.raises(RecipeError, match=message):
        make()
