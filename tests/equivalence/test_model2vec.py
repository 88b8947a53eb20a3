"""A saved encoder is a model2vec model, and a plain model2vec model is an encoder."""

import numpy as np
import pytest
from model2vec import StaticModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from foils.encoders import StaticEncoder
from foils.encoders.bags import train_tokenizer

TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "def numpy_sort(array): return sorted(array)  # 12345",
    "Čeština, Ελληνικά, русский, 日本語, 한국어, हिन्दी 🤗",
    "\ufb01ve ligatures, \uff26\uff55\uff4c\uff4c width, ½",
    "far more tokens than the 512 that it would cut at " * 60 + " and an end",
    "",
    " \t\n\x1c\u00a0\u3000",
    "a",
]


def random_encoder(tokenizer):
    rows = max(tokenizer.get_vocab().values()) + 1
    noise = np.random.default_rng(0).standard_normal((rows, 32), dtype=np.float32)
    return StaticEncoder(noise, tokenizer)


def test_model2vec_reads_what_we_save_and_gives_equal_vectors(tmp_path):
    encoder = random_encoder(train_tokenizer(TEXTS, 400))
    encoder.save(tmp_path / "model")
    model = StaticModel.from_pretrained(tmp_path / "model")
    ours, theirs = encoder.encode(TEXTS), model.encode(TEXTS)
    assert np.abs(ours[0]).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("kind", ["word_level", "word_piece", "unigram"])
def test_we_read_a_model_of_model2vec_and_leave_unknown_tokens_out(tmp_path, kind):
    words = ["[UNK]", "the", "quick", "fox", "dog", "##s", "f", "o", "x"]
    model = {
        "word_level": models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"),
        "word_piece": models.WordPiece({word: at for at, word in enumerate(words)}, unk_token="[UNK]"),
        "unigram": models.Unigram([(word, -1.0 - at) for at, word in enumerate(words)], unk_id=0),
    }[kind]
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    vectors = random_encoder(tokenizer).embeddings
    theirs = StaticModel(vectors, tokenizer, normalize=True, max_length=None)
    theirs.save_pretrained(tmp_path / "model")
    encoder = StaticEncoder.load(tmp_path / "model")
    texts = ["The quick dogs", "quick zebra", "zebra", "", "fo\x1cx fox foxes", "the\u200bfox"]
    np.testing.assert_allclose(encoder.encode(texts), theirs.encode(texts), atol=1e-6)
    if kind != "unigram":  # which cuts an unknown word into letters that it knows
        assert not encoder.encode(["zebra"]).any()
    assert encoder.encode(["quick"]).any()
