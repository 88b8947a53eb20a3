"""A judge that another scorer wraps costs what it costs alone, and a plan says so."""

import json

import numpy as np
import pytest
from plan_world import ANCHORS, ITEMS, collection, vectors

from foils.planning import plan
from foils.planning.text import describe
from foils.scorers.cross_encoder_model import CrossEncoderModel


@pytest.mark.parametrize(
    ("scorer", "name"),
    [
        ({"cross_encoder": {"model": "pairs"}}, "cross_encoder"),
        ({"confident": {"of": {"cross_encoder": {"model": "pairs"}}}}, "confident.of.cross_encoder"),
        ({"confident": {"of": {"vectors": {}}}}, None),
    ],
)
def test_the_judge_within_a_scorer_is_planned(tmp_path, monkeypatch, scorer, name):
    asked = []
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "config.json").write_text("{}")
    monkeypatch.setattr(
        CrossEncoderModel, "logits", lambda model, pairs: asked.extend(pairs) or np.zeros(len(pairs), np.float32)
    )
    recipe = tmp_path / "nested.yaml"
    parts = {
        "source": {"dense": {"k": 10, "max_depth": 80}},
        "scorers": [scorer],
        "rules": [{"max_score": {"threshold": 5}}],
        "sampler": {"top_k": {"column": "dense"}},
    }
    recipe.write_text(json.dumps(parts))
    planned = plan(
        collection(), recipe, negatives=2, query_vectors=vectors(ANCHORS), item_vectors=vectors(ITEMS, 1), cache=False
    )
    assert [one.column for one in planned.judgings] == [name] * (name is not None)
    reads = [line for line in planned.warnings if "cross_encoder reads every candidate" in line]
    assert len(reads) == (name is not None)
    if name is None:
        return
    (judging,) = planned.judgings
    assert judging.pairs == ANCHORS * 11  # candidates, and the positive
    assert judging.seconds > 0
    assert asked
    assert f"{name} is asked about {ANCHORS * 11:,} pairs" in describe(planned)
