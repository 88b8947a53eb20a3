"""Fixtures of the labels' tests."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # label_world.py

from label_world import World

from foils.labelling import LabelStore


@pytest.fixture
def quick_disk(monkeypatch):
    """No waiting for the disk outside SQLite."""
    monkeypatch.setattr("foils._durable.sync", lambda path: None)


@pytest.fixture(scope="session")
def mined_world(tmp_path_factory) -> World:
    return World.make(tmp_path_factory.mktemp("labels"))


@pytest.fixture
def world(mined_world, tmp_path, quick_disk) -> World:
    shutil.copytree(mined_world.out, tmp_path / "out")
    return World(mined_world.data, tmp_path / "out")


@pytest.fixture
def store(tmp_path) -> LabelStore:
    made = LabelStore.of(tmp_path)
    made.create()
    return made
