"""Search in lists: measured recall, lists that are the same every time and are kept."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from foils.errors import InputError, RecipeError
from foils.sources import IVF, Dense

approximate = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("approximate_inputs.py"))))
N_ANCHORS, N_ITEMS, DIM = approximate.N_ANCHORS, approximate.N_ITEMS, approximate.DIM
retrieve = approximate.retrieve


@pytest.fixture(scope="module")
def inputs():
    return approximate.make_inputs()


def test_looking_through_all_lists_misses_nothing(inputs):
    found, exact = retrieve(IVF(k=10, lists=20, probes=20), inputs), retrieve(Dense(k=10), inputs)
    np.testing.assert_array_equal(found.items, exact.items)
    np.testing.assert_array_equal(found.columns["ivf"].values, exact.columns["dense"].values)


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


def test_a_source_may_have_a_name_of_its_own(inputs):
    found = retrieve(IVF(k=10, name="near"), inputs)
    assert found.sources == ("near",)
    assert "near" in found.columns


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
