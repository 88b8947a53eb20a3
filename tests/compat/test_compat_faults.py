"""What goes wrong without a word elsewhere: windows, cross-encoders, caches, weak positives, copies, seeds."""

import warnings

import numpy as np
import pytest
import torch
from compat_toys import TableCrossEncoder, TableModel, at, line, random_problem
from datasets import Dataset

from foils.compat import CompatWarning, mine_hard_negatives

STEPS = [0.99 - 0.01 * step for step in range(60)]  # t0, t1 … by rank


def mine(*args, **settings):
    return mine_hard_negatives(*args, verbose=False, **settings)


def negatives(*args, **settings):
    return list(mine(*args, **settings)["negative"])


# --- 1. range_min counts ranks ----------------------------------------------------------------------------------------


def test_range_min_counts_ranks_and_not_what_a_threshold_leaves():
    model, dataset, corpus = line(0.95, STEPS)
    window = {"corpus": corpus, "range_min": 5, "num_negatives": 3}
    assert negatives(dataset, model, **window) == ["t5", "t6", "t7"]
    # 0.95 − 5 % = 0.9025: t0 to t8 are too close, and the first three safe ranks after the fifth are t9 to t11
    assert negatives(dataset, model, relative_margin=0.05, **window) == ["t9", "t10", "t11"]


def test_a_window_ends_at_range_max_whatever_positives_other_anchors_have():
    model, dataset, corpus = line(0.0, STEPS)
    settings = {"corpus": corpus, "range_max": 4, "num_negatives": 2, "max_score": 0.965}
    with pytest.warns(CompatWarning, match="1 of 1 anchors have fewer than 2 negatives"):
        assert negatives(dataset, model, **settings) == ["t3"]


# --- 2. a cross-encoder is used ---------------------------------------------------------------------------------------


def test_a_cross_encoder_reorders_without_a_threshold():
    model, dataset, corpus = line(0.95, STEPS)
    best = TableCrossEncoder({("q", text): 1.0 + number for number, text in enumerate(corpus)} | {("q", "p"): 9.0})
    rows = mine(dataset, model, corpus=corpus, cross_encoder=best, num_negatives=2, output_scores=True)
    depth = 2 * 10 + 1
    assert list(rows["negative"]) == [f"t{depth - 1}", f"t{depth - 2}"]
    assert list(rows["scores"]) == [[9.0, depth], [9.0, depth - 1]]
    assert sorted(best.pairs) == sorted([("q", "p"), *(("q", text) for text in corpus[:depth])])


def test_a_cross_encoder_that_gives_several_numbers_is_refused():
    model, dataset, corpus = line(0.95, STEPS)
    cross_encoder = TableCrossEncoder()
    cross_encoder.predict = lambda pairs, **_: np.zeros((len(pairs), 3))
    with pytest.raises(ValueError, match=r"one score per pair"):
        mine(dataset, model, corpus=corpus, cross_encoder=cross_encoder)


# --- 3. a cache knows the model by its content ------------------------------------------------------------------------


def encoded(model):
    return [side for side, _, _ in model.calls]


def test_another_checkpoint_of_the_same_base_is_encoded_anew(tmp_path):
    vectors = {"q": at(1.0), "p": at(0.9), "a": at(0.8), "b": at(0.3)}
    first, second = TableModel(vectors), TableModel(vectors | {"a": at(0.3), "b": at(0.8)})
    dataset = Dataset.from_dict({"query": ["q"], "answer": ["p"]})
    settings = {"corpus": ["a", "b"], "num_negatives": 1, "cache_folder": tmp_path}
    assert negatives(dataset, first, **settings) == ["a"]
    assert negatives(dataset, second, **settings) == ["b"]
    assert encoded(second) == ["query", "corpus"]


@pytest.mark.parametrize("change", ["nothing", "weights", "prompt", "named prompt", "texts", "truncation"])
def test_what_the_vectors_follow_from_is_the_key(tmp_path, change):
    model, dataset, corpus = line(0.95, STEPS)
    settings = {"corpus": corpus, "cache_folder": str(tmp_path)}
    expected = negatives(dataset, model, **settings)
    model.calls.clear()
    if change == "weights":
        model.table[0, 0] += 2.0**-20
    if change == "truncation":
        model.truncate_dim = 1
    settings |= {"prompt": {"query_prompt": "query: "}, "named prompt": {"corpus_prompt_name": "document"}}.get(
        change, {}
    )
    if change == "texts":
        settings["corpus"] = corpus[::-1]
    assert negatives(dataset, model, **settings) == expected
    sides = {"nothing": [], "prompt": ["query"], "named prompt": ["corpus"], "texts": ["corpus"]}
    assert encoded(model) == sides.get(change, ["query", "corpus"])


def test_a_model_whose_content_cannot_be_read_is_not_kept(tmp_path):
    model, dataset, corpus = line(0.95, STEPS)
    plain = type("Plain", (), {"encode_query": model.encode_query, "encode_document": model.encode_document})()
    with pytest.warns(CompatWarning, match="cache_folder is not used"):
        negatives(dataset, plain, corpus=corpus, cache_folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_half_precision_weights_are_read(tmp_path):
    model, dataset, corpus = line(0.95, STEPS)
    model.scale = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16), requires_grad=False)
    for _ in range(2):
        negatives(dataset, model, corpus=corpus, cache_folder=tmp_path)
        model.scale[1] = 0.5
    assert encoded(model) == ["query", "corpus"] * 2


# --- 4. weak positives do not vanish ----------------------------------------------------------------------------------


def two_anchors(weak: float) -> tuple[TableModel, Dataset, list[str]]:
    """One anchor whose positive is near, and one whose positive lies behind all texts that are looked at first."""
    texts = {f"t{number}": [*at(cosine), 0.0] for number, cosine in enumerate(STEPS)}
    vectors = {"near": [1.0, 0.0, 0.0], "far": [0.999, 0.0, 0.0447], "p": [*at(0.97), 0.0], "w": [*at(weak), 0.0]}
    model = TableModel(vectors | texts)
    return model, Dataset.from_dict({"query": ["near", "far"], "answer": ["p", "w"]}), list(texts)


def test_an_anchor_with_a_weak_positive_is_searched_deeper():
    model, dataset, corpus = two_anchors(weak=0.5)
    rows = mine(dataset, model, corpus=corpus, relative_margin=0.05, num_negatives=2)
    found = [(row["query"], row["negative"]) for row in rows]
    assert found == [("near", "t7"), ("near", "t8"), ("far", "t52"), ("far", "t53")]


@pytest.mark.parametrize(
    ("output_format", "rows", "said"),
    [
        ("triplet", 2, "1 are not in the result"),
        ("n-tuple", 1, "1 are not in the result; shortfall='short' keeps them, with nulls"),
        ("labeled-pair", 4, "1 are in the result with their positives alone"),
        ("labeled-list", 1, "1 are not in the result; shortfall='short' keeps them, with their positives alone"),
    ],
)
def test_who_is_still_short_is_named_and_compared(output_format, rows, said):
    model, dataset, corpus = two_anchors(weak=0.2)
    settings = {"relative_margin": 0.05, "num_negatives": 2, "output_format": output_format}
    with pytest.warns(CompatWarning) as warned:
        assert len(mine(dataset, model, corpus=corpus, **settings)) == rows
    text = str(warned[0].message)
    assert warned[0].filename == __file__
    assert "1 of 2 anchors have fewer than 2 negatives, 1 of them none" in text
    assert "(their positives score 0.200, those of the others 0.970)" in text.replace("0.199", "0.200")
    assert said in text
    assert "adjusting the range_max and relative_margin parameters" in text
    assert "for 1 all 62 texts were looked at" in text


def test_short_rows_are_kept_on_request():
    model, dataset, corpus = two_anchors(weak=0.43)
    settings = {"relative_margin": 0.05, "num_negatives": 2, "shortfall": "short", "output_scores": True}
    with pytest.warns(CompatWarning, match="1 are in the result with nulls"):
        rows = mine(dataset, model, corpus=corpus, output_format="n-tuple", **settings).to_list()
    assert [row["query"] for row in rows] == ["near", "far"]
    assert rows[1]["negative_1"] is not None
    assert rows[1]["negative_2"] is None
    assert rows[1]["scores"][1:] == [pytest.approx(float(model.similarity(*pair(model, rows[1])))), None]
    model, dataset, corpus = two_anchors(weak=0.2)
    with pytest.warns(CompatWarning, match="1 are in the result with their positives alone"):
        lists = mine(dataset, model, corpus=corpus, output_format="labeled-list", **settings).to_list()
    assert lists[1]["answer"] == ["w"]
    assert len(lists[1]["scores"]) == 1


def pair(model, row):
    return model.table[model.rows[row["query"]]][None], model.table[model.rows[row["negative_1"]]][None]


# --- 5. copies of a positive are no negatives -------------------------------------------------------------------------

COPIES = ["the  answer", "The Answer", "THE ANSWER ", "\uff54\uff48\uff45 answer"]


def test_copies_of_a_positive_are_never_negatives():
    vectors = {"q": at(1.0), "the answer": at(0.9), "other": at(0.2)}
    vectors |= {copy: at(0.89) for copy in COPIES} | {"the answers": at(0.88)}
    dataset = Dataset.from_dict({"query": ["q"], "answer": ["the answer"]})
    corpus = [*COPIES, "the answers", "other"]
    assert negatives(dataset, TableModel(vectors), corpus=corpus, num_negatives=2) == ["the answers", "other"]
    settings = {"corpus": corpus, "num_negatives": 3, "include_positives": True, "output_format": "n-tuple"}
    (row,) = mine(dataset, TableModel(vectors), **settings).to_list()
    assert [row[f"negative_{nth}"] for nth in (1, 2, 3)] == ["the answer", "the answers", "other"]


# --- 6. a random choice is seeded -------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_choices_and_others_differ():
    model, dataset, corpus = line(0.95, STEPS)
    settings = {"corpus": corpus, "range_min": 4, "range_max": 30, "num_negatives": 5, "sampling_strategy": "random"}
    draws = [tuple(negatives(dataset, model, seed=seed, **settings)) for seed in range(40)]
    assert draws == [tuple(negatives(dataset, model, seed=seed, **settings)) for seed in range(40)]
    assert len(set(draws)) > 30
    numbers = np.array([[int(text[1:]) for text in draw] for draw in draws])
    assert (np.diff(numbers) > 0).all()  # best first
    assert (numbers.min(), numbers.max()) == (4, 29)
    counts = np.bincount(numbers.ravel(), minlength=30)[4:]
    expected = 40 * 5 / 26
    assert ((counts - expected) ** 2 / expected).sum() < 60  # 25 degrees of freedom


def test_a_random_choice_draws_from_what_the_thresholds_leave():
    for seed in range(4):
        model, dataset, corpus = random_problem(seed)
        settings = {"corpus": corpus, "range_max": 100, "max_score": 0.3, "output_format": "labeled-list"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CompatWarning)
            every = mine(dataset, model, num_negatives=60, **settings)
            some = mine(dataset, model, num_negatives=3, sampling_strategy="random", seed=seed, **settings)
        allowed = {row["query"]: set(row["answer"][1:]) for row in every}
        for row in some:
            assert set(row["answer"][1:]) <= allowed[row["query"]]
            assert len(row["answer"]) - 1 == min(3, len(allowed[row["query"]]))
