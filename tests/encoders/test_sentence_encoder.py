"""Encoders of sentence-transformers: vectors are the library's own, and what they follow from is known."""

import json
import shutil
from functools import partial

import numpy as np
import pytest
from tiny_models import save_sentence_transformer

from foils.encoders import SentenceEncoder, StaticEncoder, as_encoder, open_encoder
from foils.errors import DataError, InputError

TEXTS = ["red cat", "old blue car song", "", "dogs", "a b c d e f g h " * 20]
PROMPTS = {"query": "query : ", "document": "passage : "}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    return save_sentence_transformer(tmp_path_factory.mktemp("prompted") / "model", seed=1, prompts=PROMPTS)


@pytest.fixture
def copied(sentence_model, tmp_path):
    """A copy of the model that a test may change."""
    return shutil.copytree(sentence_model, tmp_path / "copy")


def rewritten(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_vectors_are_those_of_the_library(prompted):
    from sentence_transformers import SentenceTransformer

    ours, theirs = open_encoder(prompted, precision="float32"), SentenceTransformer(str(prompted), device="cpu")
    for side, encode in (("anchors", theirs.encode_query), ("items", theirs.encode_document)):
        vectors = ours.encode(TEXTS, side)
        assert (vectors.dtype, vectors.shape) == (np.float32, (5, 16))
        np.testing.assert_allclose(vectors, encode(TEXTS), atol=1e-6)  # ours are not padded
    assert not np.allclose(ours.encode(TEXTS, "anchors"), ours.encode(TEXTS, "items"))
    assert ours.encode([], "items").shape == (0, 16)


def test_prompts_of_the_caller_count_instead_of_the_models(prompted, sentence_model):
    plain = open_encoder(prompted, query_prompt="", corpus_prompt="query : ")
    assert (plain.prompt("anchors"), plain.prompt("items")) == ("", "query : ")
    np.testing.assert_array_equal(plain.encode(TEXTS, "items"), open_encoder(prompted).encode(TEXTS, "anchors"))
    bare = open_encoder(sentence_model)
    assert bare.identity("anchors") == bare.identity("items")
    with_prompt = open_encoder(sentence_model, query_prompt="query : ")
    np.testing.assert_array_equal(
        with_prompt.encode(["red cat"], "anchors"), bare.encode(["query : red cat"], "anchors")
    )


def test_a_passage_prompt_is_for_items(sentence_model, copied):
    rewritten(copied / "config_sentence_transformers.json", prompts={"query": "", "document": "", "passage": "p "})
    assert (open_encoder(copied).prompt("anchors"), open_encoder(copied).prompt("items")) == ("", "p ")


def test_length_and_precision_take_effect(sentence_model):
    whole = open_encoder(sentence_model, precision="float32")
    cut = open_encoder(sentence_model, max_length=4, precision="float32")
    long = ["red blue old cat dog car", "red blue"]
    assert not np.array_equal(whole.encode(long, "items")[0], cut.encode(long, "items")[0])
    np.testing.assert_allclose(whole.encode(long, "items")[1], cut.encode(long, "items")[1], atol=1e-6)
    half = open_encoder(sentence_model, precision="bfloat16").encode(long, "items")
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole.encode(long, "items"))
    np.testing.assert_allclose(half, whole.encode(long, "items"), atol=0.1)
    with pytest.raises(InputError, match="max_length is 0"):
        open_encoder(sentence_model, max_length=0)


def test_whatever_changes_vectors_changes_the_identity(sentence_model, copied):
    opened = partial(open_encoder, precision="float32")
    same = opened(sentence_model).identity("items")
    assert opened(copied).identity("items") == same  # a copy under another name
    changed = [
        opened(copied, corpus_prompt="x").identity("items"),
        opened(copied, max_length=8).identity("items"),
        open_encoder(copied, precision="bfloat16").identity("items"),
    ]
    for name, fields in (
        ("1_Pooling/config.json", {"pooling_mode": "cls"}),
        ("sentence_bert_config.json", {"max_seq_length": 9}),
        ("tokenizer_config.json", {"do_lower_case": False}),
    ):
        rewritten(copied / name, **fields)
        changed.append(opened(copied).identity("items"))
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    changed.append(opened(copied).identity("items"))
    texts = [json.dumps(identity) for identity in (same, *changed)]
    assert len(set(texts)) == len(texts)


def test_what_does_not_change_vectors_does_not_change_the_identity(sentence_model, copied):
    (copied / "README.md").write_text("a model")
    (copied / "optimizer.pt").write_bytes(b"x")
    (copied / ".gitattributes").write_text("*")
    assert open_encoder(copied).identity("items") == open_encoder(sentence_model).identity("items")


def test_hashes_of_files_are_remembered_until_they_change(copied, tmp_path, monkeypatch):
    monkeypatch.setattr("foils.encoders.fingerprints.SETTLED_SECONDS", -10.0)
    memo = tmp_path / "memo"
    first = open_encoder(copied, memo=memo).digest
    with monkeypatch.context() as patched:
        patched.setattr("foils._durable.checksum", None)
        assert open_encoder(copied, memo=memo).digest == first
    rewritten(copied / "1_Pooling" / "config.json", pooling_mode="cls")
    assert open_encoder(copied, memo=memo).digest == open_encoder(copied).digest != first
    (file,) = memo.glob("*.json")
    file.write_text("broken")
    assert open_encoder(copied, memo=memo).digest == open_encoder(copied).digest


def test_a_file_changed_a_moment_ago_is_not_remembered(copied, tmp_path):
    open_encoder(copied, memo=tmp_path / "memo", precision="float32").identity("items")
    assert list(tmp_path.glob("memo/*")) == []


def test_a_model_in_memory_is_known_by_its_weights(sentence_model):
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(sentence_model), device="cpu")
    encoder = as_encoder(model)
    assert isinstance(encoder, SentenceEncoder)
    plain = open_encoder(sentence_model, precision="float32")
    np.testing.assert_array_equal(encoder.encode(TEXTS, "items"), plain.encode(TEXTS, "items"))
    assert encoder.identity("items")["precision"] is None
    before = as_encoder(model).identity("items")
    assert as_encoder(SentenceTransformer(str(sentence_model), device="cpu")).identity("items") == before
    with torch.no_grad():
        next(model.parameters()).add_(1e-3)  # a training step
    trained = as_encoder(model).identity("items")
    assert trained != before
    model.max_seq_length = 5
    shorter = as_encoder(model).identity("items")
    assert shorter != trained
    model.truncate_dim = 4
    assert as_encoder(model).identity("items") != shorter


def test_nothing_is_loaded_to_know_the_identity(sentence_model, monkeypatch):
    import sentence_transformers

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", None)
    encoder = open_encoder(sentence_model, precision="float32")
    assert encoder.identity("anchors")["model"] == encoder.digest


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", '[{"type": "mine.Module"}]', "'mine.Module' is not one of sentence-transformers"),
        ("modules.json", "{}", "expected a list of modules"),
        ("modules.json", "[", "is not JSON"),
        ("config.json", '{"auto_map": {"AutoModel": "x.Y"}}', "code that comes with it"),
        ("adapter_config.json", "{}", "is an adapter"),
        ("config_sentence_transformers.json", '{"model_type": "CrossEncoder"}', "is a CrossEncoder"),
    ],
)
def test_models_that_cannot_be_read_safely_are_refused(copied, name, content, message):
    (copied / name).write_text(content)
    with pytest.raises(DataError, match=message):
        open_encoder(copied)


def test_pickled_weights_are_refused(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin: weights are read from \.safetensors only"):
        open_encoder(copied)


def test_a_damaged_model_is_named(copied):
    (copied / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be opened by sentence-transformers"):
        open_encoder(copied).encode(["red"], "items")


def test_a_transformer_without_pooling_is_refused(copied):
    (copied / "modules.json").unlink()
    with pytest.raises(InputError, match=r"\('bert'\) that does not say how tokens become one vector"):
        open_encoder(copied)


@pytest.mark.parametrize("begin", ["", "./", "{here}/"])
def test_a_path_that_is_mistyped_is_no_hub_name(monkeypatch, tmp_path, begin):
    import huggingface_hub

    def offline(name, ignore_patterns):
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models/adapter").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        open_encoder(f"{begin.format(here=tmp_path)}models/adaptor")
    message = str(caught.value)
    assert "models/adaptor': there is no such folder; in " in message
    assert "did you mean 'adapter'?" in message
    assert "hub" not in message.casefold()
    with pytest.raises(InputError, match="/models: did you mean 'adapter'"):
        open_encoder("./models/adapted/deep")


def test_a_hub_name_is_looked_up_and_its_failure_said(monkeypatch, sentence_model):
    import huggingface_hub

    def offline(name, ignore_patterns):
        assert "*.bin" in ignore_patterns
        raise OSError("offline\nand more")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        InputError, match=r"'no/model': there is no such folder, and .* hub gives no such model \(offline\)"
    ):
        open_encoder("no/model")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, ignore_patterns: str(sentence_model))
    assert open_encoder("owner/name").identity("items") == open_encoder(sentence_model).identity("items")


@pytest.mark.parametrize("model", ["no-such-model", "/no/such/folder", "./x", "m" * 300, "", "a b/c", "\0"])
def test_what_can_be_no_hub_name_is_not_looked_up(monkeypatch, model):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    with pytest.raises(InputError, match="there is no such folder"):
        open_encoder(model)


def test_a_model_of_model2vec_stays_light(tmp_path, monkeypatch):
    import sys

    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(["[UNK]", *"abcd"])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    noise = np.random.default_rng(0)
    mapping, weights = np.array([0, 1, 0, 1, 2]), noise.random(5)
    vectors = noise.standard_normal((3, 8)).astype(np.float16)
    theirs = StaticModel(vectors, tokenizer, normalize=True, weights=weights, token_mapping=mapping)
    theirs.save_pretrained(tmp_path / "model")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    ours = open_encoder(tmp_path / "model")
    assert isinstance(ours, StaticEncoder)
    np.testing.assert_allclose(ours.encode(["a b", "d d a c"]), theirs.encode(["a b", "d d a c"]), atol=1e-3)
    with pytest.raises(InputError, match="has no prompts"):
        open_encoder(tmp_path / "model", max_length=3)
    with pytest.raises(InputError, match="no precision but float32"):
        open_encoder(tmp_path / "model", precision="bfloat16")
    assert isinstance(open_encoder(tmp_path / "model", precision="float32"), StaticEncoder)


def test_what_is_no_encoder_is_refused():
    for wrong in (3, ["minilm"], object()):
        with pytest.raises(InputError, match="expected a folder, a name, a SentenceTransformer"):
            as_encoder(wrong)


def test_functions_are_encoders_without_a_key():
    encoder = as_encoder(lambda texts: np.ones((len(texts), 2)))
    assert encoder.identity("items") is None
    vectors = encoder.encode(["a", "b"], "anchors")
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, 2))
    with pytest.raises(DataError, match="no array of numbers"):
        as_encoder(lambda texts: ["x"]).encode(["a"], "items")
