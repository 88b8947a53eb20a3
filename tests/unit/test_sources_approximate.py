"""Approximate search of any kind: scores of exact search, and what is forbidden is made up for."""

import importlib
import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.constraints import Allow, resolve
from foils.errors import MissingExtraError
from foils.search import Forbidden
from foils.sources import HNSW, IVF, Dense

approximate = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("approximate_inputs.py"))))
N_ANCHORS, N_ITEMS, retrieve = approximate.N_ANCHORS, approximate.N_ITEMS, approximate.retrieve
KINDS = [HNSW, IVF]


@pytest.fixture(scope="module")
def inputs():
    return approximate.make_inputs()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_scores_are_those_of_exact_search(inputs, kind, similarity):
    found = retrieve(kind(k=10, similarity=similarity), inputs)
    exact = retrieve(Dense(k=10, similarity=similarity), inputs, N_ITEMS)
    (name,) = found.sources
    for row in range(N_ANCHORS):
        scores = dict(zip(exact.items[row].tolist(), exact.columns["dense"].values[row].tolist(), strict=True))
        items, values = found.items[row].tolist(), found.columns[name].values[row].tolist()
        assert [scores[item] for item in items] == values
        assert values == sorted(values, reverse=True)
    np.testing.assert_array_equal(found.columns[name].positives, exact.columns["dense"].positives)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_forbidden_is_made_up_for(inputs, kind):
    found, exact = retrieve(kind(k=10), inputs), retrieve(Dense(k=10), inputs)
    assert (found.items >= 0).all()
    assert not inputs.positives.contains(found.units.anchors, found.items).any()
    assert not np.isin(found.items, np.arange(2950, N_ITEMS)).any()
    np.testing.assert_array_equal(found.items[1], exact.items[1])


@pytest.mark.parametrize("kind", KINDS)
def test_constraints_are_made_up_for_too(inputs, kind):
    allowed = [(str(anchor), str(item)) for anchor in range(N_ANCHORS) for item in range(anchor, N_ITEMS, 17)]
    forbidden = Forbidden.of(inputs.positives, resolve([Allow(allowed)], inputs.collection, read=pytest.fail))
    constrained = replace(inputs, forbidden=forbidden)
    found, exact = retrieve(kind(k=10), constrained), retrieve(Dense(k=10), constrained)
    assert not forbidden.pairs(np.repeat(found.units.anchors, 10), found.items.ravel()).any()
    np.testing.assert_array_equal((found.items >= 0).sum(axis=1), (exact.items >= 0).sum(axis=1))


@pytest.mark.parametrize(("kind", "module", "package"), [(HNSW, "graph", "usearch"), (IVF, "inverted", "faiss")])
def test_without_its_package_the_extra_is_named(inputs, monkeypatch, kind, module, package):
    real = importlib.import_module

    def absent(name, *args):
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(f"foils.search.{module}.import_module", absent)
    with pytest.raises(MissingExtraError, match=r"foils\[ann\]"):
        kind().check(inputs)
