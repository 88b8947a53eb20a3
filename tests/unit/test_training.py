"""Training of the static encoder: settings, batches and their masks, what is learned, and that it repeats."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from foils import Collection
from foils._threads import one_thread
from foils.collection import Records
from foils.encoders import check_new
from foils.errors import DataError, InputError
from foils.positives import Examples, Judgements, Positives
from foils.training import (
    Cells,
    MinedNegatives,
    StaticSettings,
    bag_collection,
    fit_static,
    info_nce,
)
from foils.training import batches as batching
from foils.training import texts as collection_texts

SMALL = StaticSettings(dim=16, epochs=3, batch_size=8)
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki")


def word(number, alphabet):
    return "".join(alphabet[number // 8**place % 8] for place in range(3))


def dictionary(n=48):
    """Anchors and items that share no word: what belongs together can be learned, not seen."""
    other = ("mo", "ny", "pra", "qui", "ro", "su", "ty", "vo")
    anchors = [f"{word(row, SYLLABLES)} and {word(row, SYLLABLES)}" for row in range(n)]
    items = [f"{word(row, other)}, {word(row, other)}" for row in range(n)]
    pairs = np.stack([np.arange(n), (np.arange(n) * 7) % n], axis=1)
    return Collection.from_arrays(pairs, anchors=anchors, items=items)


def with_empty_texts(pairs, anchors, items, grades=None):
    """A collection that readers would refuse: an anchor is empty."""
    records = [Records.of([str(row) for row in range(len(texts))], texts) for texts in (anchors, items)]
    pairs = np.array(pairs, np.int64)
    grades = np.ones(len(pairs)) if grades is None else np.array(grades)
    splits = np.zeros(len(pairs), np.int16)
    judged = Judgements(pairs[:, 0], pairs[:, 1], grades.astype(np.float32), splits, ("train",))
    return Collection(*records, judged)


# Settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 0}, "dim is 0; expected a number from 1 to 8192"),
        ({"dim": 2.5}, "dim is 2.5; expected a whole number"),
        ({"epochs": True}, "epochs is True; expected a whole number"),
        ({"epochs": -1}, "epochs is -1; expected a number from 0"),
        ({"vocabulary_size": 255}, "from 256 to"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; expected a number"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'; expected a number"),
        ({"temperature": 0}, "temperature is 0; expected a number from 0.001"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"mined_per_anchor": 0}, "mined_per_anchor is 0"),
        ({"negatives": "in-batch"}, "negatives is 'in-batch'; did you mean 'in_batch'"),
    ],
)
def test_settings_out_of_range_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        StaticSettings(**changes)


def test_every_number_has_a_range_that_its_default_is_in():
    from foils.training.settings import RANGES

    names = set(StaticSettings.__struct_fields__) - {"negatives"}
    assert set(RANGES) == names
    assert StaticSettings(temperature=1).temperature == 1


# Loss


def test_a_row_without_negatives_costs_nothing_and_moves_nothing():
    rng = np.random.default_rng(0)
    anchors, items = rng.standard_normal((2, 4)), rng.standard_normal((3, 4))
    masked = Cells(np.array([0, 0, 1, 1]), np.array([0, 2, 0, 1]))
    out = info_nce(anchors, items, np.array([1, 2]), masked, 0.05)
    assert out.loss == 0
    assert not out.anchors.any()
    assert not out.items.any()


def test_a_masked_item_is_not_moved_and_huge_logits_stay_finite():
    anchors, items = np.eye(3, dtype=np.float32) * 100, np.eye(3, dtype=np.float32) * 100
    out = info_nce(anchors, items, np.array([1, 2, 0]), Cells(np.array([0, 1]), np.array([0, 1])), 1e-3)
    assert np.isfinite(out.loss)
    assert np.isfinite(out.anchors).all()
    rows = np.array([0, 1, 2])
    alone = info_nce(anchors, items, np.array([1, 1, 1]), Cells(rows, np.zeros(3, int)), 1.0)
    assert not alone.items[0].any()
    assert alone.items[1].any()


def test_a_masked_positive_is_a_mistake():
    with pytest.raises(ValueError, match="own positive is masked"):
        info_nce(np.ones((2, 3)), np.ones((2, 3)), np.array([0, 1]), Cells(np.array([1]), np.array([1])), 1.0)


# Batches


def positives_of(pairs, n_anchors, n_items):
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    count = len(pairs)
    judged = Judgements(pairs[:, 0], pairs[:, 1], np.ones(count, np.float32), np.zeros(count, np.int16), ("train",))
    return Positives.from_judgements(judged, n_anchors=n_anchors, n_items=n_items)


@st.composite
def pools(draw):
    n_anchors, n_items = draw(st.integers(1, 6)), draw(st.integers(1, 12))
    pair = st.tuples(st.integers(0, n_anchors - 1), st.integers(0, n_items - 1))
    positives = positives_of(draw(st.lists(pair, min_size=1, max_size=20)), n_anchors, n_items)
    units = draw(st.lists(st.integers(0, n_anchors - 1), max_size=8))
    width = draw(st.integers(0, 4))
    rows = [draw(st.lists(st.integers(-1, n_items - 1), min_size=width, max_size=width)) for _ in units]
    mined = MinedNegatives(np.array(units, np.int64), np.array(rows, np.int64).reshape(len(units), width))
    with_text = np.array(draw(st.lists(st.booleans(), min_size=n_items, max_size=n_items)))
    pool = batching.Pool.of(positives.examples(), positives, mined, with_text)
    return pool, mined, with_text


@settings(max_examples=50, deadline=None)
@given(pools(), st.sampled_from(["in_batch", "mined", "both"]), st.integers(1, 7), st.integers(1, 3))
def test_batches_hold_each_pair_once_and_mask_what_an_anchor_must_not_see(made, negatives, size, per_anchor):
    pool, mined, with_text = made
    chosen = StaticSettings(negatives=negatives, batch_size=size, mined_per_anchor=per_anchor)
    seen = []
    made_batches = list(batching.batches(pool, chosen, seed=3, epoch=1))
    assert len(made_batches) == batching.steps_per_epoch(pool, chosen)
    for batch in made_batches:
        assert 1 <= len(batch.anchors) <= size
        assert (np.diff(batch.items) > 0).all()
        targets = batch.items[batch.targets]
        seen += list(zip(batch.anchors.tolist(), targets.tolist(), strict=True))
        masked = np.zeros((len(batch.anchors), len(batch.items)), bool)
        masked[batch.masked] = True
        for row, anchor in enumerate(batch.anchors):
            known = set(pool.positives.row(anchor).tolist())
            own = {
                int(item)
                for unit, items in zip(mined.anchors, mined.items, strict=True)
                for item in items
                if unit == anchor and item >= 0 and with_text[item]
            }
            sees = set(batch.items[~masked[row]].tolist()) - {int(targets[row])}
            assert not masked[row, batch.targets[row]]
            assert not sees & known
            if negatives == "mined":
                assert sees <= own
                assert len(sees) <= per_anchor
                if not own & known and len(own) >= per_anchor:
                    assert len(sees) == per_anchor
            else:
                assert sees == set(batch.items.tolist()) - known - {int(targets[row])}
        extra = set(batch.items.tolist()) - set(targets.tolist())
        assert extra == set() or negatives != "in_batch"
        assert extra <= {int(item) for item in mined.items.ravel() if item >= 0 and with_text[item]}
    expected = zip(pool.examples.anchors.tolist(), pool.examples.positives.tolist(), strict=True)
    assert sorted(seen) == sorted(expected)


def test_exact_duplicates_of_a_positive_are_masked():
    collection = Collection.from_arrays(
        [[0, 0], [1, 1], [2, 2]],
        anchors=["sort a list", "order a list", "open a file"],
        items=["Sorts  a list.", "sorts a list.", "opens a file"],
    )
    positives = collection.positives()
    pool = batching.Pool.of(positives.examples(), positives, None, np.ones(3, bool))
    (batch,) = batching.batches(pool, SMALL, seed=0, epoch=0)
    places = zip(*batch.masked, strict=True)
    cells = {(int(batch.anchors[row]), int(batch.items[column])) for row, column in places}
    assert cells == {(0, 1), (1, 0)}


@pytest.mark.parametrize("negatives", ["mined", "both"])
def test_mined_items_that_are_positives_of_the_anchor_are_masked(negatives):
    positives = positives_of([[0, 0], [0, 1], [1, 2]], 2, 5)
    mined = MinedNegatives(np.array([0, 1]), np.array([[1, 2, 3], [0, 2, 3]]))
    pool = batching.Pool.of(positives.examples(), positives, mined, np.ones(5, bool))
    chosen = StaticSettings(negatives=negatives, mined_per_anchor=3)
    (batch,) = batching.batches(pool, chosen, seed=0, epoch=0)
    assert batch.items.tolist() == [0, 1, 2, 3]
    table = np.zeros((3, 4), bool)
    table[batch.masked] = True
    for row, anchor in enumerate(batch.anchors):
        masked = set(np.flatnonzero(table[row]).tolist())
        other = {0: {0, 1}, 1: {2}}[int(anchor)] - {int(batch.targets[row])}
        assert masked == other | ({1} if negatives == "mined" and anchor == 1 else set())


def test_each_epoch_has_its_own_order_and_draws_and_each_draw_its_share():
    positives = positives_of([[row, row] for row in range(40)], 40, 60)
    mined = MinedNegatives(np.arange(40), np.tile(np.arange(40, 50), (40, 1)))
    pool = batching.Pool.of(positives.examples(), positives, mined, np.ones(60, bool))
    chosen = StaticSettings(negatives="mined", mined_per_anchor=3, batch_size=64)
    orders, drawn = set(), np.zeros(60)
    for epoch in range(30):
        (batch,) = batching.batches(pool, chosen, seed=0, epoch=epoch)
        orders.add(tuple(batch.anchors))
        drawn[batch.items] += (~batch.masked).sum(axis=0)
    assert len(orders) == 30
    expected = 30 * 40 * 3 / 10
    assert np.abs(drawn[40:50] - expected).max() < 5 * np.sqrt(expected)


def test_a_draw_does_not_depend_on_the_other_pairs():
    positives = positives_of([[row, row] for row in range(9)], 9, 40)
    mined = MinedNegatives(np.arange(9), np.arange(9, 36).reshape(9, 3))
    chosen = StaticSettings(negatives="mined", mined_per_anchor=1, batch_size=64)

    def negatives_of(anchor, examples):
        pool = batching.Pool.of(examples, positives, mined, np.ones(40, bool))
        (batch,) = batching.batches(pool, chosen, seed=5, epoch=2)
        row = batch.anchors.tolist().index(anchor)
        return set(batch.items[~batch.masked[row]].tolist()) - {anchor}

    pairs = positives.examples()
    few = Examples(pairs.anchors[3:6], pairs.positives[3:6])
    assert [negatives_of(row, pairs) for row in (3, 4, 5)] == [negatives_of(row, few) for row in (3, 4, 5)]


@pytest.mark.parametrize(
    ("anchors", "items", "message"),
    [
        ([0, 1], [[1], [2], [3]], r"mined anchors are \[2\] and items \[3, 1\]"),
        ([0], [1], r"items \[1\]; expected \[U\] and \[U, M\]"),
        ([48], [[1]], "mined anchors hold rows from 48 to 48; the collection has 48 anchors"),
        ([-1], [[1]], "mined anchors hold rows from -1"),
        ([0], [[48]], "mined items hold rows from 48 to 48; the collection has 48 items"),
        ([0], [[-2]], "mined items hold rows from -2"),
        ([0], [[1.0]], "mined items are float64; expected int64"),
    ],
)
def test_mined_rows_that_do_not_fit_are_refused(anchors, items, message):
    with pytest.raises(DataError, match=message):
        fit_static(dictionary(), mined=MinedNegatives(np.array(anchors), np.array(items)), settings=SMALL)


# Texts


def test_the_tokenizer_does_not_look_at_anchors_of_other_splits():
    pairs = [[0, 0], [1, 1]]
    anchors = ["find it", "zyzzyva zyzzyva zyzzyva"]
    items = ["it is found here", "nothing there"]
    collection = Collection.from_arrays(pairs, anchors=anchors, items=items, splits=["train", "test"])

    def pieces(split):
        bags = bag_collection(collection, split=split, vocabulary_size=400)
        return int(bags.anchors[[1]].nnz)

    assert pieces("test") == 1
    assert pieces("train") > 3


def test_a_large_collection_is_sampled_for_the_tokenizer(monkeypatch):
    collection = dictionary()
    monkeypatch.setattr(collection_texts, "BLOCK_TEXTS", 5)
    whole = bag_collection(collection).tokenizer.to_str()
    monkeypatch.setattr(collection_texts, "SAMPLE_CHARACTERS", 200)
    sampled = list(collection_texts._sample(collection, collection.positives()))
    assert 100 < sum(map(len, sampled)) < 300
    assert bag_collection(collection).tokenizer.to_str() != whole
    monkeypatch.undo()
    assert bag_collection(collection).tokenizer.to_str() == whole


def test_titles_are_read_and_bags_encode_as_texts_do():
    collection = Collection.from_arrays([[0, 0]], anchors=["a b"], items=["text", ""], item_titles=["The Title", ""])
    bags = bag_collection(collection)
    encoder = fit_static(collection, bags=bags, settings=SMALL)
    assert encoder.pool(bags.items).tobytes() == encoder.encode(["The Title text", ""]).tobytes()


def test_a_collection_without_texts_is_refused():
    with pytest.raises(DataError, match="holds no texts"):
        fit_static(Collection.from_arrays([[0, 1]], anchors=2, items=2))


# Training


def found(encoder, collection):
    """Share of the training anchors whose positive is nearest."""
    vectors = [encoder.encode(records.full_texts()) for records in (collection.anchors, collection.items)]
    return float((np.argmax(vectors[0] @ vectors[1].T, axis=1) == collection.judgements.items).mean())


def test_it_learns_what_cannot_be_seen():
    collection = dictionary()
    losses = []
    learned = StaticSettings(dim=32, epochs=40, batch_size=16)
    encoder = fit_static(
        collection, settings=learned, progress=lambda done, total, loss: losses.append((done, total, loss))
    )
    assert [done for done, _, _ in losses] == list(range(1, 121))
    assert {total for _, total, _ in losses} == {120}
    assert np.mean([loss for *_, loss in losses[-3:]]) < 0.1 * np.mean([loss for *_, loss in losses[:3]])
    assert found(fit_static(collection, settings=StaticSettings(dim=32, epochs=0)), collection) < 0.3
    assert found(encoder, collection) > 0.95


def test_it_learns_from_mined_negatives_alone():
    collection = dictionary()
    others = (collection.judgements.items[:, None] + np.arange(1, 47)) % 48
    mined = MinedNegatives(collection.judgements.anchors, others)
    learned = StaticSettings(dim=32, epochs=40, batch_size=16, negatives="mined")
    assert found(fit_static(collection, mined=mined, settings=learned), collection) > 0.95


def test_without_training_rare_words_weigh_more():
    texts = [f"{word(row, SYLLABLES)} everywhere" for row in range(40)]
    collection = Collection.from_arrays([[0, 0]], anchors=["everywhere"], items=texts)
    encoder = fit_static(collection, settings=StaticSettings(epochs=0, vocabulary_size=2000))
    lengths = np.linalg.norm(encoder.embeddings, axis=1)
    common = encoder.tokenizer.token_to_id("everywhere")
    assert lengths[common] < 0.5 * np.median(lengths)
    assert 0.7 < np.median(lengths) < 1.2


def test_mined_negatives_that_are_all_absent_or_empty_move_nothing():
    collection = Collection.from_arrays([[0, 0], [1, 1]], anchors=["aa bb", "cc"], items=["dd", "ee ff", " "])
    bags = bag_collection(collection)
    mined = MinedNegatives(np.array([0, 1]), np.array([[-1, -1], [2, -1]]))
    start = fit_static(collection, bags=bags, settings=StaticSettings(dim=16, epochs=0))
    trained = fit_static(collection, bags=bags, mined=mined, settings=StaticSettings(dim=16, negatives="mined"))
    assert trained.embeddings.tobytes() == start.embeddings.tobytes()


def test_empty_texts_never_enter_a_batch():
    collection = with_empty_texts([[0, 0], [1, 1], [2, 2]], ["aa", " ", "cc"], ["dd", "ee", "\t"])
    steps = []
    one_by_one = StaticSettings(dim=8, batch_size=1, epochs=2)
    fit_static(collection, settings=one_by_one, progress=lambda done, total, loss: steps.append(total))
    assert steps == [2, 2]


@pytest.mark.parametrize(
    ("pairs", "grades", "split", "message"),
    [
        ([[1, 0], [0, 1]], None, "train", "no pair to train on: none of its 2 positives has text"),
        ([[0, 0]], [0], "train", "no pair to train on: none of its 0 positives"),
        ([[0, 0]], None, "trian", "there is no split 'trian'; did you mean 'train'"),
    ],
)
def test_nothing_to_train_on_is_said(pairs, grades, split, message):
    collection = with_empty_texts(pairs, ["aa", ""], ["bb", " "], grades)
    with pytest.raises(DataError, match=message):
        fit_static(collection, split=split, settings=SMALL)


def test_modes_that_do_not_fit_what_is_given_are_refused():
    collection = dictionary()
    mined = MinedNegatives(np.array([0]), np.array([[1]]))
    with pytest.raises(InputError, match="negatives is 'mined' and none are given"):
        fit_static(collection, settings=StaticSettings(negatives="mined"))
    with pytest.raises(InputError, match="negatives is 'in_batch' and mined ones are given"):
        fit_static(collection, mined=mined, settings=StaticSettings(negatives="in_batch"))
    with pytest.raises(InputError, match="48 anchors and 48 items, the collection has 9 and 9"):
        fit_static(dictionary(9), bags=bag_collection(collection))


def test_shared_bags_give_what_a_run_of_its_own_gives_and_seeds_differ():
    collection = dictionary()
    bags = bag_collection(collection)
    runs = [
        fit_static(collection, settings=SMALL, seed=1),
        fit_static(collection, settings=SMALL, seed=1, bags=bags),
        fit_static(collection, settings=SMALL, seed=2, bags=bags),
    ]
    assert runs[0].digest == runs[1].digest
    assert runs[1].digest != runs[2].digest


def test_weights_do_not_depend_on_threads_or_hash_seeds():
    code = """
import numpy as np
from foils import Collection
from foils.training import MinedNegatives, StaticSettings, fit_static
texts = [f"word{n % 37} {chr(97 + n % 26) * 3} {n * 7919 % 101} and more" for n in range(600)]
collection = Collection.from_arrays([[n, n] for n in range(300)], anchors=texts[:300], items=texts[300:])
mined = MinedNegatives(np.arange(300), (np.arange(300)[:, None] + [1, 2, 3]) % 300)
settings = StaticSettings(dim=96, epochs=2, batch_size=200)
print(fit_static(collection, mined=mined, settings=settings).digest)
"""

    def digest(threads, hash_seed):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "RAYON_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": hash_seed}
        return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)

    assert digest("1", "1") == digest("4", "2")


def test_what_cannot_learn_is_refused():
    data = Collection.from_arrays([(0, 0), (1, 1)], anchors=["red cat", "blue dog"], items=["a cat", "a dog", "a bird"])
    with pytest.raises(InputError, match="batch of 1"):
        fit_static(data, settings=StaticSettings(batch_size=1, negatives="in_batch"))
    nothing = MinedNegatives(np.arange(2), np.full((2, 3), -1))
    with pytest.raises(InputError, match="none at all"):
        fit_static(data, mined=nothing)


def test_products_run_on_one_thread_and_an_interruption_restores_the_others():
    def stop(done, total, loss):
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
        raise KeyboardInterrupt

    before = threadpool_info()
    with pytest.raises(KeyboardInterrupt):
        fit_static(dictionary(), settings=SMALL, progress=stop)
    assert threadpool_info() == before


def test_overlapping_trainings_keep_one_thread_until_the_last_ends():
    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        assert set(threads()) == {1}
        first.__exit__(None, None, None)
        assert set(threads()) == {1}
        second.__exit__(None, None, None)
        assert threads() == before


def test_trainings_side_by_side_give_what_they_give_alone():
    collection = dictionary()
    bags = bag_collection(collection)

    def digest(seed):
        return fit_static(collection, bags=bags, settings=SMALL, seed=seed).digest

    alone = [digest(seed) for seed in range(6)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(digest, range(6))) == alone


def test_the_collection_is_left_as_it_was():
    collection = dictionary()
    bags = bag_collection(collection)
    before = hashlib.sha256(bags.items.data.tobytes() + bags.items.indices.tobytes()).hexdigest()
    digest = collection.digest("train")
    fit_static(collection, bags=bags, settings=SMALL)
    assert collection.digest("train") == digest
    assert hashlib.sha256(bags.items.data.tobytes() + bags.items.indices.tobytes()).hexdigest() == before


def test_a_taken_place_is_found_before_long_work(tmp_path):
    check_new(tmp_path)
    check_new(tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is there already"):
        check_new(tmp_path)
