"""Training of adapters: what is learned, when it stops, that it resumes to the same bytes; folders and encoders."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from foils import Collection
from foils.encoders import StaticEncoder, open_encoder
from foils.encoders.adapted import Adapter, base_of, load_adapter, save_adapter
from foils.errors import DataError, FolderError, InputError
from foils.training import AdapterSettings, MinedNegatives, StaticSettings, fit_adapter, fit_static
from foils.training.held_out import hold_out

ANCHORS, DIM = 120, 8


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("foils._durable.sync", lambda path: None)


def unit_rows(rng, rows):
    vectors = rng.standard_normal((rows, DIM)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


@pytest.fixture(scope="module")
def rotated():
    """Queries are their items turned round: as they are they find nothing, and one matrix mends all of them."""
    rng = np.random.default_rng(0)
    items = unit_rows(rng, ANCHORS)
    turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0].astype(np.float32)
    pairs = np.stack([np.arange(ANCHORS)] * 2, axis=1)
    return Collection.from_arrays(pairs, anchors=ANCHORS, items=ANCHORS), items @ turn, items


QUICK = AdapterSettings(negatives="in_batch", learning_rate=0.02, epochs=12, batch_size=32, held_out=0.2, patience=12)


@pytest.mark.parametrize("sides", ["query", "both"])
def test_a_rotation_is_learned_and_held_out_anchors_show_it(rotated, sides):
    settings = AdapterSettings(
        sides=sides, negatives="in_batch", learning_rate=0.02, epochs=25, batch_size=32, held_out=0.2, patience=25
    )
    fitted = fit_adapter(*rotated, settings=settings)
    first, best = fitted.epochs[0], fitted.epochs[fitted.best]
    assert first.loss is None
    assert first.quality < 0.3
    assert best.quality > 0.8
    assert 10 <= fitted.held_out <= 40
    assert (fitted.adapter.item is None) == (sides == "query")


def test_no_epochs_leave_the_vectors_as_they_are(rotated):
    fitted = fit_adapter(*rotated, settings=AdapterSettings(negatives="in_batch", epochs=0))
    np.testing.assert_array_equal(fitted.adapter.query, np.eye(DIM))
    np.testing.assert_allclose(fitted.adapter.queries(rotated[1]), rotated[1], atol=1e-6)
    assert (fitted.best, len(fitted.epochs)) == (0, 1)


def test_it_stops_and_keeps_the_best_when_nothing_gets_better(rotated):
    collection, _, items = rotated
    settings = AdapterSettings(negatives="in_batch", learning_rate=0.5, epochs=50, patience=3, held_out=0.2)
    fitted = fit_adapter(collection, items, items, settings=settings)  # perfect as it is
    assert fitted.epochs[0].quality == 1.0
    assert (fitted.best, len(fitted.epochs)) == (0, 4)
    np.testing.assert_array_equal(fitted.adapter.query, np.eye(DIM))


def test_without_patience_nothing_is_held_out_and_the_last_epoch_counts(rotated):
    fitted = fit_adapter(*rotated, settings=AdapterSettings(negatives="in_batch", epochs=2, patience=0))
    assert fitted.held_out == 0
    assert [epoch.quality for epoch in fitted.epochs] == [None] * 3
    assert fitted.best == 2
    assert np.abs(fitted.adapter.query - np.eye(DIM)).max() > 0


def test_held_out_anchors_are_not_trained_on(rotated):
    collection, queries, items = rotated
    held_out = hold_out(collection, split="train", dev=None, share=0.2, seed=0)
    changed = queries.copy()
    changed[held_out.anchors] = unit_rows(np.random.default_rng(9), len(held_out.anchors))
    settings = AdapterSettings(negatives="in_batch", epochs=2, held_out=0.2, patience=9)
    losses = [
        [epoch.loss for epoch in fit_adapter(collection, given, items, settings=settings).epochs]
        for given in (queries, changed)
    ]
    assert losses[0] == losses[1]
    changed[:] = unit_rows(np.random.default_rng(9), ANCHORS)
    assert losses[0] != [epoch.loss for epoch in fit_adapter(collection, changed, items, settings=settings).epochs]


def test_a_split_of_its_own_says_when_to_stop():
    rng = np.random.default_rng(1)
    pairs = np.stack([np.arange(60)] * 2, axis=1)
    splits = ["train"] * 30 + ["dev"] * 20 + ["other"] * 10
    collection = Collection.from_arrays(pairs, anchors=60, items=60, splits=splits)
    queries, items = unit_rows(rng, 60), unit_rows(rng, 60)
    settings = AdapterSettings(negatives="in_batch", epochs=1)
    assert fit_adapter(collection, queries, items, settings=settings).held_out == 20
    assert fit_adapter(collection, queries, items, settings=settings, dev="other").held_out == 10
    with pytest.raises(DataError, match="there is no split 'none'"):
        fit_adapter(collection, queries, items, settings=settings, dev="none")


def test_a_known_positive_among_the_mined_negatives_changes_nothing():
    rng = np.random.default_rng(2)
    pairs = np.array([[row, row] for row in range(30)] + [[row, row + 1] for row in range(30)])
    collection = Collection.from_arrays(pairs, anchors=30, items=40)
    queries, items = unit_rows(rng, 30), unit_rows(rng, 40)
    settings = AdapterSettings(negatives="mined", epochs=2, patience=0, mined_per_anchor=4)
    clean = np.stack([np.full(30, 35), np.full(30, 36), np.full(30, -1)], axis=1)
    spoilt = np.stack([np.full(30, 35), np.full(30, 36), np.arange(30) + 1], axis=1)
    results = [
        fit_adapter(collection, queries, items, mined=MinedNegatives(np.arange(30), mined), settings=settings)
        for mined in (clean, spoilt)
    ]
    np.testing.assert_allclose(results[0].adapter.query, results[1].adapter.query, atol=1e-6)


class Killed(Exception):  # noqa: N818 - no error
    """Stands for a kill."""


@pytest.mark.parametrize("at", ["epoch", "step"])
def test_a_killed_training_goes_on_to_the_same_bytes(rotated, tmp_path, at):
    file = tmp_path / "made" / "checkpoint.safetensors"
    whole = fit_adapter(*rotated, settings=QUICK, seed=5)
    calls = []

    def kill(*_):
        calls.append(1)
        if len(calls) in (3, 5, 6, 11, 12):
            raise Killed

    named = {"on_epoch": kill} if at == "epoch" else {"progress": kill}
    kills = 0
    while True:
        try:
            resumed = fit_adapter(*rotated, settings=QUICK, seed=5, checkpoint=file, **named)
            break
        except Killed:
            kills += 1
    assert kills >= 4
    assert resumed.adapter.query.tobytes() == whole.adapter.query.tobytes()
    assert resumed.epochs == whole.epochs
    assert resumed.best == whole.best
    steps = []
    again = fit_adapter(*rotated, settings=QUICK, seed=5, checkpoint=file, progress=lambda *step: steps.append(step))
    assert steps == [], "a finished training is not trained again"
    assert again.adapter.digest == whole.adapter.digest


def test_a_checkpoint_of_another_run_is_refused(rotated, tmp_path):
    collection, queries, items = rotated
    file = tmp_path / "checkpoint.safetensors"
    settings = AdapterSettings(negatives="in_batch", epochs=1)
    fit_adapter(*rotated, settings=settings, checkpoint=file)
    with pytest.raises(FolderError, match=r"another training:(.|\n)*  seed: 0 there, 1 now\n"):
        fit_adapter(*rotated, settings=settings, checkpoint=file, seed=1, dev=None)
    with pytest.raises(FolderError, match="query vectors: "):
        fit_adapter(collection, -queries, items, settings=settings, checkpoint=file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FolderError, match="is not a whole checkpoint"):
        fit_adapter(*rotated, settings=settings, checkpoint=file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"split": "trian"}, "did you mean 'train'"),
        ({"mined": MinedNegatives(np.zeros(1, int), np.zeros((1, 1), int))}, "negatives is 'in_batch' and mined"),
        ({"query_vectors": np.zeros((3, DIM), np.float32)}, "query vectors: 3 rows for 120"),
        ({"item_vectors": np.zeros((ANCHORS, 3), np.float32)}, "query vectors have 8 dimensions and corpus vectors 3"),
        ({"query_vectors": np.full((ANCHORS, DIM), np.nan, np.float32)}, "holds NaN"),
    ],
)
def test_wrong_input_is_refused(rotated, change, message):
    collection, queries, items = rotated
    given = {"query_vectors": queries, "item_vectors": items, "settings": QUICK} | change
    with pytest.raises(InputError, match=message):
        fit_adapter(collection, given.pop("query_vectors"), given.pop("item_vectors"), **given)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"sides": "item"}, "sides is 'item'"), ({"learning_rate": 2.0}, "from 1e-07 to 1"), ({"patience": 1.5}, "whole")],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        AdapterSettings(**changes)


# Folders and encoders


@pytest.fixture
def base(tmp_path):
    texts = ["red cat", "blue dog", "old tree", "soft rain"]
    collection = Collection.from_arrays(np.array([[0, 0], [1, 1]]), anchors=texts[:2], items=texts)
    fit_static(collection, settings=StaticSettings(dim=DIM, epochs=0, negatives="in_batch")).save(tmp_path / "base")
    return tmp_path / "base"


def random_adapter(*, both):
    rng = np.random.default_rng(4)
    query, item = rng.standard_normal((2, DIM, DIM)).astype(np.float32)
    return Adapter(query, item if both else None)


@pytest.mark.parametrize("both", [False, True])
def test_an_adapter_behind_a_model_opens_as_an_encoder(base, tmp_path, both):
    adapter, encoder = random_adapter(both=both), StaticEncoder.load(base)
    save_adapter(tmp_path / "adapter", adapter, base_of(str(base), encoder, tmp_path / "adapter"))
    opened = open_encoder(str(tmp_path / "adapter"))
    texts = ["red tree", "rain"]
    mapped = encoder.encode(texts) @ adapter.query
    np.testing.assert_allclose(
        opened.encode(texts, "anchors"), mapped / np.linalg.norm(mapped, axis=1)[:, None], atol=1e-6
    )
    assert opened.identity("anchors") != encoder.identity("anchors")
    assert (opened.identity("items") == encoder.identity("items")) is not both
    assert (opened.encode(texts, "items").tobytes() == encoder.encode(texts).tobytes()) is not both


def test_both_folders_may_move_together(base, tmp_path):
    save_adapter(
        tmp_path / "a", random_adapter(both=False), base_of(str(base), StaticEncoder.load(base), tmp_path / "a")
    )
    moved = tmp_path / "moved"
    moved.mkdir()
    base.rename(moved / "base")
    (tmp_path / "a").rename(moved / "a")
    open_encoder(str(moved / "a")).encode(["red"], "anchors")


def test_a_base_that_has_changed_is_refused(base, tmp_path):
    save_adapter(
        tmp_path / "a", random_adapter(both=False), base_of(str(base), StaticEncoder.load(base), tmp_path / "a")
    )
    weights = load_file(base / "model.safetensors")
    save_file({"embeddings": -weights["embeddings"]}, base / "model.safetensors")
    with pytest.raises(DataError, match="is not the model that it was trained behind"):
        open_encoder(str(tmp_path / "a"))


def test_bare_adapters_need_their_vectors(tmp_path):
    adapter = random_adapter(both=True)
    save_adapter(tmp_path / "a", adapter, None)
    assert load_adapter(tmp_path / "a")[0].digest == adapter.digest
    with pytest.raises(InputError, match="--query-vectors and --corpus-vectors"):
        open_encoder(str(tmp_path / "a"))
    with pytest.raises(DataError, match=r"vectors are \[3, 5\] and the adapter was trained on vectors of length 8"):
        adapter.queries(np.zeros((3, 5), np.float32))


@pytest.mark.parametrize("damage", ["card", "weights", "format", "shape", "missing"])
def test_a_damaged_folder_is_refused(tmp_path, damage):
    save_adapter(tmp_path / "a", random_adapter(both=False), None)
    card, weights = tmp_path / "a" / "adapter.json", tmp_path / "a" / "adapter.safetensors"
    if damage == "card":
        card.write_text("{")
    elif damage == "weights":
        weights.write_bytes(weights.read_bytes()[:40])
    elif damage == "format":
        card.write_text(json.dumps({"format": 2, "base": None}))
    elif damage == "shape":
        save_file({"query": np.zeros((2, 3), np.float32)}, weights)
    else:
        weights.unlink()
    with pytest.raises(DataError, match=str(tmp_path / "a")):
        load_adapter(tmp_path / "a")


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("foils._durable.rename", full)
    with pytest.raises(FolderError, match="No space left"):
        save_adapter(tmp_path / "a", random_adapter(both=False), None)
    assert list(tmp_path.iterdir()) == []
