"""What goes in: columns, streams, prompts, models; and what is refused, before anything is encoded."""

import inspect

import numpy as np
import pytest
import sentence_transformers.util
import torch
from compat_toys import TableCrossEncoder, TableModel, at, line, random_problem
from datasets import Dataset

from foils.compat import ArgumentError, CompatWarning, mine_hard_negatives
from foils.errors import DataError, MissingExtraError

STEPS = [0.9 - 0.01 * step for step in range(30)]


def mine(*args, **settings):
    return mine_hard_negatives(*args, verbose=False, **settings)


def test_the_signature_is_the_same_and_then_some():
    theirs = inspect.signature(sentence_transformers.util.mine_hard_negatives).parameters
    ours = inspect.signature(mine_hard_negatives).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert (ours[name].default, ours[name].kind) == (parameter.default, parameter.kind)
    assert {name: ours[name].kind.name for name in list(ours)[len(theirs) :]} == {
        "seed": "KEYWORD_ONLY",
        "shortfall": "KEYWORD_ONLY",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_negatives": 0}, "num_negatives must be at least 1, got num_negatives=0"),
        ({"range_min": -1}, "range_min must be non-negative"),
        ({"range_min": 3, "range_max": 3}, "range_min must be smaller than range_max"),
        ({"range_max": 2}, "Cannot mine 3 negatives per query: only 2 candidates remain"),
        ({"output_format": "triplets"}, "did you mean 'triplet'"),
        ({"sampling_strategy": "Random"}, "did you mean 'random'"),
        ({"shortfall": "keep"}, "Valid: drop, short"),
        ({"max_score": float("nan")}, "max_score is nan; give a finite number"),
        ({"faiss_batch_size": 0}, "faiss_batch_size must be a positive integer"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_before_anything_is_encoded(settings, message):
    model, dataset, corpus = line(0.9, STEPS)
    with pytest.raises(ArgumentError, match=message) as error:
        mine(dataset, model, corpus=corpus, **settings)
    assert isinstance(error.value, ValueError)
    assert model.calls == []


def test_a_similarity_that_ranks_otherwise_is_refused():
    model, dataset, corpus = line(0.9, STEPS)
    model.similarity_fn_name = "manhattan"
    with pytest.raises(ArgumentError, match="compares by manhattan; foils searches by cosine or dot"):
        mine(dataset, model, corpus=corpus)


@pytest.mark.parametrize("rows", [{"query": [], "answer": []}, {"query": ["q"]}, {"query": [" "], "answer": ["p"]}])
def test_a_data_set_without_pairs_is_refused(rows):
    model, _, corpus = line(0.9, STEPS)
    with pytest.raises(ValueError, match=r"data set has the column|dataset is empty"):
        mine(Dataset.from_dict(rows), model, corpus=corpus)


def test_what_is_no_text_is_named():
    model, _, corpus = line(0.9, STEPS)
    with pytest.raises(DataError, match=r"answer\[1\] is None; expected a string"):
        mine(Dataset.from_dict({"query": ["q", "q"], "answer": ["p", None]}), model, corpus=corpus)
    with pytest.raises(DataError, match=r"corpus\[0\] is 7; expected a string"):
        mine(Dataset.from_dict({"query": ["q"], "answer": ["p"]}), model, corpus=[7])


def test_rows_without_an_anchor_or_a_positive_are_counted():
    model, _, corpus = line(0.9, STEPS)
    dataset = Dataset.from_dict({"query": ["q", " ", "q"], "answer": ["p", "p", ""]})
    with pytest.warns(CompatWarning, match="2 rows have an empty anchor or positive and were left out"):
        assert set(mine(dataset, model, corpus=corpus)["query"]) == {"q"}


def test_a_missing_package_is_named(monkeypatch):
    model, dataset, corpus = line(0.9, STEPS)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"foils\[frames\]"):
        mine(dataset, model, corpus=corpus)


def test_streams_lists_and_chosen_columns_give_the_same():
    model, dataset, corpus = random_problem(2)
    expected = mine(dataset, model, corpus=corpus).to_dict()
    wide = Dataset.from_dict({"id": list(range(len(dataset))), **dataset.to_dict()})
    named = {"anchor_column_name": "query", "positive_column_name": "answer"}
    assert mine(dataset.to_iterable_dataset(), model, corpus=corpus).to_dict() == expected
    assert mine(dataset.to_list(), model, corpus=corpus).to_dict() == expected
    assert mine((row for row in dataset), model, corpus=corpus).to_dict() == expected
    assert mine(wide, model, corpus=corpus, **named).to_dict() == expected
    assert mine(wide.to_iterable_dataset(), model, corpus=corpus, **named).to_dict() == expected


def test_the_model_is_asked_as_the_original_asks_it():
    model, dataset, corpus = line(0.9, STEPS)
    prompts = {"query_prompt": "query: ", "corpus_prompt_name": "document"}
    mine(dataset, model, corpus=corpus, batch_size=7, **prompts)
    common = {"pool": None, "batch_size": 7, "normalize_embeddings": True, "convert_to_numpy": True}
    common["show_progress_bar"] = False
    assert model.calls == [
        ("query", 1, common | {"prompt": "query: ", "prompt_name": None}),
        ("corpus", 31, common | {"prompt": None, "prompt_name": "document"}),
    ]


class Pooled(TableModel):
    """Notes the processes that were started and stopped."""

    def start_multi_process_pool(self, target_devices):
        self.calls.append(("start", target_devices, {}))
        return "pool"

    def stop_multi_process_pool(self, pool):
        self.calls.append(("stop", pool, {}))


@pytest.mark.parametrize(("asked", "devices"), [(True, None), (["cpu", "cpu"], ["cpu", "cpu"])])
def test_processes_are_started_and_stopped_also_after_an_error(asked, devices):
    dataset = Dataset.from_dict({"query": ["q"], "answer": ["p"]})
    model = Pooled({"q": at(1.0), "p": at(0.9), "a": at(0.5)})
    mine(dataset, model, corpus=["a"], num_negatives=1, use_multi_process=asked)
    assert [call[:2] for call in model.calls if call[0] in ("start", "stop")] == [
        ("start", devices),
        ("stop", "pool"),
    ] * 2
    assert model.calls[1][2]["pool"] == "pool"
    model.calls.clear()
    with pytest.raises(KeyError):
        mine(dataset, model, corpus=["unknown"], num_negatives=1, use_multi_process=asked)
    assert [name for name, _, _ in model.calls].count("start") == [name for name, _, _ in model.calls].count("stop") > 0


def test_vectors_that_are_not_normalised_are_compared_by_cosine_and_zero_is_no_error():
    model, dataset, corpus = line(0.9, STEPS)
    expected = mine(dataset, model, corpus=corpus, output_scores=True).to_dict()
    model.table *= torch.linspace(0.5, 3.0, len(model.table))[:, None]
    found = mine(dataset, model, corpus=corpus, output_scores=True).to_dict()
    np.testing.assert_allclose(found.pop("scores"), expected.pop("scores"), atol=1e-6)
    assert found == expected
    model.table[model.rows["t0"]] = 0
    assert list(mine(dataset, model, corpus=corpus)["negative"]) == ["t1", "t2", "t3"]


@pytest.mark.parametrize(
    ("deprecated", "instead"),
    [
        ({"as_triplets": False}, {"output_format": "n-tuple"}),
        ({"as_triplets": True, "output_format": "n-tuple"}, {"output_format": "triplet"}),
        ({"margin": 0.1}, {"absolute_margin": 0.1}),
        ({"output_format": "n-tuple-scores"}, {"output_format": "n-tuple", "output_scores": True}),
    ],
)
def test_deprecated_arguments_still_work(deprecated, instead):
    model, dataset, corpus = line(0.9, STEPS)
    with pytest.warns(FutureWarning, match="is deprecated; use") as warned:
        found = mine(dataset, model, corpus=corpus, **deprecated)
    assert warned[0].filename == __file__
    assert found.to_dict() == mine(dataset, model, corpus=corpus, **instead).to_dict()


def test_rankings_with_positives_have_one_format():
    model, dataset, corpus = line(0.85, STEPS)
    with pytest.warns(CompatWarning, match="output_format is 'n-tuple', not 'triplet'"):
        (row,) = mine(dataset, model, corpus=corpus, include_positives=True, num_negatives=7).to_list()
    assert [row[f"negative_{nth}"] for nth in range(1, 8)] == ["t0", "t1", "t2", "t3", "t4", "t5", "p"]


def test_verbose_tells_what_was_found(capsys):
    model, dataset, corpus = line(0.9, STEPS)
    with pytest.warns(CompatWarning):
        mine_hard_negatives(dataset, model, corpus=corpus, max_score=0.895, range_max=3, cross_encoder=None)
    told = capsys.readouterr().out
    assert "Rejected 1 candidates (33.33%) by the max_score of 0.895." in told
    assert "Could not find enough negatives for 1 rows (33.33%)." in told
    assert "Consider adjusting the range_max and max_score parameters if" in told
    assert next(line for line in told.splitlines() if line.startswith("Mean")).split() == [
        "Mean",
        "0.9000",
        "0.8850",
        "0.0150",
    ]
    mine(dataset, model, corpus=corpus)
    assert capsys.readouterr().out == ""


def test_a_result_without_rows_has_its_columns():
    model, dataset, corpus = line(-0.9, STEPS)
    for output_format in ("triplet", "n-tuple", "labeled-list"):
        settings = {"relative_margin": 0.05, "output_format": output_format, "output_scores": True}
        with pytest.warns(CompatWarning, match="1 of 1 anchors"):
            empty = mine(dataset, model, corpus=corpus, **settings)
        full = mine(dataset, model, corpus=corpus, output_format=output_format, output_scores=True)
        assert (len(empty), empty.features) == (0, full.features)


def test_a_cross_encoder_is_asked_once_per_pair_and_block():
    model, dataset, corpus = random_problem(1)
    cross_encoder = TableCrossEncoder()
    mine(dataset, model, corpus=corpus, cross_encoder=cross_encoder, num_negatives=1)
    assert len(cross_encoder.pairs) == len(set(cross_encoder.pairs))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"anchor_column_name": "qury"}, "anchor_column_name is 'qury'; did you mean 'query'"),
        ({"positive_column_name": "anwser"}, "positive_column_name is 'anwser'; did you mean 'answer'"),
        ({"anchor_column_name": "answer"}, "anchor and positive are both the column 'answer'"),
    ],
)
def test_columns_that_are_not_there_are_refused(named, message):
    model, dataset, corpus = line(0.9, STEPS)
    for given in (dataset, dataset.to_list()):
        with pytest.raises(ArgumentError, match=message):
            mine(given, model, corpus=corpus, **named)
    assert model.calls == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("all-MiniLM-L6-v2", r"open it first: sentence_transformers\.SentenceTransformer\('all-MiniLM-L6-v2'\)"),
        (None, "model is None, which has no encode_query and no encode_document"),
    ],
)
def test_something_else_than_a_model_is_refused(given, message):
    _, dataset, corpus = line(0.9, STEPS)
    with pytest.raises(ArgumentError, match=message):
        mine(dataset, given, corpus=corpus)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nq", r"the data set is 'nq'; expected a datasets\.Dataset"),
        ({"query": ["q"], "answer": ["a"]}, r"Dataset\.from_dict\(columns\)"),
        ([("q", "a")], r"row 0 of the data set is \('q', 'a'\); expected a dict"),
        ([{"query": "q", "answer": "a"}, {"query": "q"}], "row 1 of the data set is .*'query', 'answer'"),
    ],
)
def test_something_else_than_a_data_set_is_refused(given, message):
    model, _, corpus = line(0.9, STEPS)
    with pytest.raises(ArgumentError, match=message):
        mine(given, model, corpus=corpus)
