"""Confident learning: thresholds over another scorer, and the estimate of how many labels are wrong."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foils
from foils.collection import Collection
from foils.errors import RecipeError
from foils.recipes.document import parse
from foils.recipes.loader import build
from foils.scorers import AdapterScorer, Confident, CrossEncoderScorer, VectorScorer, scorer_digests
from foils.scorers.confident import Wrapped
from foils.scorers.confident_joint import (
    calibrated_joint,
    confident_joint,
    confident_rate,
    thresholds,
)
from foils.scorers.cross_encoder_model import CrossEncoderModel

problems = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py"))
)  # fmt: skip
ROWS, ITEMS = np.divmod(np.arange(problems.N_ANCHORS * problems.N_ITEMS), problems.N_ITEMS)


@pytest.mark.parametrize("own", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_score_is_the_distance_from_the_threshold(own, seed):
    run = problems.inputs(seed)
    plain = VectorScorer().open(run).score(ROWS, ITEMS).astype(np.float64)
    table = plain.reshape(problems.N_ANCHORS, problems.N_ITEMS)
    opened = Confident(own=own).open(run)
    overall = np.nanmean(table[opened.sample])
    known = run.positives.given()
    expected = []
    for a, i in zip(ROWS, ITEMS, strict=True):
        scores = [table[a, p] for p in known.row(a) if p != i and not np.isnan(table[a, p])]
        bound = own * np.mean(scores) + (1 - own) * overall if scores else overall
        expected.append(table[a, i] - bound)
    np.testing.assert_allclose(opened.score(ROWS, ITEMS), expected, rtol=0, atol=1e-6)


def test_every_anchor_with_a_positive_is_in_the_threshold_of_all():
    run = problems.inputs(0)
    anchors, items = Confident().open(run).sample
    np.testing.assert_array_equal(anchors, np.flatnonzero(run.positives.given().degrees > 0))
    assert run.positives.given().contains(anchors, items).all()


def test_with_its_own_positives_alone_it_is_the_margin_rule():
    rng = np.random.default_rng(0)
    data = Collection.from_arrays([(row, row) for row in range(20)], anchors=20, items=80)
    vectors = {"query_vectors": rng.normal(size=(20, 8)), "item_vectors": rng.normal(size=(80, 8))}
    ours = foils.mine(data, "confident-learning", negatives=5, settings=["scorers.confident.own=1"], **vectors)
    theirs = foils.mine(
        data, "nv-retriever-margin", negatives=5, settings=["rules.absolute_margin.margin=0"], **vectors
    )
    assert ours.negatives["negative_ids"].equals(theirs.negatives["negative_ids"])


def test_a_wrapped_model_is_in_the_digests(tmp_path, monkeypatch):
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(CrossEncoderModel, "logits", lambda _, pairs: np.array([len(b) for _, b in pairs], np.float32))
    run = problems.inputs()
    fields = Confident(of=Wrapped(cross_encoder=CrossEncoderScorer(model="pairs")))
    fields.check(run)
    told = scorer_digests([fields], run)
    assert list(told) == ["scorers.confident.cross_encoder.model"]
    scores = fields.open(run).score(ROWS, ITEMS)
    np.testing.assert_array_equal(np.isnan(scores), np.isin(ITEMS, problems.EMPTY))


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ("{}", "expected one scorer by name"),
        ("{vectors: {}, adapter: {}}", "expected one scorer by name"),
        ("{confident: {}}", "confident: no such field"),
        ("{cross_encoder: {model: x, activation: none}}", "needs scores that compare across anchors"),
        ("{cross_encoder: {model: x, band: {column: dense, low: 0}}}", "leave its band out"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(of, message):
    recipe = f"source: {{dense: {{}}}}\nscorers: [{{confident: {{of: {of}}}}}]\nsampler: {{top_k: {{column: dense}}}}\n"
    with pytest.raises(RecipeError) as caught:
        build(parse(recipe, "x.yaml"), "x.yaml")
    assert message in str(caught.value)


def test_it_reads_what_the_scorer_reads():
    assert Confident(of=Wrapped(vectors=VectorScorer(vectors="guide"))).reads() == ("guide",)
    assert Confident(of=Wrapped(adapter=AdapterScorer())).reads() == ("model",)
    assert Confident(of=Wrapped(cross_encoder=CrossEncoderScorer(model="x"))).reads() == ()


# --- the joint of labels and classes ----------------------------------------------------------------------------------


def problem(seed, n=200, classes=3):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, n - classes)])
    probabilities = rng.dirichlet(np.ones(classes), n)
    probabilities[np.arange(n), labels] += 0.5
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def naive_joint(labels, probabilities):
    classes = probabilities.shape[1]
    bounds = [probabilities[labels == j, j].mean() for j in range(classes)]
    joint = np.zeros((classes, classes), int)
    for label, row in zip(labels, probabilities, strict=True):
        over = [j for j in range(classes) if row[j] >= bounds[j] - 1e-6]
        if over:
            joint[label, max(over, key=lambda j: row[j])] += 1
    for j in range(classes):
        joint[j, j] = max(joint[j, j], 1)
    return joint


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_joint_is_that_of_a_naive_count(seed, classes):
    labels, probabilities = problem(seed, classes=classes)
    np.testing.assert_array_equal(confident_joint(labels, probabilities), naive_joint(labels, probabilities))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_order_and_names_of_classes_do_not_matter(seed, classes):
    labels, probabilities = problem(seed, 60, classes)
    joint = confident_joint(labels, probabilities)
    rng = np.random.default_rng(seed)
    order, names = rng.permutation(60), rng.permutation(classes)
    np.testing.assert_array_equal(confident_joint(labels[order], probabilities[order]), joint)
    renamed = np.empty_like(probabilities)
    renamed[:, names] = probabilities
    np.testing.assert_array_equal(confident_joint(names[labels], renamed)[np.ix_(names, names)], joint)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_calibrated_rows_add_up_to_the_labels_given(seed, classes):
    labels, probabilities = problem(seed, 60, classes)
    joint = confident_joint(labels, probabilities)
    calibrated = calibrated_joint(joint, labels)
    counts = np.bincount(labels, minlength=classes)
    np.testing.assert_array_equal(calibrated.sum(axis=1), counts)
    assert calibrated.sum() == 60
    assert (calibrated >= 0).all()
    exact = joint / joint.sum(axis=1, keepdims=True) * counts[:, None]
    assert (np.abs(calibrated - exact) < 1).all()


def test_a_sure_and_right_model_finds_no_errors():
    labels = np.array([0, 1, 1, 0, 2])
    probabilities = np.eye(3)[labels]
    np.testing.assert_array_equal(confident_joint(labels, probabilities), np.diag([2, 2, 1]))
    assert confident_rate(confident_joint(labels[:4], probabilities[:4, :2])) == 0


def test_scores_in_steps_lie_on_the_threshold():
    labels = np.array([1, 1, 1, 0, 0, 0])
    p = np.array([0.8, 0.8, 0.8, 0.8 - 5e-7, 0.2, 0.2])
    probabilities = np.stack([1 - p, p], axis=1)
    np.testing.assert_array_equal(confident_joint(labels, probabilities), [[2, 1], [0, 3]])
    assert confident_rate(np.array([[2, 1], [0, 3]])) == pytest.approx(1 / 3)


def test_a_class_without_labels_is_nobodys():
    labels, probabilities = np.zeros(4, np.int64), np.full((4, 2), 0.5)
    assert thresholds(labels, probabilities)[1] == np.inf
    np.testing.assert_array_equal(confident_joint(labels, probabilities), [[4, 0], [0, 1]])


def test_flipped_labels_are_counted_where_scores_are_out_of_sample_and_hidden_where_they_are_not():
    rng = np.random.default_rng(0)
    truth = rng.random(4000) < 0.5
    flipped = truth & (rng.random(4000) < 0.2)
    labels = (truth & ~flipped).astype(np.int64)
    logit = np.where(truth, 1.5, -1.5) + rng.normal(size=4000)
    p = 1 / (1 + np.exp(-3 * logit))  # calibrated: two normal distributions at ±1.5
    true_rate = flipped.sum() / (labels == 0).sum()
    found = confident_rate(confident_joint(labels, np.stack([1 - p, p], axis=1)))
    assert abs(found - true_rate) < 0.05
    memorised = np.where(labels == 1, p, np.minimum(p, 0.05))
    assert confident_rate(confident_joint(labels, np.stack([1 - memorised, memorised], axis=1))) < 0.01
