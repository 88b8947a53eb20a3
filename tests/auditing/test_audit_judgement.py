"""What is a fault, what is worth a look, and what is normal; what is compared, and what is not."""

import json

import numpy as np
import pytest

import foils
from foils.collection import Collection
from foils.recipes import load

USERS, ITEMS = 40, 500


def said(audit, level):
    return [finding.text for finding in audit.report.findings if finding.level == level]


def write(path, rows):
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture
def clicks():
    """Users without text, who stand in train and test."""
    pairs = [(user, user * 7 + click) for user in range(USERS) for click in range(4)]
    splits = ["test" if click == 3 else "train" for _ in range(USERS) for click in range(4)]
    return Collection.from_arrays(pairs, anchors=USERS, items=ITEMS, splits=splits)


def negatives(tmp_path, rows):
    return write(
        tmp_path / "rows.jsonl", [{"query_id": str(a), "negative_ids": [str(i) for i in items]} for a, items in rows]
    )


def test_users_stand_in_every_split_and_a_draw_from_test_is_normal(clicks, tmp_path):
    rows = [(user, [400 + place for place in range(10)]) for user in range(USERS)]
    rows[0][1][0] = 3  # what user 0 clicks in test
    audit = foils.audit(clicks, negatives(tmp_path, rows))
    leak = audit.report.leakage[0]
    assert (leak.positives_of_same_anchor, leak.anchors_in_split, leak.anchors_shared_by_design) == (1, USERS, True)
    assert said(audit, "fault") == []
    assert any("1 negative is a positive of the same anchor in test" in text for text in said(audit, "fine"))
    assert any("stand in test as well, as users and entities do" in text for text in said(audit, "fine"))


def test_many_clicks_of_tomorrow_are_worth_a_look(clicks, tmp_path):
    rows = [(user, [user * 7 + 3, 450]) for user in range(USERS)]
    audit = foils.audit(clicks, negatives(tmp_path, rows))
    assert said(audit, "fault") == []
    assert any("tomorrow's positives" in text for text in said(audit, "look"))


def test_triples_share_entities_by_design(tmp_path):
    names = [f"e{row}\tr\te{(row + step) % 30}\n" for row in range(30) for step in (1, 2)]
    (tmp_path / "train.tsv").write_text("".join(names[::2]))
    (tmp_path / "test.tsv").write_text("".join(names[1::2]))
    mined = foils.mine(Collection.from_triples(tmp_path), "uniform", negatives=5)
    assert said(foils.audit(mined), "fault") == []


def test_any_query_of_train_that_stands_in_test_is_counted(tmp_path):
    n = 400
    pairs = [(row, row) for row in range(n)] + [(0, 5)]
    data = Collection.from_arrays(
        pairs,
        anchors=[f"query number {row}" for row in range(n)],
        items=[f"answer {row}" for row in range(n)],
        splits=["train"] * n + ["test"],
    )
    audit = foils.audit(data, negatives(tmp_path, [(row, [(row + 9) % n]) for row in range(n)]))
    assert any(text.startswith("1 of 400 anchors stand in test as well") for text in said(audit, "look"))


def test_a_positive_of_a_twin_is_no_copy(tmp_path):
    data = Collection.from_arrays(
        [(0, 0), (1, 1)], anchors=["what is tea", "What is  tea"], items=["a drink", "leaves", "A  drink", "salt"]
    )
    audit = foils.audit(data, negatives(tmp_path, [(0, [1, 2, 3]), (1, [3])]))
    found = audit.report.duplicates
    assert (found.known_positives, found.copies_of_positives, found.positives_of_twins) == (0, 1, 1)
    assert "1 negative is a positive of another anchor with the same text." in said(audit, "fault")
    assert "1 negative is an exact copy of a positive of the anchor." in said(audit, "fault")


SENTENCE = "the quick brown fox jumps over the lazy dog and runs away into the deep dark wood behind the old house"


@pytest.fixture
def edited():
    items = [SENTENCE, SENTENCE.replace("old", "new"), "something else entirely, about the sea and its ships"]
    items += [f"item {row} of no concern whatsoever to anybody" for row in range(20)]
    return Collection.from_arrays([(0, 0)], anchors=["where does the fox run"], items=items)


def test_near_copies_are_found_as_the_scorer_finds_them_and_its_recipe_is_named(edited, tmp_path):
    queries, items = np.ones((1, 4)), np.random.default_rng(0).standard_normal((23, 4))
    items[:3] = 1.0
    vectors = {"query_vectors": queries, "item_vectors": items}
    plain = {"source": "{dense: {k: 20}}", "sampler": "{top_k: {column: dense}}"}
    recipe = tmp_path / "plain.yaml"
    recipe.write_text("".join(f"{name}: {value}\n" for name, value in plain.items()))
    audit = foils.audit(foils.mine(edited, load(str(recipe)), negatives=5, **vectors))
    assert audit.report.near_duplicates.rate.estimate == pytest.approx(1 / 5)
    finding = next(text for text in said(audit, "look") if "nearly repeat" in text)
    lines = ["scorers: [{near_duplicate: {}}]", "rules: [{max_score: {column: near_duplicate, threshold: 0.8}}]"]
    assert all(line in finding for line in lines)
    recipe.write_text(recipe.read_text() + "\n".join(lines) + "\n")
    mended = foils.audit(foils.mine(edited, load(str(recipe)), negatives=5, **vectors))
    assert mended.report.near_duplicates.rate.estimate == 0


@pytest.fixture
def searched():
    rng = np.random.default_rng(0)
    corpus = rng.standard_normal((120, 8)).astype(np.float32)
    queries = (corpus[:80] + 0.3 * rng.standard_normal((80, 8))).astype(np.float32)
    texts = [f"item {row} {'tea' if row % 2 else 'salt'}" for row in range(120)]
    data = Collection.from_arrays(
        [(row, row) for row in range(80)], anchors=[f"query {row} tea" for row in range(80)], items=texts
    )
    return data, queries, corpus


def mined(searched, recipe="naive-top-k", *, scale=1.0, noise=0.0, **options):
    data, queries, corpus = searched
    corpus = scale * corpus + np.float32(noise) * np.random.default_rng(7).standard_normal(corpus.shape, np.float32)
    return foils.mine(data, recipe, negatives=3, query_vectors=queries, item_vectors=corpus, **options)


SCORED = {"mean_gap", "share_at_or_above"}


def keys(comparison):
    return {change.key for change in comparison.changes}


def test_scores_of_two_encoders_are_not_subtracted(searched):
    audit = foils.audit(mined(searched), compare_with=mined(searched, noise=0.5))
    compared = audit.report.comparison
    assert not compared.scores_compared
    assert compared.histograms is None
    assert not SCORED & keys(compared)
    assert {"negatives_per_unit", "share_short", "share_of_corpus", "gini"} <= keys(compared)
    assert "two different models" in compared.notes[0]
    assert "two different models" in audit.summary()
    assert audit.data()["comparison"]["scores_compared"] is False


def test_scores_of_two_columns_are_not_subtracted(searched):
    compared = foils.audit(mined(searched), compare_with=mined(searched, "bm25")).report.comparison
    assert not SCORED & keys(compared)
    assert "dense here and bm25 there" in compared.notes[0]
    compared = foils.audit(mined(searched), compare_with=mined(searched, "uniform")).report.comparison
    assert "scores: dense here, none there" in compared.notes[0]
    dot = mined(searched, settings=["source.dense.similarity=dot"])
    assert not foils.audit(mined(searched), compare_with=dot).report.comparison.scores_compared


@pytest.mark.parametrize("other", ["nv-retriever", "hybrid", "bm25"])
def test_scores_of_one_encoder_are_compared_whatever_the_column_is_called(searched, other):
    first = "tripclick" if other == "bm25" else "naive-top-k"
    compared = foils.audit(mined(searched, first), compare_with=mined(searched, other)).report.comparison
    assert compared.scores_compared == (other != "hybrid")  # which orders by rank
    assert keys(compared) >= SCORED or other == "hybrid"


def test_two_encoders_are_compared_by_vectors_given_to_both(searched):
    _, queries, corpus = searched
    compared = foils.audit(
        mined(searched), compare_with=mined(searched, noise=0.5), query_vectors=queries, item_vectors=corpus
    ).report.comparison
    assert compared.scores_compared
    assert keys(compared) >= SCORED
    assert compared.notes == []


def test_vectors_in_another_order_are_the_first_thing_said(tmp_path):
    rng, n = np.random.default_rng(3), 300
    data = Collection.from_arrays([(row, row) for row in range(n)], anchors=n, items=n)
    vectors = rng.standard_normal((n, 8))
    sane = {"query_vectors": vectors, "item_vectors": vectors}
    wrong = sane | {"item_vectors": rng.permutation(vectors)}
    rows = negatives(tmp_path, [(row, [(row + 9) % n]) for row in range(n)])
    audit = foils.audit(data, rows, **wrong)
    assert audit.report.headline.startswith("Positives cannot be told by their scores from random items")
    assert audit.report.separation["model"].suspicious
    assert not foils.audit(data, rows, **sane).report.separation["model"].suspicious
    assert foils.audit(data, rows).report.separation == {}
    spoilt = foils.mine(data, "naive-top-k", negatives=3, **wrong)
    assert said(foils.audit(spoilt), "look")[0].startswith("Positives cannot be told by their scores from random items")


def test_runs_of_two_files_are_not_compared_by_their_scores(searched, tmp_path):
    data, *_ = searched
    results = []
    for name, scale in (("a", 1.0), ("b", 7.0)):
        lines = [
            f"{row} Q0 {item} {rank} {scale / rank} x" for row in range(80) for rank, item in enumerate((100, 101), 1)
        ]
        (tmp_path / f"{name}.run").write_text("\n".join(lines) + "\n")
        recipe = tmp_path / f"{name}.yaml"
        recipe.write_text(f"source: {{run: {{file: {tmp_path / name}.run}}}}\nsampler: {{top_k: {{}}}}\n")
        results.append(foils.mine(data, recipe, negatives=2))
    assert not foils.audit(results[0], compare_with=results[1]).report.comparison.scores_compared
    assert foils.audit(results[0], compare_with=results[0]).report.comparison.scores_compared
