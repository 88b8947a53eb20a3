"""Tiny random models to fine-tune, and a collection of the words that they know."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))  # tiny_models.py

from tiny_models import WORDS, save_cross_encoder, save_sentence_transformer

from foils import Collection
from foils.training import MinedNegatives

ANCHORS, ITEMS = 40, 60


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("foils._durable.sync", lambda path: None)


@pytest.fixture(scope="session")
def retriever(tmp_path_factory) -> Path:
    prompts = {"query": "query: ", "document": "passage: "}
    return save_sentence_transformer(tmp_path_factory.mktemp("models") / "retriever", seed=0, prompts=prompts)


@pytest.fixture(scope="session")
def reranker(tmp_path_factory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "reranker", seed=0)


@pytest.fixture(scope="session")
def collection() -> Collection:
    """An anchor is the first words of an item; every fifth has a second positive."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS[5:24], 6)) for _ in range(ITEMS)]
    pairs = [(row, row) for row in range(ANCHORS)] + [(row, row + 1) for row in range(0, ANCHORS, 5)]
    anchors = [" ".join(texts[row].split()[:3]) + f" {'abcdefgh'[row % 8]}" for row in range(ANCHORS)]
    return Collection.from_arrays(np.array(pairs), anchors=anchors, items=texts)


@pytest.fixture(scope="session")
def mined() -> MinedNegatives:
    """Up to four per anchor; some have fewer, one has none."""
    items = np.random.default_rng(1).integers(-1, ITEMS, (ANCHORS, 4))
    items[7] = -1
    return MinedNegatives(np.arange(ANCHORS), items)
