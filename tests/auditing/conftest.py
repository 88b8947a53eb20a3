"""A small data set with copies, hidden positives and a second split, hostile texts, and what was mined from it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "labelling"))  # label_world.py

import foils
from foils.collection import Collection
from foils.mining.stored import Result

HOSTILE = "</dd><script>alert('{{ 7*7 }}')</script><img src=x onerror=alert(1)> & =cmd() \x1b[31m\x07[red]\u202eabc $x$"


@dataclass(frozen=True, eq=False)
class World:
    """What was mined, and from what.

    Attributes:
        data: 30 anchors, 60 items; item 59 is a copy of item 0; test holds further positives of some anchors.
        truth: all positives there are.
        queries: vectors of the anchors.
        items: vectors of the items.
    """

    data: Collection
    truth: Collection
    queries: np.ndarray
    items: np.ndarray

    def mine(self, recipe: str, out, *, negatives: int = 4, **options):
        return foils.mine(
            self.data,
            recipe,
            negatives=negatives,
            query_vectors=self.queries,
            item_vectors=self.items,
            out=out,
            **options,
        )


def make_world() -> World:
    rng = np.random.default_rng(5)
    anchors = [f"question {row} about things" for row in range(30)]
    anchors[0] = f"{HOSTILE} question"
    texts = [f"item {row} says {' '.join(rng.choice(list('abcdefgh'), 6))}" for row in range(60)]
    texts[3] = HOSTILE
    texts[59] = texts[0].upper()
    items = rng.standard_normal((60, 5)).astype(np.float32)
    queries = rng.standard_normal((30, 5)).astype(np.float32)
    train = [(anchor, anchor) for anchor in range(24)] + [(2, 40), (2, 41)]
    hidden = [
        (anchor, int(item)) for anchor in range(24) for item in rng.integers(24, 58, 2) if (anchor, item) not in train
    ]
    test = [(anchor, 58) for anchor in range(20, 28)]
    for anchor, item in train + hidden:
        queries[anchor] += items[item]
    pairs, splits = train + test, ["train"] * len(train) + ["test"] * len(test)
    return World(
        Collection.from_arrays(pairs, anchors=anchors, items=texts, splits=splits),
        Collection.from_arrays(sorted({*train, *hidden}), anchors=anchors, items=texts),
        queries,
        items,
    )


@pytest.fixture(scope="session")
def world() -> World:
    return make_world()


@pytest.fixture(scope="session")
def mined(world, tmp_path_factory):
    return world.mine("naive-top-k", tmp_path_factory.mktemp("mined") / "naive")


@pytest.fixture(scope="session")
def strict(world, tmp_path_factory):
    return world.mine("nv-retriever", tmp_path_factory.mktemp("mined") / "strict")


@pytest.fixture(scope="session")
def wide(world, tmp_path_factory):
    """The negatives that copies of are labelled."""
    return world.mine("naive-top-k", tmp_path_factory.mktemp("wide") / "wide", negatives=8)


@pytest.fixture
def result(wide, tmp_path, monkeypatch):
    """A copy to label, without waiting for the disk."""
    monkeypatch.setattr("foils._durable.sync", lambda path: None)
    shutil.copytree(wide.result.path, tmp_path / "copy")
    return Result(tmp_path / "copy")


@pytest.fixture(scope="session")
def report(world, mined, strict):
    return foils.audit(strict, truth=world.truth, compare_with=mined).report


@pytest.fixture
def hostile() -> str:
    return HOSTILE
