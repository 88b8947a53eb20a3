"""Fixtures of the LLM tests: a server that misbehaves as it is told, and no waiting for its sake."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # llm_server.py, llm_world.py

from llm_server import Server


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("foils.scorers.llm_asking.FIRST_WAIT", 0.002)
    monkeypatch.setattr("foils.scorers.llm_asking.MOST_ASKED_WAIT", 0.03)
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server():
    with Server() as running:
        yield running
