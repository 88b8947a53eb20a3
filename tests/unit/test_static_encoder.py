"""The static encoder: tokens, vectors that depend on their text alone, and its folder."""

import errno
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from foils.collection import Records
from foils.encoders import StaticEncoder
from foils.encoders.bags import bag_tokens, train_tokenizer
from foils.errors import DataError, FolderError, InputError

CORPUS = [
    "Return the sorted list of the keys of a mapping.",
    "Sort the list in place; keys are compared by numbers 0 to 99.",
    "snake_case, camelCase and __dunder__ names: numpy.ndarray.sort(axis=-1)",
    "Žluťoučký kůň, Ελληνικά, русский, 日本語のテキスト, हिन्दी, 🤗🤗",
]
STRANGE = ["", " \n\x1c\u00a0", "ß", "<script>alert(1)</script>", "\x1b[31m", "=cmd()", "a\u0301\u0301", "\u200b"]
TOKENIZER = train_tokenizer(CORPUS, 280)


def encoder_of(tokenizer=TOKENIZER, dim=24, seed=0):
    noise = np.random.default_rng(seed).standard_normal((tokenizer.get_vocab_size(), dim), dtype=np.float32)
    return StaticEncoder(noise, tokenizer)


def test_every_text_but_white_space_has_tokens():
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and (code < 4096 or code % 61 == 0)]
    letters += [chr(code) for code in range(0x110000) if chr(code).isspace()]
    has_tokens = np.diff(bag_tokens(TOKENIZER, letters).indptr) > 0
    empty = Records.of([str(row) for row in range(len(letters))], letters).empty
    np.testing.assert_array_equal(has_tokens, ~empty)
    assert has_tokens.any()
    assert empty.any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(CORPUS + STRANGE)), max_size=6))
def test_bags_are_the_shares_of_the_tokens(texts):
    """Words are tokenised apart from each other; whole texts must give the same."""
    bags = bag_tokens(TOKENIZER, texts)
    rows = np.split(bags.indices, bags.indptr[1:-1])
    assert all((np.diff(tokens) > 0).all() for tokens in rows)
    shares = bags.toarray()
    assert shares.shape == (len(texts), TOKENIZER.get_vocab_size())
    for row, text in enumerate(texts):
        ids = TOKENIZER.encode(text, add_special_tokens=False).ids
        expected = np.zeros(shares.shape[1])
        for token, count in Counter(ids).items():
            expected[token] = count / len(ids)
        np.testing.assert_allclose(shares[row], expected, rtol=1e-6)


def test_a_vector_is_the_normalised_mean_of_its_tokens():
    encoder = encoder_of()
    vectors = encoder.encode(CORPUS + STRANGE)
    assert vectors.dtype == np.float32
    for text, vector in zip(CORPUS + STRANGE, vectors, strict=True):
        ids = TOKENIZER.encode(text, add_special_tokens=False).ids
        if not ids:
            assert not vector.any()
            continue
        mean = encoder.embeddings[ids].astype(np.float64).mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=30), st.sampled_from(CORPUS + STRANGE)), min_size=1, max_size=20),
    st.integers(1, 7),
)
def test_a_vector_depends_on_its_text_alone(texts, size):
    encoder = encoder_of(dim=17)
    whole = encoder.encode(texts)
    parts = [encoder.encode(texts[start : start + size]) for start in range(0, len(texts), size)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert encoder.encode(texts[::-1])[::-1].tobytes() == whole.tobytes()


def test_width_and_case_do_not_matter_and_accents_do():
    same, plain, accented = encoder_of().encode(["\uff33\uff4f\uff52\uff54 \ufb01rst", "sort first", "sôrt first"])
    assert same.tobytes() == plain.tobytes()
    assert plain.tobytes() != accented.tobytes()


def test_no_texts_give_no_vectors():
    assert encoder_of(dim=5).encode([]).shape == (0, 5)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "put it in a list"),
        (["a", None], r"texts\[1\] is None; expected a string"),
        (["a", b"b"], r"texts\[1\] is b'b'"),
        (["a", "b", "\ud800"], r"texts\[2\] holds a lone surrogate"),
    ],
)
def test_what_is_not_a_list_of_texts_is_refused(texts, message):
    with pytest.raises(DataError, match=message):
        encoder_of().encode(texts)


def test_the_tokenizer_follows_from_the_texts_alone():
    code = (
        "import hashlib, sys; from foils.encoders.bags import train_tokenizer;"
        "texts = [f'word{n % 97} {chr(97 + n % 26) * 3}{n * 7919 % 1009} tied pairs' for n in range(3000)];"
        "print(hashlib.sha256(train_tokenizer(texts, 2000).to_str().encode()).hexdigest())"
    )

    def digest(**changes):
        environment = {**os.environ, **changes}
        return subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)

    one = digest(RAYON_NUM_THREADS="1", PYTHONHASHSEED="1")
    assert one == digest(RAYON_NUM_THREADS="4", PYTHONHASHSEED="2", TOKENIZERS_PARALLELISM="true")


def test_save_and_load_give_the_same_encoder(tmp_path):
    encoder = encoder_of()
    encoder.save(tmp_path / "deep" / "model")
    loaded = StaticEncoder.load(str(tmp_path / "deep" / "model"))
    assert sorted(path.name for path in (tmp_path / "deep" / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model"]
    assert loaded.dim == 24
    assert loaded.digest == encoder.digest
    assert loaded.encode(CORPUS + STRANGE).tobytes() == encoder.encode(CORPUS + STRANGE).tobytes()


def test_the_digest_follows_weights_and_tokenizer():
    changed = encoder_of().embeddings.copy()
    changed[3, 4] = np.nextafter(changed[3, 4], np.float32(9))
    other = train_tokenizer(CORPUS[:3], 280)
    digests = {encoder_of().digest, StaticEncoder(changed, TOKENIZER).digest, encoder_of(other).digest}
    assert len(digests) == 3
    assert encoder_of().digest == encoder_of().digest


def test_what_is_there_is_not_overwritten(tmp_path):
    encoder_of().save(tmp_path / "model")
    with pytest.raises(FolderError, match="is there already; remove it"):
        encoder_of(seed=1).save(tmp_path / "model")
    assert StaticEncoder.load(tmp_path / "model").digest == encoder_of().digest
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="is there already"):
        encoder_of().save(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    encoder_of().save(tmp_path / "empty")
    assert StaticEncoder.load(tmp_path / "empty").dim == 24


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def full(handle):
        calls.append(handle)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FolderError, match="No space left on device"):
        encoder_of().save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_write_left_is_no_model_and_no_obstacle(tmp_path):
    partial = tmp_path / ".model.part"
    partial.mkdir()
    (partial / "model.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match="there is no"):
        StaticEncoder.load(tmp_path / "model")
    encoder_of().save(tmp_path / "model")
    assert StaticEncoder.load(tmp_path / "model").digest == encoder_of().digest
    assert not partial.exists()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_missing_file_is_named(tmp_path, name):
    encoder_of().save(tmp_path / "model")
    (tmp_path / "model" / name).unlink()
    with pytest.raises(InputError, match=f"there is no {name}"):
        StaticEncoder.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"\xff" * 64])
def test_a_damaged_file_is_named(tmp_path, name, content):
    encoder_of().save(tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        StaticEncoder.load(tmp_path / "model")


def test_a_truncated_matrix_is_refused(tmp_path):
    encoder_of().save(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="is damaged"):
        StaticEncoder.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"other": np.ones((280, 4), np.float32)}, r"holds the tensors \['other'\]; expected embeddings"),
        (
            {"embeddings": np.ones((280, 4), np.float32), "bias": np.ones(280, np.float32)},
            r"holds the tensors \['bias', 'embeddings'\]; expected embeddings, weights and mapping",
        ),
        (
            {"embeddings": np.ones((280, 4), np.float32), "weights": np.ones(279, np.float32)},
            r"\(279,\) weights for 280 tokens",
        ),
        (
            {"embeddings": np.ones((4, 4), np.float32), "mapping": np.full(280, 4)},
            "the mapping points outside of the 4 embeddings",
        ),
        (
            {"embeddings": np.ones((4, 4), np.float32), "mapping": np.full(280, -1)},
            "the mapping points outside of the 4 embeddings",
        ),
        ({"embeddings": np.ones(280, np.float32)}, r"float32\[280\]; expected float32\[tokens, dim\]"),
        ({"embeddings": np.ones((280, 0), np.float32)}, r"float32\[280, 0\]"),
        ({"embeddings": np.ones((270, 4), np.float32)}, "a token 279 and there are 270 embeddings"),
        ({"embeddings": np.full((280, 4), np.nan, np.float32)}, "NaN or infinity"),
    ],
)
def test_a_wrong_matrix_is_refused(tmp_path, tensors, message):
    assert TOKENIZER.get_vocab_size() == 280
    encoder_of().save(tmp_path / "model")
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    with pytest.raises(DataError, match=message):
        StaticEncoder.load(tmp_path / "model")


def test_vectors_that_are_not_normalised_are_refused(tmp_path):
    encoder_of().save(tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text('{"normalize": false}', encoding="utf-8")
    with pytest.raises(DataError, match='expected "normalize": true'):
        StaticEncoder.load(tmp_path / "model")
