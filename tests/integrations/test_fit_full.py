"""Fine-tuning of whole models: what batches hold, the loss, resume to the same weights, early stopping, errors."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from sentence_transformers import CrossEncoder, SentenceTransformer

import foils.torch
from foils.encoders import open_encoder
from foils.errors import DataError, FolderError, InputError, MissingExtraError
from foils.integrations import sentence_transformers as integration
from foils.integrations.sentence_transformers import FullSettings, RerankerSettings, fit_full, fit_reranker
from foils.integrations.sentence_transformers.callbacks import EpochRotation, is_exhausted
from foils.integrations.sentence_transformers.feed import Feed, RetrieverCollator, cell_labels
from foils.integrations.sentence_transformers.loss import MaskedInfoNCE
from foils.training import MinedNegatives, info_nce
from foils.training.pool import Pool

SMALL = FullSettings(
    steps=4, batch_size=16, evaluations=2, held_out=0.4, mined_per_anchor=2, learning_rate=1e-3, patience=9
)
PAIRS = RerankerSettings(
    steps=4, batch_size=8, evaluations=2, held_out=0.4, mined_per_anchor=2, learning_rate=1e-3, patience=9
)


def weights(folder):
    return {str(path.relative_to(folder)): load_file(path) for path in sorted(Path(folder).rglob("*.safetensors"))}


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    for name, tensors in one.items():
        assert tensors.keys() == other[name].keys()
        for key, tensor in tensors.items():
            np.testing.assert_array_equal(tensor, other[name][key], err_msg=f"{name} {key}")


def feed_of(collection, mined, settings, seed=0):
    positives = collection.positives()
    pool = Pool.of(positives.examples(), positives, mined, np.ones(len(collection.items), bool))
    return Feed(collection, pool, settings, seed)


# Batches


def test_a_feed_gives_each_pair_once_and_other_negatives_in_each_epoch(collection, mined):
    feed = feed_of(collection, mined, SMALL)
    seen = []
    for feed.epoch in (0, 1):
        batches = list(feed)
        assert len(batches) == len(feed)
        assert sorted(row for rows in batches for row in rows) == list(range(len(feed.pool.examples)))
        seen.append((batches, [feed.batch(np.array(rows)).items.tolist() for rows in batches]))
    assert seen[0] != seen[1]
    feed.epoch = 0
    assert list(feed) == seen[0][0]
    rows = np.arange(10)
    drawn = [feed_at.batch(rows).items.tolist() for feed_at in (feed, feed_of(collection, mined, SMALL, seed=1))]
    assert drawn[0] != drawn[1]


def test_known_positives_are_masked_and_each_item_is_encoded_once(collection, mined):
    feed = feed_of(collection, mined, SMALL)
    positives = collection.positives()
    batch = feed.batch(np.arange(len(feed.pool.examples)))  # anchors with two positives are there twice
    labels = cell_labels(batch)
    assert len(np.unique(batch.items)) == len(batch.items)
    assert (labels == 1).sum(axis=1).tolist() == [1] * len(batch.anchors)
    known = positives.contains(batch.anchors, np.tile(batch.items, (len(batch.anchors), 1)))
    assert ((labels == -1) == (known & (labels != 1))).all()
    assert (labels == -1).sum() >= 2 * 8


def test_reranker_pairs_are_positives_and_their_own_negatives(collection):
    positives = collection.positives()
    spoilt = MinedNegatives(np.array([0, 0, 1]), np.array([[1, 50], [51, 50], [52, -1]]))  # 1 is a positive of 0
    feed = feed_of(collection, spoilt, PAIRS)
    rows = np.flatnonzero(feed.pool.examples.anchors <= 2)
    anchors, items, labels = feed.pairs(rows)
    assert (positives.contains(anchors, items) == (labels == 1)).all()
    assert set(zip(anchors[labels == 0], items[labels == 0], strict=True)) == {(0, 50), (0, 51), (1, 52)}
    assert 2 in anchors[labels == 1]


class Bags(torch.nn.Module):
    """Stands for a model: texts are numbers of rows in a table of vectors."""

    def __init__(self, rows, dim=8):
        super().__init__()
        self.table = torch.nn.Parameter(
            torch.randn(rows, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        )

    def forward(self, features):
        return {"sentence_embedding": self.table[features["rows"]]}


@pytest.mark.parametrize("negatives", ["in_batch", "both", "mined"])
def test_the_loss_is_that_of_foils(collection, mined, negatives):
    settings = FullSettings(negatives=negatives, mined_per_anchor=2)
    feed = feed_of(collection, None if negatives == "in_batch" else mined, settings)
    batch = feed.batch(np.arange(24))
    model = Bags(100)
    features = [{"rows": torch.as_tensor(rows)} for rows in (batch.anchors, batch.items + 40)]
    loss = MaskedInfoNCE(model, 0.1)(features, torch.as_tensor(cell_labels(batch)))
    anchors, items = (
        torch.nn.functional.normalize(model.table[side["rows"]].detach(), dim=-1).numpy() for side in features
    )
    assert loss.item() == pytest.approx(info_nce(anchors, items, batch.targets, batch.masked, 0.1).loss, rel=1e-5)
    if negatives != "mined":
        others = np.setdiff1d(np.arange(len(batch.items)), batch.targets)
        mine = foils.torch.InfoNCE(0.1, positives=collection.positives())(
            torch.as_tensor(anchors), torch.as_tensor(items[batch.targets]), anchors=torch.as_tensor(batch.anchors),
            items=torch.as_tensor(batch.items[batch.targets]), negative_vectors=torch.as_tensor(items[others]),
            negatives=torch.as_tensor(batch.items[others]),
        )  # fmt: skip
        assert loss.item() == pytest.approx(mine.loss.item(), rel=1e-5)


def test_a_batch_is_tokenised_with_the_model_s_prompts(collection, mined, retriever):
    model = SentenceTransformer(str(retriever))
    feed = feed_of(collection, mined, SMALL)
    collator = RetrieverCollator(feed, model.preprocess, ("query: ", "passage: "), torch.as_tensor)
    made = collator([{"pair": 3}, {"pair": 4}])
    batch = feed.batch(np.array([3, 4]))
    assert made["label"].shape == (2, len(batch.items))
    first = model.tokenizer.decode(made["anchor_input_ids"][0], skip_special_tokens=True)
    assert first.startswith("query :")
    assert all(
        model.tokenizer.decode(ids, skip_special_tokens=True).startswith("passage :") for ids in made["item_input_ids"]
    )


# Training


def test_a_retriever_is_trained_saved_and_opened(collection, mined, retriever, tmp_path):
    steps, evaluations = [], []
    fitted = fit_full(
        collection, retriever, out=tmp_path / "m", mined=mined, settings=SMALL,
        progress=lambda *step: steps.append(step), on_evaluation=evaluations.append,
    )  # fmt: skip
    assert [step[:2] for step in steps] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.step for one in evaluations] == [0, 2, 4]
    assert tuple(evaluations) == fitted.evaluations
    assert fitted.evaluations[[0, 2, 4].index(fitted.best)].quality == max(one.quality for one in evaluations)
    assert [path.name for path in tmp_path.iterdir()] == ["m"], "the folder of the checkpoints is gone"
    vectors = open_encoder(tmp_path / "m").encode(["red cat"], "anchors")
    assert vectors.shape == (1, 16)
    said = json.loads((tmp_path / "m" / "config_sentence_transformers.json").read_text())
    assert said["prompts"] == {"query": "query: ", "document": "passage: "}


class Killed(Exception):  # noqa: N818 - no error
    """Stands for a kill."""


def killer(at):
    calls = []

    def kill(*_):
        calls.append(1)
        if len(calls) == at:
            raise Killed

    return kill


@pytest.mark.parametrize("kind", ["full", "reranker"])
def test_a_killed_training_goes_on_to_the_same_weights(collection, mined, retriever, reranker, tmp_path, kind):
    if kind == "full":
        fit, base, settings, kills = fit_full, retriever, SMALL, (1, 3)
    else:
        fit, base, settings, kills = fit_reranker, reranker, PAIRS, (3,)
    whole = fit(collection, base, out=tmp_path / "whole", mined=mined, settings=settings)
    out = tmp_path / "killed"
    for at in kills:  # before the first checkpoint, and after it
        with pytest.raises(Killed):
            fit(collection, base, out=out, mined=mined, settings=settings, progress=killer(at))
        torn = tmp_path / ".killed.training" / "checkpoint-3"
        torn.mkdir(exist_ok=True)  # as a kill leaves it: no mark, nothing whole
        (torn / "trainer_state.json").write_text("{")
    with pytest.raises(FolderError, match=r"seed: 0 there, 1 now"):
        fit(collection, base, out=out, mined=mined, settings=settings, seed=1)
    steps = []
    resumed = fit(
        collection, base, out=out, mined=mined, settings=settings, progress=lambda *step: steps.append(step[0])
    )
    assert steps[0] > 1, "it went on"
    assert resumed.evaluations == whole.evaluations
    assert (resumed.best, resumed.steps) == (whole.best, whole.steps)
    assert_equal_weights(weights(out), weights(tmp_path / "whole"))
    assert not (tmp_path / ".killed.training").exists()


def test_it_stops_when_nothing_gets_better_and_keeps_the_base(collection, mined, retriever, tmp_path, monkeypatch):
    qualities = iter([0.9, 0.5, 0.6, 0.7, 0.8])
    monkeypatch.setattr(
        "foils.integrations.sentence_transformers.evaluators.RetrieverQuality.__call__",
        lambda self, model: next(qualities),
    )
    settings = FullSettings(steps=50, batch_size=16, evaluations=50, held_out=0.4, patience=2, learning_rate=1e-3)
    fitted = fit_full(collection, retriever, out=tmp_path / "m", mined=mined, settings=settings)
    assert (fitted.steps, fitted.best) == (2, 0)
    trained, base = (load_file(folder / "model.safetensors") for folder in (tmp_path / "m", retriever))
    for name, tensor in base.items():
        np.testing.assert_array_equal(trained[name], tensor)


def test_without_patience_the_last_step_is_kept(collection, retriever, tmp_path):
    settings = FullSettings(steps=2, batch_size=16, negatives="in_batch", patience=0, learning_rate=1e-3)
    fitted = fit_full(collection, retriever, out=tmp_path / "m", settings=settings)
    assert (fitted.evaluations, fitted.held_out, fitted.best) == ((), 0, 2)
    trained, base = (load_file(folder / "model.safetensors") for folder in (tmp_path / "m", retriever))
    assert any((trained[name] != tensor).any() for name, tensor in base.items())


def test_products_in_bfloat16_end_near_those_in_float32(collection, retriever, tmp_path):
    found = {}
    for precision in ("auto", "float32", "bfloat16"):  # there is no GPU here, so auto is float32
        settings = FullSettings(
            steps=2, batch_size=16, negatives="in_batch", patience=0, learning_rate=1e-3, precision=precision
        )
        fit_full(collection, retriever, out=tmp_path / precision, settings=settings)
        found[precision] = load_file(tmp_path / precision / "model.safetensors")
    assert all((found["auto"][name] == tensor).all() for name, tensor in found["float32"].items())
    assert all(tensor.dtype == np.float32 for tensor in found["bfloat16"].values())
    assert any((found["bfloat16"][name] != tensor).any() for name, tensor in found["float32"].items())
    for name, tensor in found["float32"].items():  # a step moves a weight by the rate at most
        np.testing.assert_allclose(found["bfloat16"][name], tensor, atol=5e-3)


def test_exhausted_counts_from_the_best():
    assert not is_exhausted([0.1], 1)
    assert not is_exhausted([0.1, 0.2, 0.15], 2)
    assert is_exhausted([0.1, 0.2, 0.15, 0.2], 2), "no better is not better"


def test_the_epoch_is_taken_from_the_trainer():
    class State:
        epoch = None

    class Anything:
        epoch = -1

    feed, state = Anything(), State()
    rotation = EpochRotation(feed)
    for state.epoch, expected in ((None, 0), (1.0, 1), (1.9999999, 2), (1.4, 1)):
        rotation.on_epoch_begin(None, state, None)
        assert feed.epoch == expected


@pytest.mark.parametrize("base", ["retriever", "reranker"])
def test_a_reranker_is_trained_from_either_base(collection, mined, base, request, tmp_path):
    fitted = fit_reranker(collection, request.getfixturevalue(base), out=tmp_path / "m", mined=mined, settings=PAIRS)
    assert [one.step for one in fitted.evaluations] == [0, 2, 4]
    assert all(0 <= one.quality <= 1 for one in fitted.evaluations)
    model = CrossEncoder(str(tmp_path / "m"))
    assert np.isfinite(model.predict([("red cat", "blue dog")])).all()


def test_a_reranker_learns(collection, mined, retriever, tmp_path):
    settings = RerankerSettings(steps=16, batch_size=24, patience=0, learning_rate=1e-2, evaluations=1)
    losses = []
    fit_reranker(
        collection, retriever, out=tmp_path / "m", mined=mined, settings=settings,
        progress=lambda done, total, loss: losses.append(loss),
    )  # fmt: skip
    assert len(losses) == 16
    assert np.mean(losses[-4:]) < losses[0] - 0.05


# Errors, before long work


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seed": -1}, InputError, "seed is -1"),
        ({"settings": FullSettings(negatives="mined"), "mined": None}, InputError, "none are given"),
        ({"base": "nowhere"}, InputError, "there is no such folder"),
        ({"base": "reranker"}, DataError, "is a CrossEncoder; expected a SentenceTransformer"),
        ({"split": "trian"}, DataError, "did you mean 'train'"),
        ({"dev": "dev"}, DataError, "there is no split 'dev'"),
    ],
)
def test_wrong_input_is_refused(collection, mined, retriever, reranker, tmp_path, change, error, message):
    given = {"base": retriever, "mined": mined, "settings": SMALL} | change
    if given["base"] == "reranker":
        given["base"] = reranker
    with pytest.raises(error, match=message):
        fit_full(collection, given.pop("base"), out=tmp_path / "m", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_there_is_not_overwritten(collection, mined, retriever, tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine").touch()
    with pytest.raises(FolderError, match="is there already"):
        fit_full(collection, retriever, out=tmp_path / "m", mined=mined, settings=SMALL)


def test_a_missing_package_names_the_extra(collection, mined, retriever, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "foils._extras.find_spec",
        lambda name: None if name == "accelerate" else name,
    )
    with pytest.raises(MissingExtraError, match=r"accelerate is not installed.*foils\[train\]"):
        integration.fit_full(collection, retriever, out=tmp_path / "m", mined=mined)
