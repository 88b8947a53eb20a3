"""Too few negatives: searched deeper, then kept, counted and compared; nothing that was rejected fills the gap.

And what must never come out: known positives, their exact duplicates, items without text, anything twice.
"""

import random
from dataclasses import replace
from importlib import resources
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mining_problem import absolute_margin, contents, found, naive, problem
from scipy import stats

from foils.collection import Collection, Records
from foils.errors import DataError, InputError
from foils.mining import mine

DEEP = Path(__file__).with_name("deep.yaml")
TOP = "source: {{dense: {{k: {k}, max_depth: {max_depth}, similarity: dot}}}}\nsampler: {{top_k: {{}}}}"


def line(positions: list[float]) -> np.ndarray:
    """Vectors on a line: the score of an item is its position."""
    return np.array(positions, np.float32)[:, None]


ONE = line([1])


# --- depth


def test_a_short_unit_is_searched_deeper_by_doubling(recipe_file):
    # 100 items above the margin, so a unit that needs n survivors looks past rank 100 + n.
    data = Collection.from_arrays([(0, 0)], anchors=1, items=300)
    scores = line([50, *range(200, 100, -1), *range(40, 40 - 199, -1)])
    depths = {}
    for k in (5, 7, 100, 101, 104, 150):
        recipe = recipe_file(
            f"source: {{dense: {{k: {k}, similarity: dot}}}}\nrules: [{{absolute_margin: {{margin: 1}}}}]\n"
            "sampler: {top_k: {}}"
        )
        mined = mine(data, recipe, negatives=4, query_vectors=ONE, item_vectors=scores)
        depths[k] = mined.stats["units_by_searched_depth"]
        survivors = max(0, min(299, int(next(iter(depths[k])))) - 100)
        assert mined.negatives["scores"].to_pylist() == [[40.0, 39.0, 38.0, 37.0][:survivors]]
    # Doubling, up to ten times k.
    assert depths == {5: {"50": 1}, 7: {"70": 1}, 100: {"200": 1}, 101: {"202": 1}, 104: {"104": 1}, 150: {"150": 1}}


@pytest.mark.parametrize("max_depth", [5, 6, 11, 40])
def test_max_depth_is_the_last_look(max_depth):
    this = problem()
    mined = this.mine(DEEP, settings=[f"source.dense.max_depth={max_depth}"])
    depths = {5, 10, 20, 40} if max_depth == 40 else {5, 10, 11} if max_depth == 11 else {5, max_depth}
    assert {int(depth) for depth in mined.stats["units_by_searched_depth"]} <= depths
    assert max(int(depth) for depth in mined.stats["units_by_searched_depth"]) == max_depth
    assert found(mined) == naive(this, absolute_margin(3, fmean), k=5, max_depth=max_depth)


def test_an_exhausted_source_is_not_searched_deeper(recipe_file):
    data = Collection.from_arrays([(0, 0)], anchors=1, items=6)
    mined = mine(
        data,
        recipe_file(TOP.format(k=6, max_depth=600)),
        negatives=8,
        query_vectors=ONE,
        item_vectors=line([*range(6)]),
    )
    assert mined.stats["units_by_searched_depth"] == {"6": 1}
    assert found(mined)[0].exhausted
    assert found(mined)[0].negatives == [5, 4, 3, 2, 1]


def test_a_source_with_exactly_as_many_as_asked_is_asked_once_more(recipe_file):
    data = Collection.from_arrays([(0, 0)], anchors=1, items=6)
    mined = mine(
        data,
        recipe_file(TOP.format(k=5, max_depth=600)),
        negatives=8,
        query_vectors=ONE,
        item_vectors=line([*range(6)]),
    )
    assert mined.stats["units_by_searched_depth"] == {"10": 1}


@pytest.mark.parametrize(
    ("source", "sampler", "room"),
    [
        ("dense: {k: 3, max_depth: 7}", "top_k: {}", 7),
        ("dense: {k: 3, max_depth: 20}", "top_k: {skip_ranks: 14, skip_survivors: 1}", 5),
        ("dense: {k: 100}", "uniform: {skip_ranks: 2, max_rank: 8}", 6),
    ],
)
def test_a_window_that_can_never_suffice_is_told(recipe_file, source, sampler, room):
    recipe = recipe_file(f"source: {{{source}}}\nsampler: {{{sampler}}}")
    told = problem().mine(recipe, negatives=8)
    assert told.stats["short_units"] == told.stats["units"]
    assert f"leave at most {room} candidates of a unit, and 8 negatives are asked for" in told.summary()
    assert max(len(row) for row in told.negatives["negative_ids"].to_pylist()) <= room
    assert problem().mine(recipe, negatives=room).stats["warnings"] == []


def test_a_window_that_leaves_nothing_is_refused_before_work(recipe_file, tmp_path):
    recipe = recipe_file("source: {dense: {k: 9, max_depth: 20}}\nsampler: {uniform: {skip_ranks: 20}}")
    with pytest.raises(InputError, match="leaves none of the 20 candidates"):
        problem().mine(recipe, tmp_path / "out", negatives=8)
    assert not (tmp_path / "out").exists()


# --- relaxing


def test_relaxing_goes_step_by_step_and_only_as_far_as_needed(recipe_file):
    # Item 0 is the positive at 100; the others lie at 99, 97, 95 and so on.
    steps = "[{absolute_margin: {margin: 6}}, {absolute_margin: {margin: 2}}, {absolute_margin: {margin: 0}}]"
    recipe = recipe_file(
        "source: {dense: {k: 6, max_depth: 6, similarity: dot}}\nrules: [{absolute_margin: {margin: 10}}]\n"
        f"sampler: {{top_k: {{}}}}\nshortfall: {{policy: relax, steps: {steps}}}"
    )
    data = Collection.from_arrays([(0, 0)], anchors=1, items=7)
    scores = line([100, 99, 97, 95, 93, 91, 89])
    wanted = {
        1: (0, [89]),
        2: (1, [93, 91]),
        3: (1, [93, 91, 89]),
        4: (2, [97, 95, 93, 91]),
        6: (3, [99, 97, 95, 93, 91, 89]),
    }
    for m, (relaxed, drawn) in wanted.items():
        mined = mine(data, recipe, negatives=m, query_vectors=ONE, item_vectors=scores)
        assert mined.negatives["scores"].to_pylist() == [drawn], m
        assert found(mined)[0].relaxed == relaxed, m
        assert mined.stats["relaxed_units"] == (relaxed > 0)
        assert ("relaxed rules" in mined.summary()) is (relaxed > 0)
    mined = mine(data, recipe, negatives=4, query_vectors=ONE, item_vectors=scores)
    assert found(mined)[0].reasons == ["absolute_margin", *["kept"] * 5]
    assert "rules relaxed 2 times" in str(mined.explain("0"))


# --- weak positives: a margin must not make their anchors vanish


def test_anchors_with_weak_positives_keep_their_row_and_are_compared():
    data = Collection.from_arrays([(row, row) for row in range(6)], anchors=6, items=30)
    rng = np.random.default_rng(0)
    corpus = rng.standard_normal((30, 8))
    queries = corpus[:6].copy()
    queries[4:] = -corpus[4:6] + 0.1 * rng.standard_normal((2, 8))  # the model is worst at these two
    mined = mine(
        data,
        "nv-retriever",
        negatives=3,
        query_vectors=queries.astype(np.float32),
        item_vectors=corpus.astype(np.float32),
    )
    rows = mined.negatives.to_pylist()
    assert [row["unit_id"] for row in rows] == [str(row) for row in range(6)]
    assert [row["negative_ids"] for row in rows[4:]] == [[], []]
    assert all(len(row["negative_ids"]) == 3 for row in rows[:4])
    assert mined.stats["short_units"] == mined.stats["empty_units"] == 2
    assert mined.stats["missing_negatives"] == 6
    compared = mined.stats["mean_positive_score"]
    assert compared["short_units"] < -0.9 < 0.9 < compared["other_units"]
    assert (
        "short: 2 of 6 anchors got fewer than 3 (2 of them none), 6 negatives missing; their positives score -"
        in mined.summary()
    )
    assert mined.to("n-tuple", columns="id").num_rows == 6
    assert mined.to("n-tuple", columns="id", shortfall="drop").num_rows == 4


# --- exact duplicates of positives


@pytest.mark.parametrize("per", ["anchor", "pair"])
@pytest.mark.parametrize("recipe", ["naive-top-k", "uniform", "popularity", "top-k-shifted"])
@pytest.mark.parametrize("normaliser", ["text", "code", "none"])
def test_exact_duplicates_of_positives_are_excluded_as_the_normaliser_says(recipe_file, per, recipe, normaliser):
    text = (resources.files("foils.recipes") / f"{recipe}.yaml").read_text(encoding="utf-8")
    path = recipe_file(f"per: {per}\n{text}")
    copies = [
        "The  Positive",
        "the positive",
        "The Positive",
        "\uff34\uff28\uff25\tPositive ",  # full-width letters, a tab, white space
    ]
    data = Collection.from_arrays(
        [(0, 0), (1, 4), (2, 1), (2, 2), (2, 3), (2, 5)],  # the last makes the copies popular
        anchors=["a", "b", "c"],
        items=[*copies, "another", "a third"],
        normaliser=normaliser,
    )
    vectors = np.ones((6, 2), np.float32)
    settings = ["sampler.top_k.skip_ranks=0"] if recipe == "top-k-shifted" else []
    mined = mine(data, path, negatives=5, query_vectors=vectors[:3], item_vectors=vectors, settings=settings)
    known = {"text": {"0", "1", "2", "3"}, "code": {"0", "2"}, "none": {"0"}}[normaliser]
    drawn = set(mined.negatives["negative_ids"].to_pylist()[0])
    assert not drawn & known
    assert drawn >= {"1", "2", "3"} - known  # as they are other items then
    assert mined.stats["exact_duplicates_of_positives"] == {"text": 3 + 1, "code": 1 + 1, "none": 0}[normaliser]


# --- what is random


def test_equal_runs_are_equal_without_seeding_anything():
    this = problem()
    for recipe in ("uniform", "popularity", "simans"):
        np.random.seed(1)  # noqa: NPY002 - the global state must not matter
        random.seed(1)
        first = this.mine(recipe)
        np.random.seed(2)  # noqa: NPY002
        random.seed(2)
        assert contents(this.mine(recipe).negatives) == contents(first.negatives)


def test_global_random_states_are_left_alone():
    before = random.getstate(), repr(np.random.get_state())  # noqa: NPY002
    for recipe in ("uniform", "popularity", "simans"):
        problem().mine(recipe).sample(1)
    assert (random.getstate(), repr(np.random.get_state())) == before  # noqa: NPY002


@pytest.mark.parametrize("recipe", ["uniform", "popularity"])
def test_no_item_is_favoured_by_its_row(recipe):
    # Every item is the positive of as many anchors, so all are equally likely; the last is where −1 would lead.
    anchors, items, m = 600, 40, 5
    pairs = [(row, (row + step) % items) for row in range(anchors) for step in (0, 7)]
    data = Collection.from_arrays(pairs, anchors=anchors, items=items)
    mined = mine(data, recipe, negatives=m)
    drawn = [int(item) for row in mined.negatives["negative_ids"].to_pylist() for item in row]
    counts = np.bincount(drawn, minlength=items)
    assert counts.sum() == anchors * m
    assert stats.chisquare(counts).pvalue > 0.001
    assert abs(counts[-1] - anchors * m / items) < 5 * np.sqrt(anchors * m / items)


# --- nothing rejected, nothing known, nothing twice


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    recipe=st.sampled_from(["uniform", "popularity", "naive-top-k", "nv-retriever", "simans", "max-score"]),
    negatives=st.integers(1, 12),
    items=st.integers(8, 40),
)
def test_what_comes_out_was_kept_is_unknown_and_comes_once(seed, recipe, negatives, items):
    this = problem(anchors=12, items=items, seed=seed)
    mined = this.mine(recipe, negatives=negatives)
    known, empty = this.collection.positives(), set(np.flatnonzero(this.collection.items.empty).tolist())
    for unit, row in zip(found(mined), mined.negatives.to_pylist(), strict=True):
        kept = [item for item, reason in zip(unit.candidates, unit.reasons, strict=True) if reason == "kept"]
        assert set(unit.negatives) <= set(kept)
        assert len(set(unit.negatives)) == len(unit.negatives) <= negatives
        assert not set(unit.candidates) & (set(known.row(unit.anchor).tolist()) | empty)
        assert len(set(unit.candidates)) == len(unit.candidates)
        columns = ("negative_ids", "scores", "ranks", "p_positive", "log_q", "source")
        assert {len(row[name]) for name in columns} == {len(unit.negatives)}
        assert not np.isinf(row["scores"]).any()
        if recipe in ("uniform", "popularity"):
            free = items - len(known.row(unit.anchor)) - len(empty - set(known.row(unit.anchor).tolist()))
            assert len(unit.negatives) <= min(negatives, free)
            assert recipe == "popularity" or len(unit.negatives) == min(negatives, free)


def test_positives_of_one_anchor_in_several_rows_are_all_excluded():
    data = Collection.from_arrays([(0, 1), (1, 0), (0, 2), (0, 1)], anchors=2, items=4)
    vectors = np.ones((4, 2), np.float32)
    for recipe in ("naive-top-k", "uniform"):
        mined = mine(data, recipe, negatives=3, query_vectors=vectors[:2], item_vectors=vectors)
        assert [sorted(row) for row in mined.negatives["negative_ids"].to_pylist()] == [["0", "3"], ["1", "2", "3"]]
        assert mined.negatives["positive_ids"].to_pylist() == [["1", "2"], ["0"]]


@pytest.mark.parametrize("recipe", ["naive-top-k", "nv-retriever", "uniform", "popularity", "simans"])
def test_a_corpus_smaller_than_what_is_asked_for_gives_what_there_is(recipe):
    data = Collection.from_arrays([(0, 0), (1, 1), (1, 2)], anchors=2, items=3)
    vectors = np.array([[1, 0], [0, 1], [1, 1]], np.float32)
    mined = mine(data, recipe, negatives=8, query_vectors=vectors[:2], item_vectors=vectors)
    assert all(len(set(row)) == len(row) <= 2 for row in mined.negatives["negative_ids"].to_pylist())
    assert mined.stats["short_units"] == 2
    assert mined.to("n-tuple", columns="id").num_columns == 2 + 8


@pytest.mark.parametrize("recipe", ["naive-top-k", "uniform", "popularity", "simans"])
def test_an_anchor_with_99_percent_positives_gets_the_rest(recipe):
    items = 300
    positives = [item for item in range(items) if item not in (0, 150, items - 1)]
    pairs = [(0, item) for item in positives] + [(1, item) for item in (0, 150, items - 1)]
    data = Collection.from_arrays(pairs, anchors=2, items=items)
    vectors = np.random.default_rng(0).standard_normal((items, 4)).astype(np.float32)
    mined = mine(data, recipe, negatives=4, query_vectors=vectors[:2], item_vectors=vectors)
    rows = mined.negatives["negative_ids"].to_pylist()
    assert sorted(rows[0], key=int) == ["0", "150", "299"]
    assert len(rows[1]) == 4


def test_an_anchor_to_which_every_item_is_positive_has_no_candidates():
    data = Collection.from_arrays([(0, 0), (0, 1), (1, 1)], anchors=2, items=2)
    for recipe in ("naive-top-k", "uniform", "popularity"):
        vectors = np.ones((2, 2), np.float32)
        mined = mine(data, recipe, negatives=2, query_vectors=vectors, item_vectors=vectors)
        assert mined.negatives["negative_ids"].to_pylist() == [[], ["0"]]
        assert mined.explain("0").candidates == []


def test_zero_vectors_are_candidates_under_dot_and_refused_under_cosine():
    data = Collection.from_arrays([(0, 0)], anchors=1, items=4)
    corpus = line([2, 0, 1, -1])
    mined = mine(
        data,
        "naive-top-k",
        negatives=3,
        query_vectors=ONE,
        item_vectors=corpus,
        settings=["source.dense.similarity=dot"],
    )
    assert mined.negatives["negative_ids"].to_pylist() == [["2", "1", "3"]]
    assert mined.negatives["scores"].to_pylist() == [[1.0, 0.0, -1.0]]
    with pytest.raises(DataError, match=r"row 1 .from 0. is a zero vector"):
        mine(data, "naive-top-k", negatives=3, query_vectors=ONE, item_vectors=corpus)


def test_anchors_without_positives_have_no_row_and_are_counted():
    this = problem(anchors=40)
    mined = this.mine("uniform")
    known = this.collection.positives()
    assert mined.stats["anchors_without_positives"] == int((known.degrees == 0).sum()) == 4
    assert mined.stats["units"] == 36
    assert not {"8", "17", "26", "35"} & set(mined.negatives["anchor_id"].to_pylist())


@pytest.mark.parametrize("recipe", ["naive-top-k", "uniform", "popularity", "simans"])
def test_items_without_text_are_never_mined(recipe):
    empty = (1, 7, 88)
    this = problem(empty=empty)
    mined = this.mine(recipe, negatives=60)
    drawn = {item for row in mined.result.candidates()["items"].to_pylist() for item in row}
    assert drawn
    assert not drawn & set(empty)
    assert mined.stats["items_with_empty_text"] == 3


def test_an_item_without_text_may_be_a_positive_and_has_no_score():
    data = Collection.from_arrays([(0, 0), (1, 0), (1, 1)], anchors=["a", "b"], items=["", "x", "y", "z"])
    vectors = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)  # of nothing, an encoder may give nothing
    mined = mine(data, "nv-retriever", negatives=2, query_vectors=vectors[1:3], item_vectors=vectors)
    stored = mined.result.candidates().to_pylist()
    assert stored[0]["reason"] == ["no_positive_score"] * 3
    assert np.isnan(stored[0]["positive_score.dense"]).all()
    assert np.isnan(stored[1]["positive_score.dense"]).tolist() == [True, False]
    assert mined.stats["mean_positive_score"]["other_units"] is not None or mined.stats["short_units"] == 2


def test_only_positives_of_the_named_split_are_excluded():
    vectors = np.ones((4, 2), np.float32)
    data = Collection.from_arrays([(0, 0), (0, 1), (1, 2)], anchors=2, items=4, splits=["train", "test", "test"])
    train = mine(data, "naive-top-k", negatives=4, query_vectors=vectors[:2], item_vectors=vectors)
    test = mine(data, "naive-top-k", negatives=4, query_vectors=vectors[:2], item_vectors=vectors, split="test")
    assert train.negatives["negative_ids"].to_pylist() == [["1", "2", "3"]]
    assert test.negatives["negative_ids"].to_pylist() == [["0", "2", "3"], ["0", "1", "3"]]


def test_a_split_without_positives_is_refused():
    data = Collection.from_arrays([(0, 0), (0, 1)], anchors=1, items=2, grades=[1, 0], splits=["train", "test"])
    with pytest.raises(DataError, match="no anchor has a positive in the split 'test'"):
        mine(data, "uniform", negatives=1, split="test")


# --- trusted negatives


def test_trusted_negatives_are_exempt_from_rules_only_where_they_are_provided(recipe_file):
    data = Collection.from_arrays([(0, 0), (0, 1)], anchors=1, items=3, grades=[1, 0])
    corpus = line([1, 5, 0.5])
    rules = "rules: [{absolute_margin: {margin: 0}}]\nsampler: {top_k: {}}"
    dense = mine(
        data, recipe_file(f"source: {{dense: {{similarity: dot}}}}\n{rules}"),
        negatives=2, query_vectors=ONE, item_vectors=corpus,
    )  # fmt: skip
    assert dense.negatives["negative_ids"].to_pylist() == [["2"]]
    stored = dense.result.candidates().to_pylist()[0]
    assert stored["reason"] == ["absolute_margin", "kept"]
    assert stored["p_positive"][0] == 0
    assert np.isnan(stored["p_positive"][1])
    provided = mine(
        data, recipe_file(f"source: {{provided: {{}}}}\nscorers: [{{vectors: {{similarity: dot}}}}]\n{rules}"),
        negatives=2, query_vectors=ONE, item_vectors=corpus,
    )  # fmt: skip
    row = provided.negatives.to_pylist()[0]
    assert (row["negative_ids"], row["p_positive"], row["source"]) == (["1"], [0.0], ["provided"])


def test_titles_belong_to_the_text():
    data = Collection.from_arrays([(0, 0)], anchors=["a"], items=["b", "", ""], item_titles=["", "t", ""])
    mined = mine(data, "uniform", negatives=2)
    assert mined.negatives["negative_ids"].to_pylist() == [["1"]]
    assert mined.to("triplet")["negative"].to_pylist() == ["t"]


def test_ids_need_not_be_rows(recipe_file):
    this = problem()
    named = replace(
        this.collection,
        anchors=Records.of([f"q{row}" for row in range(40)], this.collection.anchors.texts.to_pylist()),
        items=Records.of([f"d{row}" for row in range(90)], this.collection.items.texts.to_pylist()),
    )
    one, other = this.mine(DEEP).negatives, replace(this, collection=named).mine(DEEP).negatives
    spelled = [[f"d{item}" for item in row] for row in one["negative_ids"].to_pylist()]
    assert other["negative_ids"].to_pylist() == spelled
    assert other["unit_id"].to_pylist() == [f"q{unit}" for unit in one["unit_id"].to_pylist()]


def test_a_step_that_tightens_takes_nothing_away(recipe_file):
    text = "source: {dense: {k: 12, max_depth: 12}}\nrules: [{absolute_margin: {margin: 0.1}}]\nsampler: {top_k: {}}\n"
    steps = "shortfall: {policy: relax, steps: [{absolute_margin: {margin: 5}}, {absolute_margin: {margin: 0.05}}]}\n"
    plain, relaxed = (problem().mine(recipe_file(recipe), negatives=8) for recipe in (text, text + steps))
    assert plain.stats["short_units"] > 0
    for before, after in zip(*(m.negatives["negative_ids"].to_pylist() for m in (plain, relaxed)), strict=True):
        assert len(after) >= len(before)
    with_tight_step_only = problem().mine(
        recipe_file(text + steps.replace(", {absolute_margin: {margin: 0.05}}", "")), negatives=8
    )
    assert with_tight_step_only.negatives["negative_ids"] == plain.negatives["negative_ids"]
