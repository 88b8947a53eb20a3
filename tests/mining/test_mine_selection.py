"""From given vectors, ids, order, scores and bytes are the same for any block, thread count and budget."""

from statistics import fmean as mean

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mining_problem import TABLES, absolute_margin, contents, file_bytes, found, keep_all, max_score, naive, problem

from foils.mining import Execution

DEEP = """
source: {dense: {k: 5, max_depth: 40, similarity: dot}}
rules: [{absolute_margin: {margin: 3, reference: mean}}]
sampler: {top_k: {}}
"""
RELAXED = """
source: {dense: {k: 6, max_depth: 12, similarity: dot}}
rules: [{absolute_margin: {margin: 4, reference: max}}, {max_score: {threshold: 25}}]
sampler: {top_k: {}}
shortfall:
  policy: relax
  steps: [{absolute_margin: {margin: 2}}, {absolute_margin: {margin: 0}, max_score: {threshold: 30}}]
"""
PAIRS = """
per: pair
source: {dense: {k: 8, max_depth: 16}}
scorers: [{vectors: {similarity: dot}}]
rules: [{relative_margin: {margin: 0.1, reference: pair, column: dense}}]
sampler: {softmax: {temperature: 0.5}}
"""
WINDOW = """
source: {uniform: {k: 30}}
scorers: [{vectors: {}}]
rules: [{mean_std: {deviations: 0.5}}]
sampler: {uniform: {}}
"""
SIMANS = """
source: {dense: {k: 20}}
rules: [{relative_margin: {margin: 0.0, reference: max}}]
sampler: {simans: {a: 3, kernel: laplace, reference: mean}}
"""
PROVIDED = """
source: {provided: {}}
scorers: [{vectors: {}}]
sampler: {top_k: {}}
"""
POPULARITY = """
source: {popularity: {alpha: 0.75, k: 12}}
sampler: {uniform: {}}
"""
RECIPES = {
    "deep": DEEP,
    "relaxed": RELAXED,
    "pairs": PAIRS,
    "window": WINDOW,
    "simans": SIMANS,
    "provided": PROVIDED,
    "popularity": POPULARITY,
}
EXECUTIONS = [
    *(Execution(block=block, threads=threads) for block in (1, 7, 64, 1000) for threads in (1, 2)),
    *(Execution(memory_bytes=size, threads=2) for size in (16 << 20, 2_000_000_000)),
    Execution(memory_bytes=64 << 20, threads=1),
]


@pytest.mark.parametrize(
    ("recipe", "whole"),
    [*((name, True) for name in RECIPES), *((name, False) for name in ("deep", "pairs", "relaxed", "simans"))],
)
def test_result_does_not_depend_on_how_it_is_computed(tmp_path, recipe_file, recipe, whole):
    this, path = problem(anchors=24, items=60, whole=whole), recipe_file(RECIPES[recipe])
    first = this.mine(path, tmp_path / "first", execution=EXECUTIONS[0])
    assert first.stats["negatives"] > 0
    for number, execution in enumerate(EXECUTIONS[1:]):
        other = this.mine(path, tmp_path / str(number), execution=execution)
        assert contents(other.negatives) == contents(first.negatives), execution
        assert file_bytes(other.path) == file_bytes(first.path), execution


@pytest.mark.parametrize("recipe", ["uniform", "popularity", "naive-top-k", "nv-retriever", "simans", "top-k-shifted"])
def test_recipes_of_foils_do_not_depend_on_how_they_are_computed(tmp_path, recipe):
    this = problem(whole=False, seed=3)
    runs = [
        this.mine(recipe, tmp_path / str(number), execution=execution)
        for number, execution in enumerate(EXECUTIONS[::3])
    ]
    assert len({tuple(file_bytes(run.path).items()) for run in runs}) == 1


def test_the_cases_that_the_recipes_are_for_occur(recipe_file):
    stats = {name: problem().mine(recipe_file(text)).stats for name, text in RECIPES.items()}
    assert len(stats["deep"]["units_by_searched_depth"]) == 4  # 5, 10, 20, 40
    assert stats["relaxed"]["relaxed_units"] > 0
    assert stats["relaxed"]["short_units"] > 0
    assert stats["pairs"]["units"] > 2 * stats["deep"]["units"]
    assert stats["deep"]["exact_duplicates_of_positives"] > 0
    assert stats["deep"]["items_with_empty_text"] > 0


def test_another_seed_gives_other_draws_and_only_for_random_recipes(tmp_path, recipe_file):
    this = problem()
    for name, random in (("pairs", True), ("window", True), ("simans", True), ("popularity", True), ("deep", False)):
        path = recipe_file(RECIPES[name])
        one, other = this.mine(path, seed=0), this.mine(path, seed=1)
        assert (contents(one.negatives) != contents(other.negatives)) is random, name


@pytest.mark.parametrize(
    ("text", "rule", "expected"),
    [
        (DEEP, absolute_margin(3, mean), {"k": 5, "max_depth": 40}),
        (DEEP.replace("mean", "max"), absolute_margin(3, max), {"k": 5, "max_depth": 40}),
        (DEEP.replace("mean", "min"), absolute_margin(3, min), {"k": 5, "max_depth": 40}),
        (DEEP.replace("40", "90"), absolute_margin(3, mean), {"k": 5, "max_depth": 90}),
        (DEEP.replace("40", "5"), absolute_margin(3, mean), {"k": 5, "max_depth": 5}),
        (
            "source: {dense: {k: 7, similarity: dot, max_depth: 30}}\nrules: [{max_score: {threshold: 6}}]\n"
            "sampler: {top_k: {skip_ranks: 2}}",
            max_score(6),
            {"k": 7, "max_depth": 30, "skip_ranks": 2},
        ),
        ("source: {dense: {k: 4, similarity: dot}}\nsampler: {top_k: {}}", keep_all, {"k": 4, "max_depth": 40}),
        ("per: pair\n" + DEEP, absolute_margin(3, mean), {"k": 5, "max_depth": 40, "per": "pair"}),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_result_is_that_of_a_reference_in_plain_loops(recipe_file, text, rule, expected, seed):
    this = problem(seed=seed)
    assert found(this.mine(recipe_file(text))) == naive(this, rule, **expected)


def test_relaxing_is_that_of_a_reference_in_plain_loops(recipe_file):
    this = problem(seed=2)

    def both(margin: float, threshold: float):
        first, second = absolute_margin(margin, max), max_score(threshold)

        def rule(score, positives):
            verdict = first(score, positives)
            return second(score, positives) if verdict == "kept" else verdict

        return rule

    # A unit without a scored positive is rejected by the first rule alone, as in the reference.
    expected = naive(this, both(4, 25), k=6, max_depth=12, steps=[both(2, 25), both(0, 30)])
    assert found(this.mine(recipe_file(RELAXED))) == expected
    assert {unit.relaxed for unit in expected} == {0, 1, 2}


def test_tables_hold_no_trace_of_time_or_place(tmp_path):
    paths = [tmp_path / "a", tmp_path / "some" / "where=else" / "b"]
    for path in paths:
        problem().mine("simans", path)
    assert file_bytes(paths[0]) == file_bytes(paths[1])
    for name in TABLES:
        assert str(tmp_path).encode() not in (paths[0] / name).read_bytes()


def test_one_row_group_per_shard(tmp_path):
    this = problem()
    this.mine("uniform", tmp_path / "a")
    for table in ("negatives", "candidates"):
        file = pq.ParquetFile(tmp_path / "a" / f"{table}.parquet")
        assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [16, 16, 4]


def test_columns_are_as_documented(tmp_path, recipe_file):
    mined = problem().mine(recipe_file(DEEP))
    assert mined.negatives.schema.types == [
        pa.string(),
        pa.string(),
        pa.list_(pa.string()),
        pa.list_(pa.string()),
        pa.list_(pa.float32()),
        pa.list_(pa.int32()),
        pa.list_(pa.float32()),
        pa.list_(pa.float32()),
        pa.list_(pa.string()),
    ]
