"""Search in lists: scores of exact search, measured recall, lists that are the same every time and are kept."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from foils.collection import Collection
from foils.constraints import Allow, resolve
from foils.errors import InputError, MissingExtraError, RecipeError
from foils.search import Blocks, Forbidden, Inputs
from foils.sources import IVF, Dense

N_ANCHORS, N_ITEMS, DIM = 40, 3000, 16


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    pairs = [(anchor, anchor) for anchor in range(N_ANCHORS)]
    pairs += [(0, item) for item in range(1, 60)]  # more than is first asked for
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
def test_scores_are_those_of_exact_search(inputs, similarity):
    found = retrieve(IVF(k=10, similarity=similarity, name="near"), inputs)
    exact = retrieve(Dense(k=10, similarity=similarity), inputs, N_ITEMS)
    assert found.sources == ("near",)
    for row in range(N_ANCHORS):
        scores = dict(zip(exact.items[row].tolist(), exact.columns["dense"].values[row].tolist(), strict=True))
        items, values = found.items[row].tolist(), found.columns["near"].values[row].tolist()
        assert [scores[item] for item in items] == values
        assert values == sorted(values, reverse=True)
    np.testing.assert_array_equal(found.columns["near"].positives, exact.columns["dense"].positives)


def test_looking_through_all_lists_misses_nothing(inputs):
    found, exact = retrieve(IVF(k=10, lists=20, probes=20), inputs), retrieve(Dense(k=10), inputs)
    np.testing.assert_array_equal(found.items, exact.items)
    np.testing.assert_array_equal(found.columns["ivf"].values, exact.columns["dense"].values)


def test_what_is_forbidden_is_made_up_for(inputs):
    found, exact = retrieve(IVF(k=10), inputs), retrieve(Dense(k=10), inputs)
    assert (found.items >= 0).all()
    assert not inputs.positives.contains(found.units.anchors, found.items).any()
    assert not np.isin(found.items, np.arange(2950, N_ITEMS)).any()
    np.testing.assert_array_equal(found.items[1], exact.items[1])


def test_constraints_are_made_up_for_too(inputs):
    allowed = [(str(anchor), str(item)) for anchor in range(N_ANCHORS) for item in range(anchor, N_ITEMS, 17)]
    forbidden = Forbidden.of(inputs.positives, resolve([Allow(allowed)], inputs.collection, read=pytest.fail))
    constrained = replace(inputs, forbidden=forbidden)
    found = retrieve(IVF(k=10), constrained)
    assert not forbidden.pairs(np.repeat(found.units.anchors, 10), found.items.ravel()).any()
    exact = retrieve(Dense(k=10), constrained)
    np.testing.assert_array_equal((found.items >= 0).sum(axis=1), (exact.items >= 0).sum(axis=1))


def test_recall_is_measured_and_a_low_one_warned_about(inputs):
    good = IVF(k=10, probes=60).open(inputs).facts()
    assert good["ivf"]["recall"] > 0.95
    assert good["ivf"]["lists"] == 92  # 2,950 / 32, fewer than 4 · √2,950
    assert (good["ivf"]["recall_at"], good["ivf"]["recall_anchors"], good["warnings"]) == (10, N_ANCHORS, [])
    poor = IVF(k=10, lists=300, probes=1).open(inputs)
    facts, units = poor.facts(), inputs.positives.units()
    found, exact = (one.retrieve(units, 10) for one in (poor, Dense(k=10).open(inputs)))
    hits = [np.isin(exact.items[row], found.items[row]).mean() for row in range(N_ANCHORS)]
    assert facts["ivf"]["recall"] == pytest.approx(np.mean(hits))
    assert facts["ivf"]["recall"] < 0.95
    assert "--set source.ivf.probes=4" in facts["warnings"][0]


def test_the_lists_are_the_same_every_time_and_are_kept(inputs, tmp_path, monkeypatch):
    fields, cached = IVF(k=10), replace(inputs, cache=tmp_path)
    fresh, kept = fields.open(inputs), fields.open(cached)
    (file,) = tmp_path.glob("ivf/*.safetensors")
    monkeypatch.setattr("foils.sources.ivf.spherical_kmeans", lambda *_, **__: pytest.fail("they were made again"))
    again = fields.open(cached)
    assert fresh.measured == kept.measured == again.measured
    units = inputs.positives.units()
    np.testing.assert_array_equal(fresh.retrieve(units, 10).items, again.retrieve(units, 10).items)
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:-1] + b"x")  # damaged: made anew
    assert fields.open(cached).measured == fresh.measured
    IVF(k=10, lists=7).open(cached)
    assert len(list(tmp_path.glob("ivf/*.safetensors"))) == 2


def test_threads_search_side_by_side(inputs):
    source, units = IVF(k=10, probes=5).open(inputs), inputs.positives.units()
    whole = source.retrieve(units, 10).items
    blocks = [units.take(np.arange(start, start + 5)) for start in range(0, N_ANCHORS, 5)] * 4
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda block: source.retrieve(block, 10).items, blocks))
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate([whole] * 4))


def test_the_digest_names_what_lists_depend_on(inputs):
    told = IVF(name="near", lists=7).digests(inputs)["near"]
    assert told.startswith("faiss ")
    assert told.endswith(" 7 lists by k-means/1 float32")


def test_wrong_fields_are_refused(inputs):
    with pytest.raises(RecipeError, match="trusted negatives"):
        IVF(name="provided")
    flat = replace(inputs, matrices={"model": (inputs.matrices["model"][0], np.zeros((N_ITEMS, DIM), np.float32))})
    with pytest.raises(InputError, match="9 clusters of 0 vectors that have a direction"):
        IVF(lists=9, similarity="dot").open(flat)


def test_without_faiss_the_extra_is_named(inputs, monkeypatch):
    real = importlib.import_module

    def absent(name, *args):
        if name == "faiss":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr("foils.search.inverted.import_module", absent)
    with pytest.raises(MissingExtraError, match=r"foils\[ann\]"):
        IVF().check(inputs)
