"""Search in a graph: measured recall, a graph that is the same every time and is kept."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.sources import HNSW, Dense

approximate = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("approximate_inputs.py"))))
N_ANCHORS, N_ITEMS, retrieve = approximate.N_ANCHORS, approximate.N_ITEMS, approximate.retrieve


@pytest.fixture(scope="module")
def inputs():
    return approximate.make_inputs()


@pytest.mark.parametrize(("similarity", "least"), [("cosine", 0.95), ("dot", 0.8)])
def test_nearly_all_is_found(inputs, similarity, least):
    found = retrieve(HNSW(k=10, similarity=similarity), inputs)
    exact = retrieve(Dense(k=10, similarity=similarity), inputs)
    assert np.mean([np.isin(exact.items[row], found.items[row]).mean() for row in range(N_ANCHORS)]) > least


def test_recall_is_measured_and_a_low_one_warned_about(inputs):
    good = HNSW(k=10).open(inputs).facts()
    assert good["hnsw"]["recall"] > 0.95
    assert (good["hnsw"]["recall_at"], good["hnsw"]["recall_anchors"], good["warnings"]) == (10, N_ANCHORS, [])
    poor = HNSW(k=100, connectivity=2, expansion_add=8, expansion_search=8).open(inputs)
    facts = poor.facts()
    found, exact = (one.retrieve(inputs.positives.units(), 100) for one in (poor, Dense(k=100).open(inputs)))
    hits = [np.isin(exact.items[row], found.items[row]) & (exact.items[row] >= 0) for row in range(N_ANCHORS)]
    assert facts["hnsw"]["recall"] == pytest.approx(np.sum(hits) / (exact.items >= 0).sum())
    assert facts["hnsw"]["recall"] < 0.95
    assert "expansion_search" in facts["warnings"][0]


def test_the_graph_is_the_same_every_time_and_is_kept(inputs, tmp_path, monkeypatch):
    fresh = HNSW(k=10).open(inputs)
    kept = HNSW(k=10).open(replace(inputs, cache=tmp_path))
    (file,) = tmp_path.glob("hnsw/*.usearch")
    monkeypatch.setattr("usearch.index.Index.add", lambda *_, **__: pytest.fail("it was built again"))
    again = HNSW(k=10).open(replace(inputs, cache=tmp_path))
    assert fresh.measured == kept.measured == again.measured
    units = inputs.positives.units()
    np.testing.assert_array_equal(fresh.retrieve(units, 10).items, again.retrieve(units, 10).items)
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:-1] + b"x")  # damaged: built anew
    assert HNSW(k=10).open(replace(inputs, cache=tmp_path)).measured == fresh.measured
    HNSW(k=10, connectivity=8).open(replace(inputs, cache=tmp_path))
    assert len(list(tmp_path.glob("hnsw/*.usearch"))) == 2
