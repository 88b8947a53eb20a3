"""Models small enough to see through: a table of vectors, and a cross-encoder that looks up its scores."""

import hashlib
from types import SimpleNamespace

import numpy as np
import torch
from datasets import Dataset
from torch import nn


class TableModel(nn.Module):
    """Has the interface of a SentenceTransformer; the vector of a text is a row of a table, its weight."""

    def __init__(self, vectors: dict[str, list[float]]) -> None:
        super().__init__()
        self.rows = {text: row for row, text in enumerate(vectors)}
        table = torch.tensor(np.array(list(vectors.values()), np.float32))
        self.table = nn.Parameter(nn.functional.normalize(table, dim=1), requires_grad=False)
        self.model_card_data = SimpleNamespace(base_model=None)  # as of every checkpoint that was saved and loaded
        self.similarity_fn_name = "cosine"
        self.tokenizer, self.prompts, self.default_prompt_name = None, {}, None
        self.calls = []

    device = torch.device("cpu")

    def _encode(self, side, texts, **settings):
        self.calls.append((side, len(texts), settings))
        return self.table[[self.rows[text] for text in texts]].numpy()

    def encode_query(self, texts, **settings):
        return self._encode("query", texts, **settings)

    def encode_document(self, texts, **settings):
        return self._encode("corpus", texts, **settings)

    def get_embedding_dimension(self):
        return self.table.shape[1]

    def similarity(self, queries, documents):
        return torch.as_tensor(queries) @ torch.as_tensor(documents).T

    def similarity_pairwise(self, queries, documents):
        return (torch.as_tensor(queries) * torch.as_tensor(documents)).sum(dim=1)


class TableCrossEncoder:
    """A score per pair of texts: given, or a number between 0 and 1 that only the pair decides."""

    def __init__(self, scores=None) -> None:
        self.scores = scores or {}
        self.pairs = []

    def predict(self, pairs, **_):
        self.pairs += pairs
        return torch.tensor([self.scores.get(pair, hashed(pair)) for pair in pairs], dtype=torch.float32)


def hashed(pair) -> float:
    return int.from_bytes(hashlib.sha256(repr(tuple(pair)).encode()).digest()[:6], "big") / 2**48


def at(cosine: float) -> list[float]:
    """A direction in the plane with this cosine to (1, 0)."""
    return [cosine, float(np.sqrt(1 - cosine**2))]


def line(positive: float, others: list[float]) -> tuple[TableModel, Dataset, list[str]]:
    """One query, one positive and texts t0, t1 … with these cosines to the query."""
    texts = {f"t{number}": at(cosine) for number, cosine in enumerate(others)}
    model = TableModel({"q": [1.0, 0.0], "p": at(positive), **texts})
    return model, Dataset.from_dict({"query": ["q"], "answer": ["p"]}), list(texts)


def random_problem(seed: int, *, positives: int = 3) -> tuple[TableModel, Dataset, list[str]]:
    """Random vectors, with queries repeated, pairs repeated, and texts of the corpus repeated."""
    random = np.random.default_rng(seed)
    queries = [f"query {row}" for row in range(random.integers(2, 7))]
    texts = [f"text {row}" for row in range(random.integers(8, 40))]
    vectors = random.normal(size=(len(queries) + len(texts), random.integers(2, 6)))
    pairs = [
        (query, texts[item])
        for query in queries
        for item in random.integers(0, len(texts), random.integers(1, positives + 1))
    ]
    random.shuffle(pairs)
    model = TableModel(dict(zip(queries + texts, vectors, strict=True)))
    dataset = Dataset.from_dict({"query": [pair[0] for pair in pairs], "answer": [pair[1] for pair in pairs]})
    corpus = [texts[row] for row in random.integers(0, len(texts), 2 * len(texts))]
    return model, dataset, corpus
