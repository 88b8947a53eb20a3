"""Tiny random models, built here: no network, no weights of anybody's."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tiny_models.py

from tiny_models import save_cross_encoder, save_sentence_transformer


@pytest.fixture(scope="session")
def sentence_model(tmp_path_factory) -> Path:
    return save_sentence_transformer(tmp_path_factory.mktemp("models") / "sentence", seed=0)


@pytest.fixture(scope="session")
def pair_model(tmp_path_factory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "pairs", seed=0)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
