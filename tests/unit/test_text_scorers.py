"""Near-duplicates and lexical overlap against their definitions, in plain Python."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import foils
from foils import recipes
from foils.collection import Collection
from foils.errors import RecipeError
from foils.mining import Execution
from foils.mining.prepare import prepare
from foils.records import Records
from foils.scorers import LexicalOverlap, NearDuplicate
from foils.scorers.near_duplicate import EXACT_FROM, jaccard
from foils.scorers.shingles import estimate, shingles, signatures
from foils.search.lexical import words

PASSAGES = [
    "The capital of France is Paris, on the river Seine.",
    "The capital of France is Paris, on the Seine river.",
    "THE  capital of France is Paris, on the river Seine!",
    "Lyon is a city in the south of France.",
    "Light travels at 299,792 kilometres per second.",
    "Strasse und Straße",
    "x",
    "",
]
QUERIES = ["capital of France", "speed of light", "Light travels at 299,792 kilometres per second?", "???"]
PAIRS = [(0, 0), (1, 4), (2, 4), (3, 5)]


def inputs(pairs=PAIRS, queries=QUERIES, passages=PASSAGES):
    data = Collection.from_arrays(pairs, anchors=queries, items=passages)
    recipe = recipes.load("uniform")
    return prepare(data, recipe, {}, negatives=1, split="train", seed=0, execution=Execution()).inputs


def every_pair(n, m):
    return np.repeat(np.arange(n), m), np.tile(np.arange(m), n)


def plain_shingles(text):
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return {text[at : at + 5] for at in range(max(1, len(text) - 4))}


def plain_jaccard(a, b):
    return len(plain_shingles(a) & plain_shingles(b)) / len(plain_shingles(a) | plain_shingles(b))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=6), st.lists(st.text("ab ", max_size=9), min_size=1, max_size=6)
)
def test_jaccard_is_the_share_of_common_shingles(left, right):
    rows, columns = every_pair(len(left), len(right))
    sides = [Records.of([str(row) for row in range(len(side))], side) for side in (left, right)]
    found = jaccard(sides[0], rows, sides[1], columns)
    wanted = [plain_jaccard(left[row], right[column]) for row, column in zip(rows, columns, strict=True)]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_estimates_are_without_bias_and_as_exact_as_they_say():
    rng = np.random.default_rng(0)
    alphabet = list("abcdefghijklmnopqrstuvwxyz ")
    texts = ["".join(rng.choice(alphabet, 1500)) for _ in range(60)]
    mixed = [texts[row][: 25 * row] + "".join(rng.choice(alphabet, 1500 - 25 * row)) for row in range(60)]
    rows = np.arange(60)
    signed = [signatures(*shingles(side), 60) for side in (texts, mixed)]
    wanted = np.array([plain_jaccard(a, b) for a, b in zip(texts, mixed, strict=True)])
    errors = estimate(signed[0][rows], signed[1][rows]) - wanted
    assert wanted.min() < 0.05
    assert wanted.max() > 0.9
    assert abs(errors.mean()) < 3 * 0.05 / np.sqrt(60)
    assert np.sqrt((errors**2).mean()) < 0.045


def test_short_texts_are_told_apart():
    signed = signatures(*shingles(["a", "b", "", "a", "abcde"]), 5)
    np.testing.assert_array_equal(estimate(signed[[0, 0, 2, 0, 4]], signed[[1, 3, 2, 2, 4]]), [0, 1, 1, 0, 1])


def test_a_candidate_is_compared_with_the_anchor_and_every_positive():
    given = inputs([*PAIRS, (0, 3)])
    rows, items = every_pair(len(QUERIES), len(PASSAGES))
    scores = NearDuplicate().open(given).score(rows, items)
    for row, item, score in zip(rows, items, scores, strict=True):
        others = [QUERIES[row], *(PASSAGES[positive] for positive in given.positives.row(row))]
        wanted = max(plain_jaccard(PASSAGES[item], other) for other in others)
        if not PASSAGES[item]:
            assert np.isnan(score)
        elif wanted > EXACT_FROM + 0.1:
            assert score == np.float32(wanted)
        else:
            assert abs(score - wanted) < 0.2
    np.testing.assert_array_equal(scores[np.isin(items, [0, 3]) & (rows == 0)], 1)  # positives themselves
    assert scores[(rows == 2) & (items == 4)] == 1


CHECKED = """
source: {dense: {k: 5}}
scorers: [{near_duplicate: {}}]
rules: [{max_score: {column: near_duplicate, threshold: 0.6}}]
sampler: {top_k: {column: dense}}
"""


def test_edited_copies_of_the_positive_are_rejected_by_a_rule(tmp_path):
    recipe = tmp_path / "checked.yaml"
    recipe.write_text(CHECKED)
    data = Collection.from_arrays([(0, 0)], anchors=QUERIES[:1], items=PASSAGES[:5])
    vectors = {"query_vectors": np.array([[1.0, 0]]), "item_vectors": np.array([[1, i / 9] for i in range(5)])}
    plain = foils.mine(data, "naive-top-k", negatives=2, **vectors)
    checked = foils.mine(data, recipe, negatives=2, **vectors)
    assert plain.negatives["negative_ids"].to_pylist() == [["1", "2"]]
    assert checked.negatives["negative_ids"].to_pylist() == [["3", "4"]]
    assert "max_score" in str(checked.explain("0"))


def test_lexical_overlap_is_the_share_of_the_anchors_words():
    rows, items = every_pair(len(QUERIES), len(PASSAGES))
    scores = LexicalOverlap().open(inputs()).score(rows, items).reshape(len(QUERIES), -1)
    np.testing.assert_array_equal(scores[0], np.float32([1, 1, 1, 2 / 3, 0, 0, 0, np.nan]))
    np.testing.assert_array_equal(scores[1], np.float32([1 / 3, 1 / 3, 1 / 3, 1 / 3, 1 / 3, 0, 0, np.nan]))
    assert scores[2, 4] == 1
    np.testing.assert_array_equal(scores[3, :7], 0)  # an anchor without words


def test_words_are_those_of_bm25():
    """Underscores part words, and marks of a script belong to them."""
    anchors, texts = ["max_score नमस्ते"], ["the max of a score", "max_score", "नमस्ते", "नमस"]
    scores = LexicalOverlap().open(inputs([(0, 0)], anchors, texts)).score(*every_pair(1, 4))
    distinct = [len(set(words(anchors[0])) & set(words(text))) / len(set(words(anchors[0]))) for text in texts]
    np.testing.assert_array_equal(scores, np.float32(distinct))
    np.testing.assert_array_equal(scores, np.float32([2 / 3, 2 / 3, 1 / 3, 0]))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text("ab c", max_size=9), min_size=1, max_size=4),
    st.lists(st.text("ab c", max_size=9), min_size=1, max_size=4),
)
def test_lexical_overlap_equals_sets_of_words(queries, passages):
    queries, passages = [f"{text} q" for text in queries], [f"{text} z" for text in passages]
    rows, items = every_pair(len(queries), len(passages))
    scores = LexicalOverlap().open(inputs([(0, 0)], queries, passages)).score(rows, items)
    words = [[set(text.split()) for text in side] for side in (queries, passages)]
    wanted = [len(words[0][row] & words[1][item]) / len(words[0][row]) for row, item in zip(rows, items, strict=True)]
    np.testing.assert_array_equal(scores, np.float32(wanted))


@pytest.mark.parametrize("scorer", ["near_duplicate", "lexical_overlap"])
@pytest.mark.parametrize(
    "parts",
    ["sampler: {top_k: {}}", "rules: [{max_score: {}}]\nsampler: {top_k: {column: dense}}"],
)
def test_likeness_orders_nothing_unless_it_is_named(tmp_path, scorer, parts):
    path = tmp_path / "mine.yaml"
    path.write_text(f"source: {{dense: {{}}}}\nscorers: [{{{scorer}: {{}}}}]\n{parts}\n")
    with pytest.raises(RecipeError, match=rf"no column is named, and the last one, '{scorer}'.*as in column: dense"):
        recipes.load(path)
    path.write_text(path.read_text().replace("{top_k: {}}", f"{{top_k: {{column: {scorer}}}}}"))
    if "rules" not in parts:
        assert recipes.load(path).ordered_by() == scorer


def test_two_columns_of_one_scorer_need_two_names(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "source: {dense: {}}\nscorers: [{near_duplicate: {}}, {near_duplicate: {name: again}}]\n"
        "sampler: {top_k: {column: dense}}\n"
    )
    assert list(recipes.load(path).columns()) == ["dense", "near_duplicate", "again"]
