"""Advice on worlds in which it is known whether mining pays; what is encoded; what is refused."""

from functools import cache

import numpy as np
import pytest
from advice_worlds import world
from msgspec import structs

import foils
from foils.advising import AdviceSettings
from foils.advising.text import describe
from foils.encoders import CallableEncoder
from foils.errors import DataError, InputError

QUICK = AdviceSettings(seeds=2, anchors=90, items=400)


@cache
def advised(rivals):
    return foils.advise(world(rivals=rivals), settings=QUICK)


@cache
def vectors(rows, seed):
    return np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32)


def without_times(advice):
    data = advice.data() | {"cost": None}
    data["arms"] = [arm | {"mining_seconds": 0, "training_seconds": 0} for arm in data["arms"]]
    return data


def test_mining_pays_where_only_negatives_of_the_same_topic_teach():
    advice = advised(2)
    assert (advice.verdict, advice.recipe) == ("pays", "uniform")
    assert {arm.name for arm in advice.arms if arm.to_reference and arm.to_reference.interval.low > 0} >= {"uniform"}
    assert advice.cost is not None
    assert advice.cost.mining_seconds > 0


def test_mining_does_not_pay_where_nothing_is_left_to_learn():
    advice = advised(0)
    assert (advice.verdict, advice.recipe, advice.cost) == ("does not pay", None, None)
    assert advice.sentences[0].startswith("Mining does not pay here")


def test_a_gain_that_may_be_large_enough_or_not_cannot_tell():
    difference = advised(2).arms[1].to_reference.interval
    effect = (difference.estimate + difference.high) / 2
    advice = foils.advise(world(rivals=2), settings=AdviceSettings(2, 4, 90, 400, effect))
    assert (advice.verdict, advice.recipe) == ("cannot tell", None)


def test_equal_seeds_give_equal_advice():
    data = world(rivals=2)
    assert without_times(foils.advise(data, settings=QUICK)) == without_times(advised(2))


def test_an_adapter_is_tried_behind_vectors():
    data = world(rivals=2)
    steps = []
    advice = foils.advise(
        data,
        query_vectors=vectors(len(data.anchors), 0),
        item_vectors=vectors(len(data.items), 1),
        settings=QUICK,
        progress=lambda what, done, total: steps.append((what, done, total)),
    )
    assert advice.kind == "adapter"
    assert [arm.name for arm in advice.arms] == ["in-batch only", "uniform", "naive-top-k", "nv-retriever"]
    assert [(done, total) for _, done, total in steps] == [(done, 8) for done in range(9)]
    assert steps[0][0] == "training in-batch only, seed 1 of 2"


def test_a_model_encodes_the_sample_alone():
    asked = []

    def encode(texts):
        asked.extend(texts)
        return vectors(1000, 2)[: len(texts)]

    data = world(rivals=4)
    settings = AdviceSettings(seeds=2, anchors=60, items=120)
    advice = foils.advise(data, model=CallableEncoder(encode, fingerprint="a"), settings=settings)
    assert advice.kind == "adapter"
    assert len(asked) == 60 + 120
    assert (advice.train_anchors, advice.held_out_anchors, advice.items) == (40, 20, 120)
    assert advice.sentences[-1].startswith(f"Ranked were 120 of {len(data.items)} items")
    assert not any("Ranked were" in sentence for sentence in advised(2).sentences)


def test_the_table_names_every_arm():
    text = describe(advised(2))
    assert text.startswith("Negatives pay, random ones: beside in-batch negatives, uniform raises nDCG@10 by +")
    for part in ("in-batch only", "uniform", "naive-top-k", "nv-retriever", "on all of the data: mining takes"):
        assert part in text


def test_a_short_time_is_said_in_words():
    advice = advised(2)
    text = describe(
        structs.replace(advice, cost=structs.replace(advice.cost, mining_seconds=0.001, training_seconds=3.0))
    )
    assert "on all of the data: mining takes less than 0.01 s, one training about 3.0 s" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "adapter"}, "an adapter is trained behind frozen vectors; give a model"),
        ({"kind": "static", "model": len}, "a static encoder reads texts"),
        ({"kind": "ful"}, "kind is 'ful'; expected static or adapter"),
        ({"query_vectors": "q.npy"}, "give query vectors and corpus vectors together"),
        ({"query_vectors": "q.npy", "item_vectors": "c.npy", "model": len}, "not both"),
        ({"split": "dev"}, "there is no split 'dev'"),
    ],
)
def test_what_does_not_go_together_is_refused(options, expected):
    with pytest.raises(InputError, match=expected):
        foils.advise(world(rivals=0), settings=QUICK, **options)


def test_too_few_anchors_are_refused():
    with pytest.raises(DataError, match=r"59 anchors of the split 'train' have a positive.*needs 60"):
        foils.advise(world(59, rivals=0), settings=QUICK)


@pytest.mark.parametrize(("field", "value"), [("seeds", 1), ("negatives", 0), ("anchors", 59), ("smallest_effect", 0)])
def test_settings_out_of_range_are_refused(field, value):
    with pytest.raises(InputError, match=f"{field} is {value}; expected a number from"):
        AdviceSettings(**{field: value})
