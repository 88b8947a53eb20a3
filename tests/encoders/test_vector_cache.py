"""The cache of vectors: nothing is encoded twice, nothing is served to the wrong model, damage is found."""

import errno
import itertools
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import save_sentence_transformer

import foils
from foils.encoders import (
    CallableEncoder,
    StaticEncoder,
    VectorCache,
    cache,
    encode_records,
    open_encoder,
    texts_to_encode,
)
from foils.encoders.chunks import TEXTS, VECTORS, text_digests, write_chunk
from foils.errors import DataError, FolderError, InputError
from foils.records import Records

DIM = 5


def vector_of(text: str, seed: int = 0) -> np.ndarray:
    """A vector that follows from the text alone, with all bits in use."""
    return np.random.default_rng([seed, *text.encode()]).standard_normal(DIM).astype(np.float32)


def expected(texts, seed=0):
    return np.stack([vector_of(text, seed) for text in texts])


class Counting:
    """An encoder that notes what it was asked for."""

    def __init__(self, fingerprint="a", seed=0):
        self.asked, self.fingerprint, self.seed = [], fingerprint, seed

    def identity(self, side):
        return {"encoder": "counting", "fingerprint": self.fingerprint}

    def encode(self, texts, side):
        self.asked.append(list(texts))
        return expected(texts, self.seed)

    @property
    def texts(self):
        return list(itertools.chain(*self.asked))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(cache, "CHUNK_TEXTS", 4)
    monkeypatch.setattr("foils.encoders.encoding.TOLD_TEXTS", 4)


def records(texts):
    return Records.of([str(row) for row in range(len(texts))], texts)


def encoded(encoder, texts, folder, **options):
    return encode_records(encoder, records(texts), "items", cache=folder, **options)


def words(n, start=0):
    return [f"text {number} {'x' * (number % 7)}" for number in range(start, start + n)]


def test_rows_hold_what_the_encoder_gives_bit_by_bit(tmp_path):
    texts = [*words(11), "text 3 xxx", ""]
    first = encoded(Counting(), texts, tmp_path)
    assert isinstance(first, np.memmap)
    assert not first.flags.writeable
    assert first.tobytes() == expected(texts).tobytes()
    assert encoded(Counting(), texts, None).tobytes() == first.tobytes()


def test_only_what_is_missing_is_encoded(tmp_path):
    encoded(Counting(), words(9), tmp_path)
    encoder = Counting()
    assert encoded(encoder, words(9)[::-1], tmp_path).tobytes() == expected(words(9)[::-1]).tobytes()
    assert encoder.asked == []
    more = [*words(9), "new", "new", "other"]
    assert encoded(encoder, more, tmp_path).tobytes() == expected(more).tobytes()
    assert sorted(encoder.texts) == ["new", "other"]


def test_texts_are_encoded_longest_first_in_chunks_and_once_each(tmp_path):
    encoder = Counting()
    encoded(encoder, [*words(10), *words(3)], tmp_path)
    assert [len(chunk) for chunk in encoder.asked] == [4, 4, 2]
    assert sorted(encoder.texts) == sorted(words(10))
    assert [len(text) for text in encoder.texts] == sorted(map(len, words(10)), reverse=True)


def test_a_second_run_encodes_nothing_and_a_changed_percent_is_one_percent(tmp_path):
    texts = words(400)
    encoded(Counting(), texts, tmp_path)
    again, after = Counting(), Counting()
    encoded(again, texts, tmp_path)
    assert again.texts == []
    changed = [f"{text} (revised)" if row % 100 == 7 else text for row, text in enumerate(texts)]
    assert encoded(after, changed, tmp_path).tobytes() == expected(changed).tobytes()
    assert sorted(after.texts) == sorted(changed[7::100])


def test_another_model_never_gets_these_vectors(tmp_path):
    encoded(Counting("a"), words(5), tmp_path)
    other = encoded(Counting("b", seed=1), words(5), tmp_path)
    assert other.tobytes() == expected(words(5), seed=1).tobytes()


def test_two_checkpoints_of_one_base_do_not_share_vectors(tmp_path):
    """The name, the configuration and the tokenizer are the same; only the weights differ."""
    texts = ["red cat", "blue dog"]
    paths = [save_sentence_transformer(tmp_path / name / "checkpoint", seed=seed) for seed, name in enumerate("ab")]
    vectors = [encoded(open_encoder(path), texts, tmp_path / "cache") for path in (*paths, *paths)]
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(vectors[1], vectors[3])
    for found, path in zip(vectors, paths, strict=False):
        np.testing.assert_array_equal(found, open_encoder(path).encode(texts, "items"))
    assert not np.allclose(vectors[0], vectors[1])


def test_a_folder_that_was_trained_on_is_another_model(tmp_path):
    path, moved = save_sentence_transformer(tmp_path / "model", seed=0), tmp_path / "moved"
    before = encoded(open_encoder(path, memo=tmp_path / "memo"), ["red cat"], tmp_path / "cache").copy()
    other = save_sentence_transformer(tmp_path / "other", seed=1)
    (path / "model.safetensors").rename(moved)
    (other / "model.safetensors").rename(path / "model.safetensors")
    after = encoded(open_encoder(path, memo=tmp_path / "memo"), ["red cat"], tmp_path / "cache")
    assert not np.allclose(before, after)


def test_sides_and_prompts_have_vectors_of_their_own(tmp_path):
    path = save_sentence_transformer(tmp_path / "model", seed=0, prompts={"query": "query : ", "document": ""})
    found = {}
    for side in ("anchors", "items"):
        found[side] = encode_records(open_encoder(path), records(["red cat"]), side, cache=tmp_path / "cache")
        np.testing.assert_array_equal(found[side], open_encoder(path).encode(["red cat"], side))
    assert not np.allclose(found["anchors"], found["items"])
    other = encoded(open_encoder(path, corpus_prompt="passage : "), ["red cat"], tmp_path / "cache")
    assert not np.allclose(other, found["items"])


class Killed(BaseException):
    pass


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_a_killed_run_keeps_its_finished_chunks(tmp_path, finished):
    class Mortal(Counting):
        def encode(self, texts, side):
            if len(self.asked) == finished:
                raise Killed
            return super().encode(texts, side)

    undisturbed = Counting()
    encoded(undisturbed, words(11), tmp_path / "undisturbed")
    with pytest.raises(Killed):
        encoded(Mortal(), words(11), tmp_path / "killed")
    again = Counting()
    assert encoded(again, words(11), tmp_path / "killed").tobytes() == expected(words(11)).tobytes()
    assert again.asked == undisturbed.asked[finished:]  # the rest is cut at the same places


@pytest.mark.parametrize("ending", [VECTORS, TEXTS])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "pickle"])
def test_damaged_chunks_are_said_and_encoded_again(tmp_path, ending, damage):
    texts = words(10)
    encoded(Counting(), texts, tmp_path)
    path = sorted(tmp_path.glob(f"vectors/*/*{ending}"))[1]
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "pickle":
        np.save(path, np.array([object()]), allow_pickle=True)
    else:
        path.write_bytes(
            {"flip": whole[:-3] + bytes([whole[-3] ^ 4]) + whole[-2:], "cut": whole[:-1], "empty": b""}[damage]
        )
    encoder, said = Counting(), []
    assert encoded(encoder, texts, tmp_path, say=said.append).tobytes() == expected(texts).tobytes()
    assert 2 <= len(encoder.texts) <= 4
    assert (damage, ending) == ("gone", TEXTS) or "are damaged; they are encoded again" in "".join(said)
    quiet = Counting()
    encoded(quiet, texts, tmp_path, say=said.append)
    assert quiet.asked == []


def test_a_chunk_that_is_not_what_its_name_says_is_not_used(tmp_path):
    encoded(Counting(), words(4), tmp_path)
    (vectors,) = tmp_path.glob(f"vectors/*/*{VECTORS}")
    np.save(vectors, np.zeros((4, DIM), np.float32))
    said = []
    assert encoded(Counting(), words(4), tmp_path, say=said.append).tobytes() == expected(words(4)).tobytes()
    assert len(said) == 1


def test_a_disk_that_keeps_nothing_is_named(tmp_path, monkeypatch):
    def broken(folder, digests, vectors):
        chunk = write_chunk(folder, digests, vectors)
        (folder / f"{chunk.name}{VECTORS}").write_bytes(b"")
        return chunk

    monkeypatch.setattr(cache, "write_chunk", broken)
    with pytest.raises(FolderError, match="cannot be read back"):
        encoded(Counting(), words(4), tmp_path, say=lambda text: None)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "vectors").write_text("a file is in the way")
    with pytest.raises(FolderError, match=r"vectors|Not a directory|exists"):
        encoded(Counting(), words(4), tmp_path)


DRIVER = """
import os, signal, sys
from pathlib import Path
import numpy as np
from foils.encoders import CallableEncoder, cache, encode_records
from foils.records import Records

cache.CHUNK_TEXTS = 4
save, calls = np.save, []

def dying(file, array, **options):
    save(file, array, **options)
    calls.append(1)
    if len(calls) == int(sys.argv[2]):
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

np.save = dying
texts = [f"text {number}" for number in range(10)]
encoder = CallableEncoder(lambda texts: [[len(text), 1] for text in texts], fingerprint="x")
encode_records(encoder, Records.of(list(map(str, range(10))), texts), "items", cache=Path(sys.argv[1]))
"""


@pytest.mark.parametrize("writes", [1, 4])
def test_a_process_killed_while_it_writes_leaves_whole_chunks_only(tmp_path, writes):
    command = [sys.executable, "-c", DRIVER, str(tmp_path), str(writes)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("**/*.part"))) == 1
    texts, calls, said = [f"text {number}" for number in range(10)], [], []
    encoder = CallableEncoder(lambda texts: calls.extend(texts) or [[len(t), 1] for t in texts], fingerprint="x")
    found = encoded(encoder, texts, tmp_path, say=said.append)
    np.testing.assert_array_equal(found, [[len(text), 1] for text in texts])
    assert len(calls) == 10 - 4 * ((writes - 1) // 2)
    assert said == []
    assert list(tmp_path.glob("**/*.part")) == []


def test_a_full_disk_is_named_and_finished_chunks_stay(tmp_path, monkeypatch):
    def full(folder, digests, vectors):
        if list(folder.glob(f"*{TEXTS}")):
            raise OSError(errno.ENOSPC, "full")
        return write_chunk(folder, digests, vectors)

    with monkeypatch.context() as patched:
        patched.setattr(cache, "write_chunk", full)
        with pytest.raises(FolderError, match="free some space"):
            encoded(Counting(), words(10), tmp_path)
    encoder = Counting()
    encoded(encoder, words(10), tmp_path)
    assert len(encoder.texts) == 6


def test_what_an_encoder_raises_is_not_taken_for_a_fault_of_the_folder(tmp_path):
    def broken(texts):
        raise OSError("the model's server is away")

    with pytest.raises(OSError, match="server is away"):
        encoded(CallableEncoder(broken, fingerprint="x"), words(3), tmp_path)


def test_threads_share_the_work(tmp_path):
    encoders = [Counting() for _ in range(3)]
    results = [None] * 3

    def work(number):
        results[number] = encoded(encoders[number], words(40), tmp_path)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.tobytes() for result in results} == {expected(words(40)).tobytes()}
    assert sorted(itertools.chain(*(encoder.texts for encoder in encoders))) == sorted(words(40))


def test_progress_counts_what_is_known(tmp_path):
    reports = []
    encoded(Counting(), words(4), tmp_path, progress=lambda *pair: reports.append(pair))
    encoded(Counting(), [*words(10), *words(2)], tmp_path, progress=lambda *pair: reports.append(pair))
    assert reports == [(0, 4), (4, 4), (6, 12), (10, 12), (12, 12)]
    reports.clear()
    encoded(Counting(), words(5), None, progress=lambda *pair: reports.append(pair))
    assert reports == [(0, 5), (4, 5), (5, 5)]


def test_progress_is_told_within_a_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr("foils.encoders.encoding.TOLD_TEXTS", 3)
    reports, encoder = [], Counting()
    found = encoded(encoder, words(6), tmp_path, progress=lambda *pair: reports.append(pair))
    assert found.tobytes() == expected(words(6)).tobytes()
    assert [len(texts) for texts in encoder.asked] == [3, 1, 2]
    assert reports == [(0, 6), (3, 6), (4, 6), (6, 6)]


def test_a_function_without_a_fingerprint_is_not_kept_and_this_is_said(tmp_path):
    said = []
    encoded(CallableEncoder(expected), words(4), tmp_path, say=said.append)
    assert "not kept for the next run" in said[0]
    assert list(tmp_path.glob("**/*.npy")) == []
    named, calls = [], []
    for _ in range(2):
        encoder = CallableEncoder(lambda texts: calls.append(1) or expected(texts), fingerprint="checkpoint 7")
        named.append(encoded(encoder, words(4), tmp_path, say=said.append))
    assert (len(said), len(calls)) == (1, 1)
    assert named[0].tobytes() == named[1].tobytes()


@pytest.mark.parametrize("shape", [(3, 2), (4,), (4, 0)])
def test_an_encoder_that_gives_something_else_is_refused(tmp_path, shape):
    with pytest.raises(DataError, match="expected one row per text"):
        encoded(CallableEncoder(lambda texts: np.zeros(shape), fingerprint="x"), words(4), tmp_path)


def test_records_without_texts_are_refused(tmp_path):
    with pytest.raises(DataError, match="the items hold no texts"):
        encode_records(Counting(), Records.of(["a"]), "items", cache=tmp_path)
    mixed = Records.of(["a", "b"], ["text", ""], payloads=["", "image.png"])
    with pytest.raises(DataError, match="files by reference"):
        encode_records(Counting(), mixed, "items", cache=tmp_path)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=12), min_size=1, max_size=4))
def test_any_texts_in_any_order_come_back(tmp_path_factory, collections):
    folder = tmp_path_factory.mktemp("cache")
    seen = set()
    for texts in collections:
        encoder = Counting()
        assert encoded(encoder, texts, folder).tobytes() == expected(texts).tobytes()
        assert sorted(encoder.texts) == sorted(set(texts) - seen)
        seen |= set(texts)


def test_hashes_with_zeros_at_their_ends_are_told_apart(tmp_path):
    digests = np.array([b"a" * 15 + b"\0", b"a" * 15 + b"\1", b"\0" * 16], "S16")
    vectors = np.arange(9, dtype=np.float32).reshape(3, 3)
    found = VectorCache(tmp_path, print).matrix(
        {"encoder": "x"}, digests, np.ones(3, np.int64), lambda at, tell: vectors[at]
    )
    np.testing.assert_array_equal(found, vectors)
    assert text_digests(["a", "b"]).dtype == "S16"


def test_mining_again_encodes_nothing(tmp_path, monkeypatch):
    texts = ["red cat", "blue dog", "old song", "big tree", "soft rain", "old cat"]
    data = foils.Collection.from_arrays([(0, 0), (1, 1)], anchors=["cat", "dog"], items=texts)
    encoder = StaticEncoder.load(_static(tmp_path))
    options = {"negatives": 2, "model": encoder, "cache": tmp_path / "cache"}
    first = foils.mine(data, "naive-top-k", **options, out=tmp_path / "a")
    monkeypatch.setattr(StaticEncoder, "encode", None)
    again = foils.mine(data, "naive-top-k", **options, out=tmp_path / "b")
    assert (tmp_path / "a" / "identity.json").read_bytes() == (tmp_path / "b" / "identity.json").read_bytes()
    assert first.negatives["negative_ids"].equals(again.negatives["negative_ids"])
    reopened = foils.Mined.open(tmp_path / "a", data, model=encoder, cache=tmp_path / "cache")
    assert reopened.prepared is not None


def test_models_that_a_recipe_does_not_read_are_refused(tmp_path):
    data = foils.Collection.from_arrays([(0, 0)], anchors=["cat"], items=["red cat", "blue dog", "old song"])
    encoder = Counting()
    with pytest.raises(InputError, match=r"a model is given for 'guid', and the recipe naive-top-k reads .* 'model'"):
        foils.mine(data, "naive-top-k", negatives=1, model=encoder, models={"guid": encoder})
    with pytest.raises(InputError, match="models names 'model' too"):
        foils.mine(data, "naive-top-k", negatives=1, model=encoder, models={"model": encoder})
    pair = (np.ones((1, 2)), np.ones((3, 2)))
    with pytest.raises(InputError, match="both a model and vectors are given for 'model'"):
        foils.mine(data, "naive-top-k", negatives=1, models={"model": encoder}, vectors={"model": pair})
    assert foils.mine(data, "uniform", negatives=1, model=encoder).stats["units"] == 1
    assert encoder.asked == []


def _static(folder):
    from foils.encoders.bags import train_tokenizer

    tokenizer = train_tokenizer(["red cat", "blue dog"], 270)
    noise = np.random.default_rng(0).standard_normal((270, 4)).astype(np.float32)
    StaticEncoder(noise, tokenizer).save(folder / "static")
    return folder / "static"


def test_texts_to_encode_are_those_that_would_be(tmp_path):
    texts, encoder = ["a", "b", "a", "c"], Counting()
    wanted = lambda given: texts_to_encode(encoder, records(given), "items", cache=tmp_path).tolist()  # noqa: E731
    assert wanted(texts) == [0, 1, 3]
    assert list(tmp_path.iterdir()) == []
    encoded(encoder, ["a", "c"], tmp_path)
    assert wanted(texts) == [1]
    encoded(encoder, texts, tmp_path)
    assert wanted(texts) == []
    assert texts_to_encode(encoder, records(texts), "items").tolist() == [0, 1, 2, 3]
