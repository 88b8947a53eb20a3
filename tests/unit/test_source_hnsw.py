"""Approximate search: scores of exact search, measured recall, an index that is the same every time."""

import importlib
from dataclasses import replace

import numpy as np
import pytest

from foils.collection import Collection
from foils.constraints import Allow, resolve
from foils.errors import MissingExtraError
from foils.search import Blocks, Forbidden, Inputs
from foils.sources import HNSW, Dense

N_ANCHORS, N_ITEMS, DIM = 40, 3000, 16


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    pairs = [(anchor, anchor) for anchor in range(N_ANCHORS)]
    pairs += [(0, item) for item in range(1, 60)]  # more than the graph is first asked for
    pairs += [(1, item) for item in range(2, 2900)]  # nearly all: searched exactly
    data = Collection.from_arrays(pairs, anchors=N_ANCHORS, items=N_ITEMS)
    mineable = np.ones(N_ITEMS, bool)
    mineable[2950:] = False
    vectors = (rng.normal(size=(rows, DIM)).astype(np.float32) for rows in (N_ANCHORS, N_ITEMS))
    return Inputs(
        positives=data.positives(),
        trusted=data.trusted_negatives(),
        mineable=mineable,
        matrices={"model": tuple(vectors)},
        negatives=4,
        seed=0,
        blocks=Blocks(64, 1000, 4096),
        collection=data,
        forbidden=Forbidden.of(data.positives()),
    )


def retrieve(fields, inputs, depth=10):
    return fields.open(inputs).retrieve(inputs.positives.units(), depth)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_scores_are_those_of_exact_search_and_nearly_all_is_found(inputs, similarity):
    found = retrieve(HNSW(k=10, similarity=similarity), inputs)
    exact = retrieve(Dense(k=10, similarity=similarity), inputs, N_ITEMS)
    for row in range(N_ANCHORS):
        scores = dict(zip(exact.items[row].tolist(), exact.columns["dense"].values[row].tolist(), strict=True))
        items, values = found.items[row].tolist(), found.columns["hnsw"].values[row].tolist()
        assert [scores[item] for item in items] == values
        assert values == sorted(values, reverse=True)
    share = np.mean([np.isin(exact.items[row, :10], found.items[row]).mean() for row in range(N_ANCHORS)])
    assert share > (0.95 if similarity == "cosine" else 0.8)
    np.testing.assert_array_equal(found.columns["hnsw"].positives, exact.columns["dense"].positives)


def test_what_is_forbidden_is_made_up_for(inputs):
    found, exact = retrieve(HNSW(k=10), inputs), retrieve(Dense(k=10), inputs)
    assert (found.items >= 0).all()
    assert not inputs.positives.contains(found.units.anchors, found.items).any()
    assert not np.isin(found.items, np.arange(2950, N_ITEMS)).any()
    np.testing.assert_array_equal(found.items[1], exact.items[1])


def test_constraints_are_made_up_for_too(inputs):
    allowed = [(str(anchor), str(item)) for anchor in range(N_ANCHORS) for item in range(anchor, N_ITEMS, 17)]
    forbidden = Forbidden.of(inputs.positives, resolve([Allow(allowed)], inputs.collection, read=pytest.fail))
    constrained = replace(inputs, forbidden=forbidden)
    found = retrieve(HNSW(k=10), constrained)
    rows = np.repeat(found.units.anchors, 10)
    assert not forbidden.pairs(rows, found.items.ravel()).any()
    np.testing.assert_array_equal(
        (found.items >= 0).sum(axis=1), (retrieve(Dense(k=10), constrained).items >= 0).sum(axis=1)
    )


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


def test_without_usearch_the_extra_is_named(inputs, monkeypatch):
    real = importlib.import_module

    def absent(name, *args):
        if name.startswith("usearch"):
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr("foils.search.graph.import_module", absent)
    with pytest.raises(MissingExtraError, match=r"foils\[ann\]"):
        HNSW().check(inputs)
