"""The cross-encoder from recipe to result: scored with or without a rule, once per pair, through kills and damage."""

import shutil
import sqlite3

import numpy as np
import pytest
from tiny_models import save_cross_encoder, save_sentence_transformer

import foils
from foils import recipes
from foils.candidates import Kind
from foils.errors import DataError, InputError, RecipeError
from foils.mining import Execution
from foils.mining.prepare import prepare
from foils.scorers import CrossEncoderScorer, cross_encoder
from foils.scorers.cross_encoder_model import CrossEncoderModel
from foils.scorers.pair_cache import PairCache

RNG = np.random.default_rng(0)
WORDS = ["red", "blue", "old", "cat", "dog", "car", "tree", "song", "a", "b", "c", "d"]
QUERIES = [" ".join(RNG.choice(WORDS, 2)) for _ in range(8)]
PASSAGES = [" ".join(RNG.choice(WORDS, 1 + number % 9)) for number in range(29)] + [" "]
VECTORS = {name: RNG.standard_normal((n, 4)) for name, n in (("query_vectors", 8), ("item_vectors", 30))}
DATA = foils.Collection.from_arrays([(row, row) for row in range(8)], anchors=QUERIES, items=PASSAGES)

RERANKED = """
source: {{dense: {{k: 12, max_depth: 12}}}}
scorers: [{{cross_encoder: {{model: "{model}"}}}}]
sampler: {{top_k: {{}}}}
"""
MARGIN = "rules: [{relative_margin: {margin: 0.05}}]\n"


@pytest.fixture
def reranked(tmp_path, pair_model):
    path = tmp_path / "reranked.yaml"
    path.write_text(RERANKED.format(model=pair_model))
    return path


@pytest.fixture
def asked(monkeypatch):
    """Count the pairs that reach the model."""
    pairs = []
    real = CrossEncoderModel.logits
    monkeypatch.setattr(CrossEncoderModel, "logits", lambda model, given: pairs.append(given) or real(model, given))
    return pairs


def logits_of(model, pairs):
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(model), device="cpu").predict(pairs, activation_fn=lambda logits: logits)


def every_pair():
    return np.repeat(np.arange(8), 30), np.tile(np.arange(30), 8)


def opened(model, cache=None, **fields):
    given = prepare(
        DATA, recipes.load("uniform"), {}, negatives=1, split="train", seed=0, execution=Execution(), cache=cache
    ).inputs
    return CrossEncoderScorer(model=str(model), **fields).open(given)


def test_scores_are_those_of_the_library(pair_model):
    rows, items = every_pair()
    scores = opened(pair_model, activation="none").score(rows, items)
    wanted = logits_of(pair_model, [(QUERIES[row], PASSAGES[item]) for row, item in zip(rows, items, strict=True)])
    assert np.ptp(wanted) > 0.5
    np.testing.assert_array_equal(np.isnan(scores), items == 29)
    np.testing.assert_allclose(scores[items < 29], wanted[items < 29], atol=1e-4)
    chances = opened(pair_model).score(rows, items)
    np.testing.assert_allclose(chances[items < 29], 1 / (1 + np.exp(-wanted[items < 29])), atol=1e-4)


def test_the_activation_says_what_the_numbers_mean():
    assert CrossEncoderScorer(model="x").columns() == {"cross_encoder": Kind.PROBABILITY}
    assert CrossEncoderScorer(model="x", activation="none", name="other").columns() == {"other": Kind.SCORE}


def test_logits_take_no_relative_margin(tmp_path, reranked):
    reranked.write_text(reranked.read_text().replace('"}}', '", activation: none}}') + MARGIN)
    with pytest.raises(RecipeError, match="needs a column of kind ratio, and 'cross_encoder' gives score only"):
        recipes.load(reranked)


def test_without_a_rule_every_candidate_is_scored_and_the_best_are_taken(reranked, pair_model, asked, tmp_path):
    mined = foils.mine(DATA, reranked, negatives=3, **VECTORS, cache=tmp_path / "cache")
    near = foils.mine(DATA, "naive-top-k", negatives=12, **VECTORS)
    for row in range(8):
        pool = [int(item) for item in near.negatives["negative_ids"][row].as_py()]
        logits = logits_of(pair_model, [(QUERIES[row], PASSAGES[item]) for item in pool])
        best = np.sort(1 / (1 + np.exp(-logits)))[::-1][:3]
        np.testing.assert_allclose(mined.negatives["scores"][row].as_py(), best, atol=1e-4)
        assert set(mined.negatives["negative_ids"][row].as_py()) <= set(map(str, pool))
    assert sum(map(len, asked)) > 0
    assert mined.identity.scores == "cross_encoder"


def test_a_margin_against_the_positive(reranked, pair_model):
    reranked.write_text(reranked.read_text() + MARGIN)
    mined = foils.mine(DATA, reranked, negatives=3, **VECTORS)
    for row, scores in enumerate(mined.negatives["scores"].to_pylist()):
        (logit,) = logits_of(pair_model, [(QUERIES[row], PASSAGES[row])])
        assert all(score < 0.95 / (1 + np.exp(-logit)) + 1e-4 for score in scores)


def test_pairs_of_all_anchors_share_batches_longest_first(pair_model, asked, monkeypatch):
    monkeypatch.setattr(cross_encoder, "CHUNK_PAIRS", 50)
    rows, items = every_pair()
    opened(pair_model).score(rows, items)
    assert [len(pairs) for pairs in asked] == [50, 50, 50, 50, 32]
    lengths = [len(a) + len(b) for pairs in asked for a, b in pairs]
    assert lengths == sorted(lengths, reverse=True)


def test_a_pair_is_scored_once(pair_model, asked, tmp_path):
    rows, items = every_pair()
    first = opened(pair_model, tmp_path).score(rows, items)
    done = len(asked)
    shuffled = RNG.permutation(len(rows))
    again = opened(pair_model, tmp_path).score(rows[shuffled], items[shuffled])
    np.testing.assert_array_equal(again, first[shuffled])
    opened(pair_model, tmp_path, activation="none").score(rows, items)  # what is kept is the logit
    scorer = opened(pair_model)
    scorer.score(rows, items)
    assert len(asked) == 2 * done
    scorer.score(rows, items)  # without a cache, within the run
    assert len(asked) == 2 * done


def test_other_weights_and_lengths_have_scores_of_their_own(pair_model, tmp_path, asked):
    rows, items = every_pair()
    first = opened(pair_model, tmp_path / "cache").score(rows, items)
    other = save_cross_encoder(tmp_path / "other", seed=1)
    done = len(asked)
    assert not np.allclose(opened(other, tmp_path / "cache").score(rows, items), first, equal_nan=True)
    assert not np.allclose(
        opened(pair_model, tmp_path / "cache", max_length=5).score(rows, items), first, equal_nan=True
    )
    assert len(asked) == 3 * done
    copy = shutil.copytree(pair_model, tmp_path / "copy")
    np.testing.assert_array_equal(opened(copy, tmp_path / "cache").score(rows, items), first)
    assert len(asked) == 3 * done


class Killed(BaseException):
    pass


def test_a_killed_run_loses_one_chunk_at_most(pair_model, tmp_path, monkeypatch):
    monkeypatch.setattr(cross_encoder, "CHUNK_PAIRS", 50)
    rows, items = every_pair()
    calls = []
    real = CrossEncoderModel.logits

    def mortal(model, pairs):
        calls.append(len(pairs))
        if len(calls) == 3:
            raise Killed
        return real(model, pairs)

    monkeypatch.setattr(CrossEncoderModel, "logits", mortal)
    with pytest.raises(Killed):
        opened(pair_model, tmp_path).score(rows, items)
    opened(pair_model, tmp_path).score(rows, items)
    assert sum(calls[3:]) == 232 - 100


@pytest.mark.parametrize("damage", [b"nothing of the kind" * 100, None])
def test_a_damaged_file_is_said_and_begun_anew(pair_model, tmp_path, damage):
    rows, items = every_pair()
    first = opened(pair_model, tmp_path).score(rows, items)
    (path,) = tmp_path.glob("pairs/*.sqlite3")
    path.write_bytes(damage if damage is not None else path.read_bytes()[:100] + bytes(4000))
    with pytest.warns(UserWarning, match="the stored scores are damaged"):
        again = opened(pair_model, tmp_path).score(rows, items)
    np.testing.assert_allclose(again, first, atol=1e-6)


def test_scores_keep_every_bit(tmp_path):
    cache = PairCache.open(tmp_path, {"a": 1})
    scores = np.array([np.pi, -0.5, 1e-38, 3e38, 16777217], np.float32)
    keys = np.array([bytes([row]) * 15 + b"\0" for row in range(5)], "S16")
    cache.put(keys, keys[::-1], scores)
    found = PairCache.open(tmp_path, {"a": 1}).get(keys, keys[::-1])
    np.testing.assert_array_equal(found.view(np.uint32), scores.view(np.uint32))
    assert np.isnan(cache.get(keys[:2], keys[:2])).all()
    assert np.isnan(PairCache.open(tmp_path, {"a": 2}).get(keys, keys[::-1])).all()


def test_two_processes_write_one_file(tmp_path):
    one, two = (PairCache.open(tmp_path, {}) for _ in range(2))
    keys = np.array([b"a" * 16, b"b" * 16], "S16")
    one.put(keys[:1], keys[:1], np.float32([1]))
    two.put(keys[1:], keys[1:], np.float32([2]))
    np.testing.assert_array_equal(one.get(keys, keys), [1, 2])


def test_a_full_disk_is_named(tmp_path):
    cache = PairCache.open(tmp_path, {})
    cache.connection.execute("PRAGMA max_page_count = 3")
    keys = np.frombuffer(RNG.bytes(16 * 4000), "S16")
    with pytest.raises(InputError, match=r"full; free some space"):
        cache.put(keys, keys, np.zeros(4000, np.float32))


def test_mining_is_the_same_for_any_blocks_and_threads_once_scored(reranked, tmp_path):
    results = [
        foils.mine(
            DATA, reranked, negatives=3, **VECTORS, cache=tmp_path / "cache", execution=Execution(threads=t, block=b)
        )
        for t, b in ((1, None), (2, 1), (2, 3))
    ]
    for other in results[1:]:
        assert other.negatives["negative_ids"].equals(results[0].negatives["negative_ids"])
        assert other.negatives["scores"].equals(results[0].negatives["scores"])
    assert results[0].identity.inputs["scorers.cross_encoder.model"]


def test_another_model_in_the_same_folder_is_another_run(reranked, tmp_path, pair_model):
    model = shutil.copytree(pair_model, tmp_path / "model")
    reranked.write_text(RERANKED.format(model=model))
    foils.mine(DATA, reranked, negatives=3, **VECTORS, out=tmp_path / "out")
    other = save_cross_encoder(tmp_path / "other", seed=1)
    shutil.copy(other / "model.safetensors", model / "model.safetensors")
    with pytest.raises(InputError, match=r"scorers\.cross_encoder\.model"):
        foils.mine(DATA, reranked, negatives=3, **VECTORS, out=tmp_path / "out")


def test_models_of_another_kind_are_refused_before_work(tmp_path, sentence_model):
    rows, items = every_pair()
    with pytest.raises(DataError, match="is a SentenceTransformer; expected a CrossEncoder"):
        opened(sentence_model)
    with pytest.raises(InputError, match="cross-encoder 'no-such': there is no such folder"):
        opened("no-such")
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "config.json").write_text('{"model_type": "model2vec"}')
    with pytest.raises(InputError, match="is a static encoder, which reads one text at a time"):
        opened(tmp_path / "static")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"there is no config\.json"):
        opened(tmp_path / "empty")
    classifier = save_cross_encoder(tmp_path / "classifier", seed=0, labels=3)
    with pytest.raises(DataError, match="gives 3 numbers per pair"):
        opened(classifier).score(rows, items)
    with pytest.raises(DataError, match="is a CrossEncoder; expected a SentenceTransformer"):
        foils.mine(DATA, "naive-top-k", negatives=2, model=classifier)


def test_a_bare_model_of_transformers_is_a_cross_encoder(tmp_path):
    """As many are on the hub: a config.json that names an architecture, and no modules.json."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "bert", "num_labels": 1}')
    assert CrossEncoderModel.open(str(folder), None, None).folder == folder


def test_searching_deeper_is_said_to_be_read_by_the_model(reranked):
    reranked.write_text(reranked.read_text() + MARGIN)
    for deepest, told in (("", True), (", max_depth: 48", True), (", max_depth: 24", False)):
        reranked.write_text(reranked.read_text().replace(", max_depth: 12", deepest))
        warnings = foils.plan(DATA, reranked, negatives=2, **VECTORS).warnings
        assert any("cross_encoder reads every candidate" in one for one in warnings) == told
        reranked.write_text(reranked.read_text().replace(f"k: 12{deepest}", "k: 12, max_depth: 12"))


def test_a_sentence_model_and_a_cross_encoder_from_texts_alone(reranked, tmp_path):
    model = save_sentence_transformer(tmp_path / "sentences", seed=0)
    reranked.write_text(reranked.read_text() + MARGIN)
    mined = foils.mine(DATA, reranked, negatives=2, model=model)
    assert sum(map(len, mined.negatives["negative_ids"].to_pylist())) > 0
    story = str(mined.explain("0"))
    assert "cross_encoder" in story


def test_files_are_closed_when_they_are_no_longer_used(tmp_path):
    cache = PairCache.open(tmp_path, {})
    connection = cache.connection
    del cache
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_a_plan_counts_the_pairs_and_those_that_are_kept(reranked, tmp_path):
    cache = tmp_path / "cache"
    cold = foils.plan(DATA, reranked, negatives=3, **VECTORS, cache=cache).judgings[0]
    assert (cold.column, cold.pairs, cold.known) == ("cross_encoder", 8 * 12 + 8, 0)
    assert cold.seconds > 0
    foils.mine(DATA, reranked, negatives=3, **VECTORS, cache=cache)
    warm = foils.plan(DATA, reranked, negatives=3, **VECTORS, cache=cache).judgings[0]
    assert (warm.pairs, warm.known, warm.seconds) == (8 * 12 + 8, 8 * 12 + 8, 0)
