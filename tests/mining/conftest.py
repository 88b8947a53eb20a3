"""Fixtures of the mining tests: small shards, no waiting for the disk, small problems."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # mining_problem.py, which the drivers import too

SMALL_SHARD = 16


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """Several shards in a small problem; what fsync is for is tested in processes of their own."""
    monkeypatch.setattr("foils.mining.prepare.SHARD_UNITS", SMALL_SHARD)
    monkeypatch.setattr("foils._durable.sync", lambda path: None)


@pytest.fixture
def recipe_file(tmp_path):
    """Write a recipe of one's own."""

    def write(text: str) -> Path:
        path = tmp_path / f"recipe-{len(list(tmp_path.glob('recipe-*')))}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
