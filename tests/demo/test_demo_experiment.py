"""A whole demo on a small corpus: its bookkeeping, its promise to repeat itself, its way to be interrupted."""

import msgspec
import numpy as np
import pytest

import foils.demo.run
from foils.demo import DemoSettings, run_demo
from foils.demo.bench import prepare
from foils.demo.clock import Clock
from foils.demo.experiment import ALONE, MINED_ONLY, REFERENCE, run_seed
from foils.demo.rows import BM25, table_rows
from foils.demo.run import experiment
from foils.demo.settings import RECIPES
from foils.demo.truth import tell_truth
from foils.errors import InputError
from foils.evaluating import evaluate_vectors


@pytest.fixture(scope="module")
def bench(corpus, tiny):
    return prepare(tell_truth(corpus), tiny)


@pytest.fixture(scope="module")
def outcome(bench, tiny):
    return run_seed(bench, tiny, 0, Clock(tiny.steps))[0]


def test_no_twin_passes_once_duplicates_are_resolved(bench, outcome):
    truth = bench.truth
    passed = {recipe: truth.twins(outcome.hidden[recipe]).sum() for recipe in RECIPES}
    assert passed["naive-top-k"] > 20
    for recipe in RECIPES:
        assert not truth.twins(outcome.resolved[recipe]).any()
    assert truth.hidden(outcome.resolved["naive-top-k"]).any()  # other answers remain


def test_no_negative_is_the_labelled_positive_or_given_twice(bench, outcome, tiny):
    for mined in (outcome.hidden, outcome.resolved):
        for recipe in RECIPES:
            assert mined[recipe].shape == (len(bench.truth.train), tiny.negatives)
            assert not (mined[recipe] == bench.truth.labelled[:, None]).any()
            for row in mined[recipe]:
                present = row[row >= 0]
                assert len(present) == len(set(present))


def test_the_rows_count_what_was_mined(bench, outcome, result, tiny):
    other = run_seed(bench, tiny, 1, Clock(tiny.steps))[0]
    rows = {row.name: row for row in table_rows(bench.truth, [outcome, other], np.zeros(len(bench.truth.test)))}
    assert list(rows) == [REFERENCE, *RECIPES, MINED_ONLY, BM25]
    corpus, truth = bench.truth.corpus, bench.truth
    for recipe in RECIPES:
        hits = total = 0
        for seed in (outcome, other):
            for row, items in enumerate(seed.hidden[recipe]):
                bodies = [corpus.item_body[truth.items[item]] for item in items if item >= 0]
                hits += sum(corpus.body_anchor[body] == truth.train[row] for body in bodies)
                total += len(bodies)
        assert rows[recipe].hidden.estimate == pytest.approx(1000 * hits / total)
        assert rows[recipe].negatives == total
        assert rows[recipe].difference.estimate == pytest.approx(rows[recipe].ndcg - rows[REFERENCE].ndcg)
        assert rows[recipe] == next(row for row in result.rows if row.name == recipe)


def test_the_metric_is_that_of_the_library(bench):
    class Fixed:
        def pool(self, bags):
            return np.asarray(bags @ np.random.default_rng(3).standard_normal((bags.shape[1], 8), np.float32))

    vectors = [Fixed().pool(bags) for bags in (bench.test_anchors, bench.test_items)]
    expected = evaluate_vectors(bench.evaluation, *vectors, metrics=["ndcg@10"]).values["ndcg@10"]
    assert np.array_equal(bench.evaluate(Fixed()), expected)


def test_one_worker_finds_the_same(corpus, result, tiny):
    again = experiment(corpus, msgspec.structs.replace(tiny, workers=1), Clock(tiny.steps))
    assert again.rows == result.rows
    assert again.examples == result.examples
    assert again.conclusion == result.conclusion


def test_examples_are_hidden_positives(corpus, result, tiny):
    kinds = set()
    for example in result.examples:
        rows = [corpus.names.index(name) for name in (example.labelled, example.negative)]
        labelled, negative = corpus.item_body[rows]
        assert corpus.anchors[corpus.body_anchor[labelled]] == example.anchor
        assert corpus.body_anchor[labelled] == corpus.body_anchor[negative]
        assert (labelled == negative) == (example.kind == "twin")
        assert 1 <= example.rank <= tiny.negatives
        kinds.add(example.kind)
    packages = [example.negative.split(".")[0] for example in result.examples]
    assert len(packages) == len(set(packages)) > 1
    assert kinds == {"twin", "another answer"}


def test_progress_counts_every_step_and_stops_at_the_last(corpus, tmp_path, monkeypatch, tiny):
    monkeypatch.setattr(foils.demo.run, "extract_docstrings", lambda **_: corpus)
    seen = []
    settings = msgspec.structs.replace(tiny, seeds=1)
    made = run_demo(tmp_path, settings=settings, progress=lambda *step: seen.append(step))
    done = [step[1] for step in seen]
    assert done == sorted(done)
    assert set(done) == set(range(settings.steps + 1))
    assert {step[2] for step in seen} == {settings.steps}
    assert {stage.name for stage in made.stages} >= {"mining", "BM25", "training with mined negatives"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


@pytest.mark.parametrize("moment", ["reading", "mining: simans", "training with mined", "report"])
def test_an_interruption_leaves_nothing_behind(corpus, tmp_path, monkeypatch, moment, tiny):
    monkeypatch.setattr(foils.demo.run, "extract_docstrings", lambda **_: corpus)

    def interrupt(what, done, total):
        if what.startswith(moment):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path, settings=tiny, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["seeds", "max_anchors", "negatives", "workers"])
def test_settings_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0; expected at least 1"):
        DemoSettings(**{name: 0})


def test_the_row_of_mined_negatives_alone_is_of_a_recipe():
    assert ALONE in RECIPES
