"""A sentence-transformer and a cross-encoder of one layer each, with random weights, saved as folders."""

import json
import logging
from pathlib import Path

TOKENS = "[PAD] [UNK] [CLS] [SEP] [MASK] red blue old cat dog car tree song query : passage a b c d e f g h ##s"
WORDS = TOKENS.split()


def save_sentence_transformer(path: Path, *, seed: int, prompts: dict[str, str] | None = None) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    torch.manual_seed(seed)
    transformer = _transformer(path, labels=None)
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save(str(path), create_model_card=False)
    if prompts is not None:
        file = path / "config_sentence_transformers.json"
        said = json.loads(file.read_text())
        file.write_text(json.dumps({**said, "prompts": prompts}))
    return path


def save_cross_encoder(path: Path, *, seed: int, labels: int = 1) -> Path:
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(seed)
    _bert(path / "bert", labels)
    model = CrossEncoder(str(path / "bert"), device="cpu", num_labels=labels)
    if labels == 1:
        with torch.no_grad():  # else all scores are about equal, and far from 0
            model.model.classifier.weight.mul_(40)
            words = [(anchor, item) for anchor in WORDS[5:11] for item in WORDS[5:11]]
            model.model.classifier.bias.sub_(float(model.predict(words, activation_fn=lambda logits: logits).mean()))
    model.save_pretrained(str(path / "model"))
    return path / "model"


def _transformer(path: Path, labels: int | None):
    from sentence_transformers.sentence_transformer.modules import Transformer

    _bert(path.with_name(f"{path.name}-bert"), labels)
    return Transformer(str(path.with_name(f"{path.name}-bert")), max_seq_length=32)


def _bert(path: Path, labels: int | None) -> None:
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    logging.getLogger("transformers").setLevel(logging.ERROR)
    path.mkdir(parents=True)
    (path / "vocab.txt").write_text("".join(f"{word}\n" for word in WORDS))
    tokenizer = BertTokenizerFast(vocab_file=str(path / "vocab.txt"), vocab={w: i for i, w in enumerate(WORDS)})
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(path)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.5, num_labels=labels or 2,
    )  # fmt: skip
    model = BertModel(config) if labels is None else BertForSequenceClassification(config)
    model.save_pretrained(path)
