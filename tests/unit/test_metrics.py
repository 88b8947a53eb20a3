"""Metrics against the textbook loops, and expected values against every order of the tied items."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foils.errors import DataError, InputError
from foils.evaluating import metrics
from foils.evaluating.metrics import Metric, evaluate_ranking, rank_ids
from foils.evaluating.qrels import Qrels

NAMES = [f"{name}@{k}" for name in ("ndcg", "mrr", "recall", "map") for k in (1, 2, 3, 5, 100)] + [
    "ndcg",
    "mrr",
    "map",
]


def judge(*queries):
    """Build judgements from one {item: grade} per query."""
    indptr = np.cumsum([0] + [len(query) for query in queries])
    pairs = [pair for query in queries for pair in sorted(query.items())]
    return Qrels(
        indptr,
        np.array([item for item, _ in pairs], np.int64),
        np.array([grade for _, grade in pairs], float),
    )


def evaluate_one(items, scores, grades, **options):
    values = evaluate_ranking(
        np.array([items], np.int64), np.array([scores], np.float32), judge(grades), NAMES, **options
    )
    return {name: value[0] for name, value in values.items()}


def textbook(ranked, grades):
    """Compute every metric of one ordered list by its textbook loop."""
    relevant = {item for item, grade in grades.items() if grade > 0}
    ideal = sorted((grades[item] for item in relevant), reverse=True)
    values = {}
    for text in NAMES:
        name, _, cutoff = text.partition("@")
        k = int(cutoff) if cutoff else 10**9
        top = ranked[:k]
        if name == "recall":
            values[text] = sum(item in relevant for item in top) / len(relevant)
        elif name == "mrr":
            places = [place for place, item in enumerate(top, 1) if item in relevant]
            values[text] = 1 / places[0] if places else 0.0
        elif name == "map":
            hits, total = 0, 0.0
            for place, item in enumerate(top, 1):
                if item in relevant:
                    hits += 1
                    total += hits / place
            values[text] = total / len(relevant)
        else:
            dcg = sum(max(grades.get(item, 0.0), 0.0) / math.log2(place + 1) for place, item in enumerate(top, 1))
            values[text] = dcg / sum(grade / math.log2(place + 1) for place, grade in enumerate(ideal[:k], 1))
    return values


def orders(scores):
    """Give every order of the columns that the scores allow, all equally likely."""
    blocks = [[column for column, score in enumerate(scores) if score == value] for value in sorted(set(scores))[::-1]]
    for parts in itertools.product(*(itertools.permutations(block) for block in blocks)):
        yield [column for part in parts for column in part]


ranked_queries = st.integers(1, 6).flatmap(
    lambda depth: st.tuples(
        st.permutations(range(9)).map(lambda items: items[:depth]),
        st.lists(st.sampled_from([-1.5, 0.0, 2.0]), min_size=depth, max_size=depth),
        st.dictionaries(st.integers(0, 8), st.sampled_from([-1.0, 0.0, 0.5, 1.0, 3.0]), max_size=7).map(
            lambda grades: grades | {8: 2.0}
        ),
    )
)


@given(ranked_queries)
@settings(max_examples=100, deadline=None)
def test_expected_value_is_the_mean_over_all_orders_of_ties(query):
    items, scores, grades = query
    every = [textbook([items[column] for column in order], grades) for order in orders(scores)]
    got = evaluate_one(items, scores, grades)
    for name in NAMES:
        assert got[name] == pytest.approx(np.mean([values[name] for values in every]), abs=1e-12), name


@given(ranked_queries)
@settings(max_examples=100, deadline=None)
def test_trec_order_is_descending_score_then_descending_id(query):
    items, scores, grades = query
    ids = [f"d{item * 7 % 12}" for item in range(9)]  # d10 < d2 as strings
    ranked = sorted(zip(scores, items, strict=True), key=lambda pair: (pair[0], ids[pair[1]]), reverse=True)
    want = textbook([item for _, item in ranked], grades)
    assert evaluate_one(items, scores, grades, ties="trec", id_ranks=rank_ids(ids)) == pytest.approx(want, abs=1e-12)


@given(ranked_queries, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_file_order_padding_and_monotone_score_maps_do_not_matter(query, shuffler):
    items, scores, grades = query
    columns = list(range(len(items)))
    shuffler.shuffle(columns)
    shuffled = [items[column] for column in columns] + [-1, -1]
    mapped = [2 * scores[column] ** 3 + 7 for column in columns] + [99.0, np.nan]  # not read where absent
    assert evaluate_one(shuffled, mapped, grades) == pytest.approx(evaluate_one(items, scores, grades), abs=1e-12)


def test_random_tie_breaks_average_to_the_expected_value():
    rng = np.random.default_rng(0)
    depth, rounds = 40, 4000
    items = rng.permutation(60)[:depth]
    scores = rng.integers(0, 4, depth).astype(np.float32)
    grades = {int(item): float(rng.integers(0, 3)) for item in rng.permutation(60)[:25]}
    names = ["ndcg@10", "mrr", "recall@10", "map", "map@10"]
    expected = evaluate_ranking(items[None], scores[None], judge(grades), names)
    broken = scores + rng.random((rounds, depth)).astype(np.float32) * 0.5
    drawn = evaluate_ranking(np.tile(items, (rounds, 1)), broken, judge(*[grades] * rounds), names)
    for name in names:
        error = drawn[name].std() / math.sqrt(rounds)
        assert error > 0
        assert abs(drawn[name].mean() - expected[name][0]) < 4 * error, name


def test_a_tie_block_that_straddles_the_cut_off_counts_by_its_share():
    # one item above, then four tied of which one is relevant; k = 3 takes two of the four
    got = evaluate_one([0, 1, 2, 3, 4], [9, 5, 5, 5, 5], {3: 1.0})
    assert got["recall@3"] == pytest.approx(2 / 4)
    assert got["mrr@3"] == pytest.approx((1 / 2 + 1 / 3) / 4)
    assert got["ndcg@3"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / 4)


def test_a_constant_scorer_earns_the_chance_level_and_not_one():
    n = 1000
    got = evaluate_one(list(range(n)), [0.0] * n, {0: 1.0})
    assert got["recall@100"] == pytest.approx(0.1)
    assert got["mrr"] == pytest.approx(sum(1 / place for place in range(1, n + 1)) / n)


def test_the_perfect_ranking_scores_one_with_more_relevant_items_than_k():
    got = evaluate_one(list(range(8)), list(range(8, 0, -1)), {item: 8.0 - item for item in range(8)})
    assert got["ndcg@3"] == pytest.approx(1.0, abs=1e-15)  # an ideal over all eight would give less
    assert got["recall@3"] == pytest.approx(3 / 8)
    assert got["map"] == pytest.approx(1.0, abs=1e-15)


def test_relevant_items_that_were_not_retrieved_stay_in_the_denominators():
    got = evaluate_one([0], [1.0], {0: 1.0, 5: 1.0, 6: 1.0})
    assert got["recall@5"] == pytest.approx(1 / 3)
    assert got["map"] == pytest.approx(1 / 3)
    assert got["ndcg@5"] == pytest.approx(1 / (1 + 1 / math.log2(3) + 1 / 2))


def test_infinite_scores_are_ordered_before_the_absent():
    got = evaluate_one([3, 1, -1], [-np.inf, np.inf, 0.0], {3: 1.0})
    assert got["mrr"] == 0.5
    trec = evaluate_one([3, 1, -1], [-np.inf, np.inf, 0.0], {3: 1.0}, ties="trec", id_ranks=np.arange(6))
    assert trec == got


def test_a_judged_item_beyond_the_retrieved_rows_is_not_mistaken_for_another_querys():
    items, scores = np.array([[0, 1], [2, 3]]), np.ones((2, 2), np.float32)
    for beyond in range(4, 40):
        values = evaluate_ranking(items, scores, judge({beyond: 1.0}, {}), ["recall@2"])
        assert values["recall@2"][0] == 0
        assert evaluate_ranking(items, scores, judge({beyond: 1.0}, {2: 1.0}), ["recall@2"])["recall@2"][1] == 1


def test_queries_without_a_relevant_judgement_are_nan():
    items = np.array([[0, 1], [0, 1], [-1, -1], [1, 0]])
    scores = np.ones((4, 2), np.float32)
    values = evaluate_ranking(items, scores, judge({0: 0.0}, {}, {0: 1.0}, {0: 1.0, 1: 1.0}), NAMES)
    for name, value in values.items():
        assert np.isnan(value).tolist() == [True, True, False, False], name
        assert value[2] == 0


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
def test_empty_rankings(shape):
    values = evaluate_ranking(
        np.zeros(shape, np.int64), np.zeros(shape, np.float32), judge(*[{1: 1.0}] * shape[0]), NAMES
    )
    assert all(value.tolist() == [0.0] * shape[0] for value in values.values())


@pytest.mark.parametrize("cells", [1, 13, 100])
@pytest.mark.parametrize("ties", ["expected", "trec"])
def test_blocks_of_queries_do_not_change_a_bit(monkeypatch, cells, ties):
    rng = np.random.default_rng(1)
    items = np.argsort(rng.random((30, 20)), axis=1)[:, :11]
    scores = rng.integers(0, 5, items.shape).astype(np.float32)
    qrels = judge(*({int(item): 1.3 for item in rng.permutation(20)[: count % 6]} for count in range(30)))
    options = {"ties": ties, "id_ranks": rng.permutation(20)}
    whole = evaluate_ranking(items, scores, qrels, NAMES, **options)
    monkeypatch.setattr(metrics, "_CELLS_PER_BLOCK", cells)
    blocked = evaluate_ranking(items, scores, qrels, NAMES, **options)
    for name in NAMES:
        np.testing.assert_array_equal(whole[name], blocked[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_is_written_as_it_is_parsed(name):
    assert str(Metric.parse(name)) == name
    assert Metric.parse(f" {name.upper()} ") == Metric.parse(name)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ndgc@10", r"did you mean 'ndcg@10'\? Valid: map@10, mrr@10, ndcg@10, recall@10"),
        ("recal", r"did you mean 'recall@100'\?"),
        ("recall", "needs a cut-off, for example recall@100"),
        ("ndcg@0", "'ndcg@0': expected a positive integer after '@'"),
        ("ndcg@", "positive integer"),
        ("mrr@1_0", "positive integer"),
        ("map@-3", "positive integer"),
        ("", "Valid: map, mrr, ndcg, recall@100"),
    ],
)
def test_a_wrong_metric_is_named_with_the_nearest_valid(text, hint):
    with pytest.raises(InputError, match=hint):
        Metric.parse(text)


@pytest.mark.parametrize(
    ("items", "scores", "message"),
    [
        ([[0, 1], [4, 4]], [[1, 2], [2, 1]], "query row 1 has item 4 twice"),
        ([[0, 1], [-1, 4]], [[1, 2], [2, 1]], "query row 1, column 0 has an absent item"),
        ([[0, 1], [2, -2]], [[1, 2], [2, 1]], "query row 1, column 1 has an item row below -1"),
        ([[0, 1], [2, 3]], [[1, np.nan], [2, 1]], "query row 0, column 1 has a score that is NaN"),
        ([[0, 1], [2, 3]], [[1, 2, 3], [2, 1, 0]], r"items \(2, 2\), scores \(2, 3\)"),
        ([[0, 1]], [[1, 2]], "qrels of 2 queries"),
        ([[0.0, 1], [2, 3]], [[1, 2], [2, 1]], "expected int64 items"),
    ],
)
def test_a_faulty_ranking_is_refused_with_its_place(monkeypatch, items, scores, message):
    monkeypatch.setattr(metrics, "_CELLS_PER_BLOCK", 2)
    with pytest.raises(DataError, match=message):
        evaluate_ranking(np.array(items), np.array(scores, np.float32), judge({0: 1.0}, {1: 1.0}), ["mrr"])


def test_from_pairs_sorts_and_keeps_the_best_grade_of_a_repeated_pair():
    qrels = Qrels.from_pairs(
        np.array([2, 0, 2, 2]), np.array([7, 4, 3, 7]), np.array([1.0, 0.0, 2.0, 3.0]), n_queries=4
    )
    assert qrels.indptr.tolist() == [0, 1, 1, 3, 3]
    assert qrels.items.tolist() == [4, 3, 7]
    assert qrels.grades.tolist() == [0, 2, 3]
    assert qrels.relevant_counts().tolist() == [0, 0, 2, 0]


@pytest.mark.parametrize(
    ("indptr", "items", "grades", "message"),
    [
        ([0, 2, 3], [1, 5, 0], [1, 1, np.nan], "query row 1 has item 0 with grade nan"),
        ([0, 0, 2, 2], [5, 5], [1, 0], "query row 1 has item 5"),
        ([0, 2], [5, 3], [1, 0], "query row 0 has item 3"),
        ([0, 1], [-1], [1], "item -1"),
        ([0, 1], [1, 2], [1, 1], "indptr must rise from 0 to the 2 judgements"),
        ([0, 2, 1, 2], [1, 2], [1, 1], "indptr must rise"),
        ([], [], [], "indptr must rise"),
        ([0, 1], [1], [1, 2], r"expected int64\(Q \+ 1,\)"),
    ],
)
def test_faulty_judgements_are_refused_with_their_place(indptr, items, grades, message):
    with pytest.raises(DataError, match=message):
        Qrels(np.array(indptr, np.int64), np.array(items, np.int64), np.array(grades, float))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ties": "trec"}, "give id_ranks=rank_ids"),
        ({"ties": "trek"}, "did you mean 'trec'"),
        ({"ties": "trec", "id_ranks": np.arange(3)}, "the ranking has item row 3"),
    ],
)
def test_ties_and_id_ranks_must_fit(options, message):
    with pytest.raises(InputError, match=message):
        evaluate_one([3], [1.0], {3: 1.0}, **options)
