"""Weights of the negatives of a result: by the tables, whatever the shards."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from mining_problem import problem

from foils.errors import InputError
from foils.mining import mine
from foils.torch import MinedDataset
from foils.training import AdapterSettings, StaticSettings, as_rows, fit_adapter, fit_static
from foils.weights import CET, NoiseTransition, Soft

PLATT = "p_positive: {platt: {column: dense, slope: 4.0, intercept: -1.0}}\n"
TWO = (
    "source: {dense: {k: 20}}\nscorers: [{vectors: {vectors: guide, name: guide}}]\nsampler: {top_k: {column: dense}}\n"
)


@pytest.fixture(scope="module")
def this():
    return problem()


@pytest.fixture
def calibrated(this, recipe_file, tmp_path):
    path = recipe_file("source: {dense: {k: 20}}\nsampler: {top_k: {}}\n" + PLATT)
    return this.mine(str(path), tmp_path / "calibrated")


@pytest.fixture
def two(this, recipe_file, tmp_path):
    rng = np.random.default_rng(3)
    guide = [rng.standard_normal((len(side), 4)).astype(np.float32) for side in (this.queries, this.corpus)]
    guide = tuple(side + given for side, given in zip(guide, (this.queries, this.corpus), strict=True))
    vectors = {"model": (this.queries, this.corpus), "guide": guide}
    return mine(this.collection, str(recipe_file(TWO)), negatives=4, vectors=vectors, out=tmp_path / "two")


def test_soft_weights_lie_as_the_rows_do(this, calibrated):
    logs = calibrated.log_weights(Soft())
    _, items = calibrated.rows(this.collection)
    assert (logs.shape, logs.dtype) == (items.shape, np.float32)
    np.testing.assert_array_equal(np.isneginf(logs), items < 0)
    for row, weights in zip(calibrated.negatives.to_pylist(), np.exp(logs), strict=True):
        np.testing.assert_allclose(weights[: len(row["p_positive"])], 1 - np.array(row["p_positive"]), rtol=1e-5)
    assert (calibrated.log_weights(NoiseTransition(label_miss_rate=0)) <= 0).all()


def test_what_is_not_calibrated_is_refused(this, tmp_path):
    mined = this.mine("naive-top-k", tmp_path / "plain")
    with pytest.raises(InputError, match=r"weights soft need p_positive, and .* have none"):
        mined.log_weights(Soft())
    with pytest.raises(InputError, match="need two scores"):
        mined.log_weights(CET())


def test_cet_weighs_each_negative_by_its_own_scores(this, two):
    logs = two.log_weights(CET())
    _, items = two.rows(this.collection)
    np.testing.assert_array_equal(np.isneginf(logs), items < 0)
    blocks = list(two.result.blocks())
    assert len(blocks) > 1
    fitted = CET().fit(blocks)
    weights = {}
    names = two.collection.items.ids.to_pylist()
    stored = pq.read_table(two.path / "items.parquet")["item_id"].to_pylist()
    for block in blocks:
        for anchor, rows, values in zip(block.units.anchors, block.items, fitted(block), strict=True):
            weights |= {(int(anchor), stored[row]): value for row, value in zip(rows, values, strict=True) if row >= 0}
    anchors, items = two.rows(this.collection)
    for anchor, row, found in zip(anchors, items, logs, strict=True):
        for item, value in zip(row, found, strict=True):
            if item >= 0:
                assert value == weights[int(anchor), names[int(item)]]


def test_a_large_result_is_fitted_to_some_of_its_units(two, monkeypatch):
    whole = two.log_weights(CET())
    monkeypatch.setattr("foils.mining.weighing.PAIRS_TO_FIT", 400)
    part = two.log_weights(CET())
    assert part.shape == whole.shape
    assert not np.array_equal(part, whole)
    np.testing.assert_array_equal(np.isneginf(part), np.isneginf(whole))


def test_training_takes_them(this, calibrated):
    rows = as_rows(calibrated, this.collection, "train", Soft())
    np.testing.assert_array_equal(rows.log_weights, calibrated.log_weights(Soft()))
    settings = StaticSettings(dim=8, epochs=1, batch_size=16)
    static = [
        fit_static(this.collection, mined=calibrated, weights=weights, settings=settings).digest
        for weights in (None, Soft())
    ]
    assert static[0] != static[1]
    settings = AdapterSettings(epochs=1, batch_size=16, patience=0)
    adapter = [
        fit_adapter(
            this.collection, this.queries, this.corpus, mined=calibrated, weights=weights, settings=settings
        ).adapter.digest
        for weights in (None, Soft())
    ]
    assert adapter[0] != adapter[1]


def test_a_checkpoint_of_other_weights_is_not_taken(this, calibrated, tmp_path):
    settings = AdapterSettings(epochs=1, batch_size=16, patience=0)
    given = {"mined": calibrated, "settings": settings, "checkpoint": tmp_path / "checkpoint.safetensors"}
    fit_adapter(this.collection, this.queries, this.corpus, weights=Soft(), **given)
    with pytest.raises(InputError, match="weights"):
        fit_adapter(this.collection, this.queries, this.corpus, weights=NoiseTransition(), **given)


def test_a_dataset_of_pytorch_hands_them_on(this, calibrated):
    data = MinedDataset(calibrated, negatives=2, weights=Soft())
    anchors, items = calibrated.rows(this.collection)
    logs = calibrated.log_weights(Soft())
    weights = {
        (int(anchor), int(item)): value
        for anchor, row, found in zip(anchors, items, logs, strict=True)
        for item, value in zip(row, found, strict=True)
        if item >= 0
    }
    for epoch in (0, 1):
        data.set_epoch(epoch)
        for example in data.__getitems__(range(len(data))):
            for item, value in zip(example.negatives, example.log_weights, strict=True):
                assert value == (weights[example.anchor, int(item)] if item >= 0 else -np.inf)
