"""Runs with every recipe of the sources, end to end: what is written, told and refused."""

import numpy as np
import pytest

import foils
from foils.errors import DataError, FolderError, RecipeError

WORDS = [f"word{number}" for number in range(60)]


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    items = [" ".join(rng.choice(WORDS, 12)) for _ in range(300)]
    queries = [" ".join(rng.choice(items[row].split(), 4)) for row in range(60)]
    data = foils.Collection.from_arrays([(row, row) for row in range(60)], anchors=queries, items=items)
    pair = (rng.normal(size=(60, 8)), rng.normal(size=(300, 8)))
    guide = (rng.normal(size=(60, 8)), rng.normal(size=(300, 8)))
    return data, {"query_vectors": pair[0], "item_vectors": pair[1], "vectors": {"guide": guide}}


@pytest.mark.parametrize("recipe", ["bm25", "hybrid", "guide", "tripclick", "runner-up", "star-static", "in-batch"])
def test_a_recipe_runs_the_same_on_any_blocks_and_threads(world, tmp_path, recipe):
    data, vectors = world
    runs = [
        foils.mine(data, recipe, negatives=3, out=tmp_path / str(n), execution=execution, **vectors)
        for n, execution in enumerate((foils.Execution(threads=1), foils.Execution(threads=2, block=7)))
    ]
    first, second = ((run.path / "candidates.parquet").read_bytes() for run in runs)
    assert first == second
    assert runs[0].stats["negatives"] > 100
    judged = [set(row["positive_ids"]) & set(row["negative_ids"]) for row in runs[0].negatives.to_pylist()]
    assert not any(judged)


def test_a_guide_rejects_what_it_scores_above_the_positive(world, tmp_path):
    data, vectors = world
    mined = foils.mine(data, "guide", negatives=3, out=tmp_path / "run", **vectors)
    anchors, items = mined.rows(data)
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in vectors["vectors"]["guide"]]
    scores = unit[0] @ unit[1].T
    rows, places = np.nonzero(items >= 0)
    assert (scores[anchors[rows], items[rows, places]] < scores[anchors[rows], anchors[rows]]).all()


def test_a_run_file_is_part_of_what_identifies_a_run(world, tmp_path):
    data, _ = world
    ranking = tmp_path / "bm25.run"
    ranking.write_text("".join(f"{row} Q0 {(row + n) % 300} {n} {9 - n} x\n" for row in range(60) for n in range(5)))
    recipe = tmp_path / "run.yaml"
    recipe.write_text(f"source: {{run: {{file: {ranking}}}}}\nsampler: {{top_k: {{}}}}\n")
    mined = foils.mine(data, recipe, negatives=2, out=tmp_path / "out")
    assert mined.stats["source"]["run"]["positives_excluded"] == 60
    assert mined.negatives["scores"].to_pylist()[0] == [8.0, 7.0]
    again = foils.Mined.open(mined.path, data)
    assert again.prepared is not None
    ranking.write_text(ranking.read_text() + "0 Q0 200 9 9 x\n")
    with pytest.raises(FolderError, match=r"inputs.run"):
        foils.mine(data, recipe, negatives=2, out=tmp_path / "out")
    ranking.unlink()
    with pytest.raises(DataError, match="there is no such file"):
        foils.mine(data, recipe, negatives=2, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_graph_tells_its_recall(world, tmp_path):
    data, vectors = world
    recipe = tmp_path / "graph.yaml"
    recipe.write_text(
        "source: {hnsw: {k: 20, connectivity: 2, expansion_add: 8, expansion_search: 8}}\nsampler: {top_k: {}}"
    )
    mined = foils.mine(data, recipe, negatives=2, **vectors)
    told = mined.stats["source"]["hnsw"]
    assert 0 < told["recall"] <= 1
    assert (told["recall"] < 0.95) is any("expansion_search" in text for text in mined.stats["warnings"])
    assert mined.identity.inputs["hnsw"].startswith("usearch ")


def test_shares_are_written_as_numbers_and_can_be_changed_afterwards(world):
    data, vectors = world
    mined = foils.mine(data, "runner-up", negatives=3, **vectors)
    assert mined.identity.recipe["sampler"] == {"uniform": {"skip_ranks": 9, "max_rank": 12}}
    assert {rank for ranks in mined.negatives["ranks"].to_pylist() for rank in ranks} == {10, 11, 12}
    wider = mined.rethreshold(["sampler.uniform.skip_ranks=1%"])
    assert wider.identity.recipe["sampler"] == {"uniform": {"skip_ranks": 3, "max_rank": 12}}
    tiny = foils.Collection.from_arrays([(0, 0)], anchors=["a"], items=["a", "b"])
    with pytest.raises(RecipeError, match="in a collection of 2 items"):
        foils.mine(tiny, "runner-up", negatives=1, query_vectors=np.ones((1, 2)), item_vectors=np.ones((2, 2)))


def test_words_need_texts(world):
    data = foils.Collection.from_arrays([(0, 0)], anchors=2, items=3)
    with pytest.raises(DataError, match="bm25 compares words"):
        foils.mine(data, "bm25", negatives=1)
