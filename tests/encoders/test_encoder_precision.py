"""bfloat16 is the default where it is fast and close to float32; a vector follows from its text alone."""

import itertools
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import WORDS, save_sentence_transformer

from foils._threads import one_torch_thread, torch_threads
from foils.encoders import batches, encode_records, open_encoder, precision, workers
from foils.encoders.adapted import Adapter, base_of, open_adapted, save_adapter
from foils.errors import InputError
from foils.records import Records

WORD = WORDS[5:13]


@pytest.fixture
def fast(monkeypatch):
    """A machine that is fast at bfloat16, and a check that the tiny model passes."""
    monkeypatch.setattr(precision, "is_fast_at_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "LEAST_COSINE", 0.9)


def some_texts(count: int, seed: int = 0) -> list[str]:
    noise = np.random.default_rng(seed)
    return [" ".join(noise.choice(WORD, noise.integers(1, 24))) for _ in range(count)]


def cosines(left, right):
    return (left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_bfloat16_is_the_default_where_it_is_fast(sentence_model, fast):
    encoder = open_encoder(sentence_model)
    assert encoder.identity("items")["precision"] == "bfloat16"
    texts = some_texts(40)
    found = encoder.encode(texts, "items")
    plain = open_encoder(sentence_model, precision="float32").encode(texts, "items")
    np.testing.assert_array_equal(found, open_encoder(sentence_model, precision="bfloat16").encode(texts, "items"))
    assert not np.array_equal(found, plain)
    assert cosines(found, plain).min() > 0.999


def test_a_model_that_bfloat16_moves_too_far_stays_in_float32_and_this_is_said(sentence_model, monkeypatch, tmp_path):
    monkeypatch.setattr(precision, "is_fast_at_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "LEAST_COSINE", 0.9999999)
    lowest = open_encoder(sentence_model)._lowest_cosine()
    for _ in range(2):  # measured, remembered
        encoder = open_encoder(sentence_model, memo=tmp_path / "memo")
        with pytest.warns(UserWarning, match=rf"lowest cosine .* is {lowest:.6f}, and 0.9999999 is needed"):
            assert encoder.identity("items")["precision"] == "float32"
    plain = open_encoder(sentence_model, precision="float32")
    np.testing.assert_array_equal(encoder.encode(["red cat"], "items"), plain.encode(["red cat"], "items"))


def test_the_check_is_made_once_per_model(sentence_model, fast, tmp_path, monkeypatch):
    memo = tmp_path / "memo"
    first = open_encoder(sentence_model, memo=memo).identity("items")
    with monkeypatch.context() as patched:
        patched.setattr("sentence_transformers.SentenceTransformer", None)
        assert open_encoder(sentence_model, memo=memo).identity("items") == first
    (file,) = memo.glob("*.precision.json")
    file.write_text("broken")
    assert open_encoder(sentence_model, memo=memo).identity("items") == first
    assert '"lowest_cosine": 0.99' in file.read_text()


def test_a_machine_that_is_slow_at_bfloat16_loads_nothing_to_know(sentence_model, monkeypatch):
    monkeypatch.setattr(precision, "is_fast_at_bfloat16", lambda device: False)
    monkeypatch.setattr("sentence_transformers.SentenceTransformer", None)
    assert open_encoder(sentence_model).identity("items")["precision"] == "float32"


def test_the_processor_is_asked(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True}, raising=False)
    assert precision.is_fast_at_bfloat16("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True}, raising=False)
    assert not precision.is_fast_at_bfloat16("cpu")
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True, raising=False)
    assert precision.is_fast_at_bfloat16("cpu")


def test_the_sample_has_enough_texts_of_many_lengths():
    assert len(precision.SAMPLE) >= 32
    assert len(set(precision.SAMPLE)) == len(precision.SAMPLE)
    assert min(map(len, precision.SAMPLE)) < 60 < 400 < max(map(len, precision.SAMPLE))


def test_cosines_of_zeros_and_of_nan():
    ones, zeros = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    assert precision.lowest_cosine(ones, 2 * ones) == pytest.approx(1)
    assert precision.lowest_cosine(zeros, zeros) == 1
    assert precision.lowest_cosine(ones, zeros) == -1
    assert precision.lowest_cosine(ones, np.full((2, 3), np.nan, np.float32)) == -1


def test_an_unknown_precision_is_refused(sentence_model):
    with pytest.raises(InputError, match="precision is 'bf8'; expected one of: auto, float32, bfloat16, float16"):
        open_encoder(sentence_model, precision="bf8")


def test_precisions_do_not_share_vectors(sentence_model, tmp_path):
    texts = Records.of(["a", "b"], ["red cat", "blue dog"])
    for one in ("float32", "bfloat16"):
        encoder = open_encoder(sentence_model, precision=one)
        found = encode_records(encoder, texts, "items", cache=tmp_path)
        np.testing.assert_array_equal(found, encoder.encode(["red cat", "blue dog"], "items"))
    assert len(list(tmp_path.glob("vectors/*"))) == 2


def test_an_adapter_stands_behind_its_base_in_any_precision(sentence_model, tmp_path):
    trained, other = (open_encoder(sentence_model, precision=one) for one in ("bfloat16", "float32"))
    base = base_of(str(sentence_model), trained, tmp_path / "a")
    save_adapter(tmp_path / "a", Adapter(np.eye(16, dtype=np.float32)), base)
    opened = [open_adapted(tmp_path / "a", lambda base, one=one: one) for one in (trained, other)]
    assert opened[0].identity("anchors") != opened[1].identity("anchors")


@pytest.mark.parametrize(("arithmetic", "bits"), [("float32", 2e-6), ("bfloat16", 1e-4)])
def test_a_vector_follows_from_its_text_alone(sentence_model, arithmetic, bits, monkeypatch):
    """Up to the last bits, which a product of very few rows may sum up in another order; this model is tiny."""
    encoder, texts = open_encoder(sentence_model, precision=arithmetic), some_texts(60)
    together = encoder.encode(texts, "items")
    alone = np.stack([encoder.encode([text], "items")[0] for text in texts])
    assert (alone == together).mean() > 0.9
    np.testing.assert_allclose(alone, together, atol=bits)
    np.testing.assert_allclose(encoder.encode(texts[::-1], "items")[::-1], together, atol=bits)


def test_tokens_are_counted_with_the_prompt_and_up_to_the_length(sentence_model):
    encoder = open_encoder(sentence_model, corpus_prompt="passage : ", max_length=6, precision="float32")
    seen = []
    model = encoder._model
    preprocess = model.preprocess
    model.preprocess = lambda texts, **named: seen.append(preprocess(texts, **named)) or seen[-1]
    encoder.encode(["red", "red cat", "blue", "red cat dog old car", "old car dog dog dog"], "items")
    whole = [one for one in seen if len(one["input_ids"]) > 1]
    assert sorted(tuple(one["input_ids"].shape) for one in whole) == [(2, 5), (3, 6)]
    assert all(bool(one["attention_mask"].all()) for one in seen)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 80))
def test_batches_hold_every_text_once_and_no_more_than_the_tokens(counts, tokens):
    counts = np.array(counts, np.int64)
    for cut in (batches.cut_equal, batches.cut_padded):
        found = cut(counts, tokens)
        assert sorted(itertools.chain(*found)) == list(range(len(counts)))
        longest = [int(counts[batch].max()) for batch in found]
        assert longest == sorted(longest, reverse=True)
        sizes = zip(map(len, found), longest, strict=True)
        assert all(size == 1 or size * max(most, 1) <= tokens for size, most in sizes)
        if cut is batches.cut_equal:
            assert all(len(set(counts[batch])) == 1 for batch in found)


class Noted:
    """A context that counts how often it is entered."""

    def __init__(self):
        self.entered, self.lock = 0, threading.Lock()

    def __enter__(self):
        with self.lock:
            self.entered += 1

    def __exit__(self, *error):
        return None


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_workers_give_results_in_order(count):
    context, done = Noted(), []
    found = workers.spread(range(count), lambda job: job * job, workers=3, context=lambda: context, done=done.append)
    assert found == [job * job for job in range(count)]
    assert sorted(done) == list(range(count))
    assert context.entered == min(3, count)


def test_workers_work_at_the_same_time():
    meeting = threading.Barrier(2, timeout=20)
    # One after the other, the first would wait for the second until the barrier breaks.
    places = workers.spread([0, 1], lambda job: meeting.wait(), workers=2, context=Noted, done=lambda place: None)
    assert sorted(places) == [0, 1]


def test_what_a_worker_raises_is_raised_and_nothing_is_begun_after_it():
    begun = []

    def work(job):
        begun.append(job)
        raise MemoryError("no memory for a batch")

    with pytest.raises(MemoryError, match="for a batch"):
        workers.spread(range(100), work, workers=2, context=Noted, done=lambda place: None)
    assert len(begun) <= 2


def test_an_interrupt_stops_after_the_batches_at_hand():
    begun, before = [], threading.active_count()

    def work(job):
        time.sleep(0.001)
        begun.append(job)

    def interrupted(place):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.spread(range(1000), work, workers=1, context=Noted, done=interrupted)
    assert len(begun) < 1000
    assert threading.active_count() == before  # the worker has ended too


def test_products_have_one_thread_until_the_last_encoder_ends():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with one_torch_thread():
            assert (torch_threads(), torch.get_num_threads()) == (3, 1)
            with one_torch_thread():
                assert (torch_threads(), torch.get_num_threads()) == (3, 1)
            assert torch.get_num_threads() == 1
        assert torch_threads() == torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_workers_give_the_bits_that_one_gives(sentence_model, monkeypatch):
    encoder, texts = open_encoder(sentence_model, precision="float32"), some_texts(80)
    before = torch.get_num_threads()
    found = []
    try:
        for cores in (1, 4):
            torch.set_num_threads(cores)
            found.append(encoder.encode(texts, "items"))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_progress_is_told_per_batch(sentence_model, tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "CPU_TOKENS", 16)
    texts, reports = some_texts(30), []
    encoder = open_encoder(sentence_model, precision="float32")
    encode_records(
        encoder, Records.of([str(row) for row in range(30)], texts), "items", cache=tmp_path,
        progress=lambda *pair: reports.append(pair),
    )  # fmt: skip
    assert reports == sorted(set(reports))
    assert reports[-1] == (30, 30)
    assert len(reports) > 10


def test_a_batch_that_fails_loses_its_chunk_alone(sentence_model, tmp_path, monkeypatch):
    monkeypatch.setattr("foils.encoders.cache.CHUNK_TEXTS", 8)
    texts = sorted(set(some_texts(40)), key=len, reverse=True)
    records = Records.of([str(row) for row in range(len(texts))], texts)
    encoder = open_encoder(sentence_model, precision="float32")
    model, calls = encoder._model, []
    plain = model.encode_document

    def counting(batch, **named):
        calls.extend(batch)
        if len(set(calls)) > 20:
            raise MemoryError("no memory")
        return plain(batch, **named)

    monkeypatch.setattr(model, "encode_document", counting)
    with pytest.raises(MemoryError):
        encode_records(encoder, records, "items", cache=tmp_path)
    monkeypatch.setattr(model, "encode_document", plain)
    fresh = open_encoder(sentence_model, precision="float32")
    seen = []
    plain = fresh._model.encode_document

    def noting(batch, **named):
        seen.extend(batch)
        return plain(batch, **named)

    monkeypatch.setattr(fresh._model, "encode_document", noting)
    found = encode_records(fresh, records, "items", cache=tmp_path)
    assert set(seen) == set(texts[16:])
    np.testing.assert_array_equal(found, encoder.encode(texts, "items"))


def test_nothing_is_said_where_all_is_well(sentence_model, fast):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(open_encoder(sentence_model).encode(some_texts(5), "items")) == 5


def test_two_models_of_one_folder_name_are_checked_apart(fast, tmp_path):
    for seed, name in enumerate("ab"):
        path = save_sentence_transformer(tmp_path / name / "model", seed=seed)
        open_encoder(path, memo=tmp_path / "memo").identity("items")
    assert len(list((tmp_path / "memo").glob("*.precision.json"))) == 2
