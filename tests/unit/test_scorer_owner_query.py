"""Owner queries: the likest other anchor that an item is a known positive of."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import foils
from foils.collection import Collection
from foils.errors import RecipeError
from foils.recipes.document import parse
from foils.recipes.loader import build
from foils.scorers import OwnerQuery
from foils.search import Blocks, Forbidden, Inputs

problems = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "contract" / "problems.py"))
)  # fmt: skip


def inputs(pairs, anchors, items, **changed):
    """Give the inputs of a run over these known positives and vectors."""
    data = Collection.from_arrays(pairs, anchors=len(anchors), items=len(items))
    positives = data.positives()
    given = {
        "positives": positives,
        "trusted": data.trusted_negatives(),
        "mineable": np.ones(len(items), bool),
        "matrices": {"model": (np.asarray(anchors, np.float32), np.asarray(items, np.float32))},
        "negatives": 2,
        "seed": 0,
        "blocks": Blocks(8, 16, 64),
        "collection": data,
        "forbidden": Forbidden.of(positives),
    }
    return Inputs(**{**given, **changed})


def naive(given, anchors, items):
    """Look at every owner of every pair, one after the other."""
    vectors = given.matrices["model"][0].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for anchor, item in zip(anchors, items, strict=True):
        owners = [b for b in range(len(vectors)) if b != anchor and item in given.positives.row(b)]
        scored = item >= 0 and given.mineable[item] and owners
        found.append(max(vectors[anchor] @ vectors[b] for b in owners) if scored else np.nan)
    return np.array(found)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_likest_other_owner(seed):
    given = problems.inputs(seed)
    rows, items = np.divmod(np.arange(problems.N_ANCHORS * problems.N_ITEMS), problems.N_ITEMS)
    scores = OwnerQuery().open(given).score(rows, items)
    np.testing.assert_allclose(scores, naive(given, rows, items), rtol=0, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_items_without_another_owner_have_no_score(seed):
    rng = np.random.default_rng(seed)
    given = inputs([(0, 0), (1, 1), (1, 2), (2, 2)], rng.normal(size=(4, 7)), rng.normal(size=(5, 7)))
    rows, items = np.divmod(np.arange(20), 5)
    scores = OwnerQuery().open(given).score(rows, items)
    np.testing.assert_allclose(scores, naive(given, rows, items), rtol=0, atol=1e-6)
    unscored = np.isnan(scores).reshape(4, 5)
    assert unscored[:, 3:].all()  # nobody's
    assert unscored[0, 0]  # its own alone
    assert unscored[1, 1]
    assert not unscored[1, 2]
    assert not unscored[3, :3].any()


@pytest.mark.parametrize("dim", [1, 3, 17, 384])
def test_equal_anchors_score_exactly_one(dim):
    rng = np.random.default_rng(dim)
    vectors = np.repeat(rng.normal(size=(40, dim)).astype(np.float32), 2, axis=0)
    vectors[1::2] *= rng.uniform(0.01, 9, (40, 1)).astype(np.float32)  # the same direction
    given = inputs([(row, row) for row in range(80)], vectors, rng.normal(size=(80, dim)))
    scores = OwnerQuery().open(given).score(np.arange(80), np.arange(80) ^ 1)
    np.testing.assert_array_equal(scores, np.ones(80, np.float32))


def test_many_owners_are_compared_in_parts(monkeypatch):
    monkeypatch.setattr("foils.scorers.owner_query.OWNERS_AT_ONCE", 3)
    given = problems.inputs(1)
    rows, items = np.divmod(np.arange(problems.N_ANCHORS * problems.N_ITEMS), problems.N_ITEMS)
    scores = OwnerQuery().open(given).score(rows, items)
    np.testing.assert_allclose(scores, naive(given, rows, items), rtol=0, atol=1e-6)


def test_the_recipe_leaves_out_what_answers_the_same_question():
    items = np.eye(6, dtype=np.float32)
    anchors = np.array([items[0], items[0] + 0.1 * items[1], items[2], items[3]], np.float32)
    data = Collection.from_arrays([(0, 0), (1, 1), (2, 2), (3, 3)], anchors=4, items=6)
    given = {"query_vectors": anchors, "item_vectors": items, "negatives": 5}
    mined = foils.mine(data, "saha", **given)
    rows = {row["anchor_id"]: set(row["negative_ids"]) for row in mined.negatives.to_pylist()}
    assert rows["0"] == {"2", "3", "4", "5"}  # "1" is the positive of an anchor that means the same
    assert rows["2"] == {"0", "1", "3", "4", "5"}
    strict = foils.mine(data, "saha", settings=["rules.max_score.unscored=reject"], **given)
    rows = {row["anchor_id"]: set(row["negative_ids"]) for row in strict.negatives.to_pylist()}
    assert rows["0"] == {"2", "3"}  # the paper's: only what another anchor owns


def test_its_column_must_be_named():
    recipe = "source: {dense: {}}\nscorers: [{owner_query: {}}]\nsampler: {top_k: {}}\n"
    with pytest.raises(RecipeError, match="'owner_query', tells how alike"):
        build(parse(recipe, "x.yaml"), "x.yaml")
