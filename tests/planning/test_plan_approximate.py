"""The plan's look at approximate search: what it compares, when it keeps silent, and that it scales as it says."""

import importlib

import numpy as np
import pytest

import foils
from foils.planning import approximate
from foils.planning.approximate import Approximate, approximate_search
from foils.planning.text import describe
from foils.search import choose_screen
from foils.sources import Dense

ANCHORS, ITEMS, DIM = 30, 4000, 16


@pytest.fixture
def small(monkeypatch):
    for name, size in (("PART", 1024), ("SMALL_PART", 512), ("GRAPH_PART", 300), ("ANCHORS", 16)):
        monkeypatch.setattr(approximate, name, size)


def planned(recipe="nv-retriever", items=ITEMS):
    rng = np.random.default_rng(0)
    data = foils.Collection.from_arrays([(row, row) for row in range(ANCHORS)], anchors=ANCHORS, items=items)
    vectors = [rng.normal(size=(rows, DIM)).astype(np.float32) for rows in (ANCHORS, items)]
    return foils.plan(data, recipe, negatives=4, query_vectors=vectors[0], item_vectors=vectors[1])


def test_the_plan_says_what_approximate_search_would_take(small):
    plan = planned()
    (said,) = [line for line in plan.calibration if line.startswith("approximate search")]
    for part in ("would take", "build", "search", "against", "exact: "):
        assert part in said
    assert said in describe(plan)


def test_nothing_is_said_of_few_items_and_of_other_sources(small):
    for plan in (planned(items=2000), planned("uniform")):
        assert not any("approximate" in line for line in plan.calibration)


def test_the_sentence_says_whether_it_pays():
    assert str(Approximate("ivf", 20.0, 3.0, 8.0)) == (
        "approximate search (ivf) would take 23 s (build 20 s + search 3.0 s) against 8.0 s exact: not worth it"
    )
    assert "try source: {ivf: {}}, whose recall is measured" in str(Approximate("ivf", 20.0, 3.0, 80.0))


def test_the_quickest_index_that_is_installed_is_compared(small, monkeypatch):
    seen = {}

    def fields(self, build, search):
        seen["total"] = self.total
        return build, search

    monkeypatch.setattr(approximate._Probe, "exact", lambda self: 0.5)
    monkeypatch.setattr(approximate._Probe, "ivf", lambda self: fields(self, 9.0, 0.1))
    monkeypatch.setattr(approximate._Probe, "hnsw", lambda self: fields(self, 2.0, 0.2))
    plan = next(line for line in planned().calibration if line.startswith("approximate"))
    assert "(hnsw)" in plan
    assert seen["total"] == ITEMS
    monkeypatch.setattr("foils._extras.missing", lambda packages: [name for name in packages if name == "usearch"])
    assert "(ivf)" in next(line for line in planned().calibration if line.startswith("approximate"))
    monkeypatch.setattr("foils._extras.missing", list)
    assert not any("approximate" in line for line in planned().calibration)


def test_times_grow_with_items_and_anchors_and_shrink_with_threads(small, monkeypatch):
    monkeypatch.setattr(approximate, "_timed", lambda work: (work(), 1.0))  # everything takes a second
    monkeypatch.setattr("foils._extras.missing", lambda packages: [name for name in packages if name == "usearch"])
    prepared = []
    real = approximate_search

    def kept(inputs, source, *, threads):
        prepared.append((inputs, source))
        return real(inputs, source, threads=threads)

    monkeypatch.setattr(importlib.import_module("foils.planning.plan"), "approximate_search", kept)
    planned()
    inputs, source = prepared[0]
    assert isinstance(source, Dense)
    one, two = (real(inputs, source, threads=threads) for threads in (1, 2))
    assert one.source == "ivf"
    assert one.exact == pytest.approx(ANCHORS / 16)  # a second for 16 anchors, whatever the part
    assert two.exact == pytest.approx(one.exact / 2)
    assert two.search == pytest.approx(one.search / 2)
    assert two.build == pytest.approx(one.build)
    assert one.build > ITEMS / 1024  # filling the lists alone


def test_exact_search_is_priced_with_the_screen_that_the_run_chooses(small, monkeypatch):
    asked = []

    def choose(items, work, mode, spare_bytes):
        asked.append((len(items) * work.count, mode, spare_bytes * ITEMS // len(items)))
        return choose_screen(items, work, mode, spare_bytes)

    monkeypatch.setattr(approximate, "choose_screen", choose)
    planned()
    assert len(asked) == 2  # two parts
    for products, mode, spare in asked:
        assert products == pytest.approx(ITEMS * ANCHORS, rel=0.01)  # those of the whole
        assert mode == "auto"
        assert spare == pytest.approx(asked[0][2], rel=0.01)
