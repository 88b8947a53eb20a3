"""Labels, hidden positives and the split, compared with what plain loops find; nothing of the test leaks."""

import numpy as np
import pytest

from foils.demo.truth import tell_truth
from foils.errors import DataError


@pytest.fixture(scope="module")
def truth(corpus):
    return tell_truth(corpus)


def name_of(truth, item):
    return truth.corpus.names[truth.items[item]]


def answer_of(corpus, name):
    """The anchor that a name answers, and its body, by the corpus alone."""
    body = corpus.item_body[corpus.names.index(name)]
    return corpus.body_anchor[body], body


def test_nothing_of_the_test_is_in_the_training_collection(truth):
    corpus, training, evaluation = truth.corpus, truth.training(), truth.evaluation()
    tested = {corpus.anchors[row] for row in truth.test}
    right = {corpus.bodies[body] for body in range(len(corpus.bodies)) if corpus.body_anchor[body] in truth.test}
    assert len(tested) > 10
    assert tested == set(evaluation.anchors.texts.to_pylist())
    assert tested.isdisjoint(training.anchors.texts.to_pylist())
    assert right.isdisjoint(training.items.texts.to_pylist())
    answered = {answer_of(corpus, name)[0] for name in training.items.titles.to_pylist()}
    assert answered == set(truth.train)


def test_every_train_anchor_has_one_label_that_answers_it(truth):
    positives = truth.training().positives()
    assert positives.degrees.tolist() == [1] * len(truth.train)
    assert positives.items.tolist() == truth.labelled.tolist()
    for anchor, item in zip(truth.train, truth.labelled, strict=True):
        assert answer_of(truth.corpus, name_of(truth, item))[0] == anchor


def test_hidden_positives_are_those_that_a_loop_finds(truth):
    generator = np.random.default_rng(1)
    items = generator.integers(-1, len(truth.items), (len(truth.train), 200))
    hidden, twins = truth.hidden(items), truth.twins(items)
    assert hidden.any(axis=None)
    assert (hidden & ~twins).any()
    for row, anchor in enumerate(truth.train):
        label = name_of(truth, truth.labelled[row])
        for column, item in enumerate(items[row]):
            name = None if item < 0 else name_of(truth, item)
            answer, body = (-1, -1) if name is None else answer_of(truth.corpus, name)
            assert hidden[row, column] == (answer == anchor and name != label)
            assert twins[row, column] == (hidden[row, column] and body == answer_of(truth.corpus, label)[1])


def test_the_counts_are_those_of_all_pairs(truth):
    everything = np.tile(np.arange(len(truth.items)), (len(truth.train), 1))
    hidden, twins = truth.hidden(everything), truth.twins(everything)
    counts = truth.counts()
    assert (counts.hidden_twins, counts.hidden_other_answers) == (twins.sum(), (hidden & ~twins).sum())
    assert counts.train_anchors_with_hidden_positives == hidden.any(axis=1).sum()
    assert counts.train_items == len(truth.items) < counts.items


def test_the_evaluation_has_one_item_per_body_and_all_bodies_of_an_anchor_are_right(truth):
    corpus, evaluation = truth.corpus, truth.evaluation()
    assert evaluation.items.texts.to_pylist() == corpus.bodies
    for body, name in enumerate(evaluation.items.titles.to_pylist()):
        assert answer_of(corpus, name)[1] == body
    positives = evaluation.positives(("test",))
    for row, anchor in enumerate(truth.test):
        assert positives.row(row).tolist() == [b for b, a in enumerate(corpus.body_anchor) if a == anchor]
    assert positives.degrees.max() > 1


def test_resolving_adds_exactly_the_twins(truth):
    training = truth.training()
    known = truth.resolved(training).positives()
    everything = np.tile(np.arange(len(truth.items)), (len(truth.train), 1))
    rows, items = np.nonzero(truth.twins(everything))
    added = {*zip(rows.tolist(), items.tolist(), strict=True)}
    labelled = {*enumerate(truth.labelled.tolist())}
    indptr = known.indptr
    pairs = {(row, int(item)) for row in range(known.n_anchors) for item in known.items[indptr[row] : indptr[row + 1]]}
    assert pairs == added | labelled


def test_a_larger_corpus_keeps_labels_and_split(make_corpus):
    small, large = (tell_truth(make_corpus(anchors)) for anchors in (120, 150))
    sides = [{truth.corpus.anchors[row]: "train" for row in truth.train} for truth in (small, large)]
    for anchor in small.corpus.anchors:
        assert sides[0].get(anchor) == sides[1].get(anchor)
    labels = [{name_of(truth, item) for item in truth.labelled} for truth in (small, large)]
    assert labels[0] <= labels[1]


def test_too_few_anchors_are_refused(make_corpus):
    with pytest.raises(DataError, match="at least 20 of each: read more modules"):
        tell_truth(make_corpus(30))
