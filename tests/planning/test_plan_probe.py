"""What plans carry on from: blocks to larger blocks, parts to the whole, groups of texts to all, pairs to all pairs."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
from plan_world import Counting, collection

from foils.planning import encode, judge, probe
from foils.planning.judge import plan_judging
from foils.planning.stand_ins import Listener, stand_in


def test_stand_ins_take_the_memory_of_one_row_each():
    matrix = stand_in(1000, 64)
    assert (matrix.shape, matrix.dtype) == ((1000, 64), np.float32)
    assert matrix.strides == (4, 4)
    assert len(np.unique(matrix, axis=0)) == 1000
    assert (np.linalg.norm(matrix, axis=1) > 0).all()


class Settling:
    """Settles blocks in no time on a clock that moves by ``seconds(call, units)``."""

    def __init__(self, monkeypatch, seconds):
        self.sizes, self.now = [], 0.0
        self.seconds = seconds
        monkeypatch.setattr(probe, "settle_here", self.settle)
        monkeypatch.setattr(probe, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def settle(self, job, span):
        self.now += self.seconds(len(self.sizes), span.stop - span.start)
        self.sizes.append(span.stop - span.start)
        return {}, None

    def rate(self, full=512):
        job = SimpleNamespace(units=range(10_000))
        probe._warm_up(job, {})
        return probe._settle(job, 1, full)[2]


def test_what_the_first_block_loads_changes_no_plan(monkeypatch):
    def work(call, units):
        return 0.0001 + 0.001 * units

    warm = Settling(monkeypatch, work)
    expected = warm.rate()
    cold = Settling(monkeypatch, lambda call, units: work(call, units) + (5.0 if call == 0 else 0.0))
    assert cold.rate() == pytest.approx(expected)
    assert cold.sizes == warm.sizes
    assert expected == pytest.approx(0.001, rel=0.02)


def test_blocks_grow_as_long_as_a_larger_one_is_not_slower(monkeypatch):
    flat = Settling(monkeypatch, lambda call, units: 0.01)  # all of it is reading the items
    assert flat.rate() == pytest.approx(0.01 / 512)
    assert flat.sizes == [8, 8, 32, 128, 512]


@pytest.mark.parametrize("seconds", [lambda call, units: 0.03 + 0.001 * units, lambda call, units: 0.2 / (call + 1)])
def test_no_block_is_priced_below_the_rate_of_the_largest_one_measured(monkeypatch, seconds):
    settling = Settling(monkeypatch, seconds)
    rate = settling.rate()
    last = len(settling.sizes) - 1
    assert settling.sizes[last] < 512
    assert rate == pytest.approx(seconds(last, settling.sizes[last]) / settling.sizes[last])


def test_groups_cover_the_lengths_whenever_time_is_up():
    for count in (3, 5, 9, 20):
        starts = sorted(group.start for _, group in zip(range(count), encode._groups(1000, 10), strict=False))
        assert np.diff([0, *starts, 990]).max() < 2.7 * 990 / (count + 1)
        assert starts[-1] + 10 <= 1000


class Slow(Counting):
    """Takes a millisecond per call, and another per 100 bytes of a text."""

    def encode(self, texts, side):
        time.sleep(0.001 + sum(map(len, texts)) * 1e-5)
        return super().encode(texts, side)


def test_the_rate_is_that_of_all_lengths():
    data = collection()
    planned, _ = encode.plan_encoding("model", Slow(), data, None)
    for side, records in zip(planned, (data.anchors, data.items), strict=True):
        expected = sum(map(len, records.full_texts())) * 1e-5
        assert expected * 0.7 < side.seconds < 6 * expected + 0.3  # sleeping takes longer on a busy machine
        assert 0 < side.probed <= side.texts


class Judge:
    """Knows the pairs of even items; takes time for each pair."""

    def __init__(self):
        self.scored = 0

    def known(self, anchors, items):
        return items % 2 == 0

    def score(self, anchors, items):
        self.scored += len(items)
        time.sleep(1e-4 * len(items))
        return np.zeros(len(items), np.float32)


def test_a_judge_is_asked_about_unknown_pairs_for_a_moment():
    anchors, items = np.zeros(1000, np.int64), np.arange(1000)
    kept, free = Judge(), Judge()
    found = plan_judging("ce", kept, free, (anchors, items), total=100_000)
    assert (found.column, found.pairs, found.known) == ("ce", 100_000, 50_000)
    assert kept.scored == 0
    assert 0 < free.scored <= 500
    assert 5 < found.seconds < 60


def test_a_judge_that_knows_all_pairs_takes_no_time():
    anchors, items = np.zeros(100, np.int64), 2 * np.arange(100)
    judged = Judge()
    found = plan_judging("ce", judged, judged, (anchors, items), total=1000)
    assert (found.known, found.seconds, judged.scored) == (1000, 0.0, 0)


def test_judged_pairs_are_spread():
    assert sorted(judge._spread(10, 10)) == list(range(10))
    assert np.ptp(judge._spread(1000, 10)) > 500


def test_a_listener_answers_with_noise_and_remembers():
    listener = Listener()
    scores = listener.score(np.array([1, 1, 2]), np.array([5, -1, 6]))
    assert np.isnan(scores[1])
    assert 0 < scores[0] < 1
    assert np.array_equal(listener.pairs(), [[1, 2], [5, 6]])
