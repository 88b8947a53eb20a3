"""Fixtures of the page's tests: a result to label, and a client that has the token."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # review_world.py
sys.path.insert(0, str(Path(__file__).parents[1] / "labelling"))  # label_world.py

from label_world import World
from review_world import OWN, PORT, Page
from starlette.testclient import TestClient

from foils.labelling import LabelStore, stored_or_drawn
from foils.reviewing.app import Review, make_app
from foils.reviewing.guard import Keys


@pytest.fixture(scope="session")
def mined_world(tmp_path_factory) -> World:
    return World.make(tmp_path_factory.mktemp("review"), positives=4)


@pytest.fixture
def world(mined_world, tmp_path, monkeypatch) -> World:
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    shutil.copytree(mined_world.out, tmp_path / "out")
    return World(mined_world.data, tmp_path / "out")


@pytest.fixture
def page(world) -> Page:
    drawn, negatives = stored_or_drawn(world.result(), n=70)
    store, keys = LabelStore.of(world.out), Keys(PORT)
    review = Review.of(store, drawn, negatives.population, (world.collection(), "train"))
    client = TestClient(make_app(review, keys), base_url=OWN)
    opened = Page(client, keys, store, drawn)
    assert opened.enter().status_code == 200
    return opened
